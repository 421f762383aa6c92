package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Of the consumers that share a window, those of a higher rank come first; groups of
// them are given room in proportion to their weights.
func ExampleTurn() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	turns := map[string]streams.Turn{
		"express": {Group: "parcels", Weight: 2, Rank: 1},
		"parcels": {Group: "parcels", Weight: 2},
		"letters": {Group: "letters", Weight: 1},
	}
	window, err := streams.NewWindow(1)
	check(err)
	arrived := make(chan *streams.Delivery, 10)
	consume := func(queue string, turn streams.Turn) {
		_, err := s.Consume(ctx, queue, streams.ConsumeOptions{
			Window: window,
			Turn:   turn,
			Push:   func(d *streams.Delivery) { arrived <- d },
		})
		check(err)
	}

	for queue := range turns {
		_, err := s.DeclareQueue(ctx, streams.Queue{Name: queue})
		check(err)
		fillQueue(ctx, s, queue, 3)
	}

	// While this is held there is no room for anything else.
	_, err = s.DeclareQueue(ctx, streams.Queue{Name: "first"})
	check(err)
	check(s.Publish(ctx, "", "first", text("")))
	consume("first", streams.Turn{})
	held := <-arrived

	for queue, turn := range turns {
		consume(queue, turn)
	}

	check(held.Ack())
	count := make(map[string]int)
	for n := range 6 {
		d := <-arrived
		count[string(d.Body)]++
		if n == 5 {
			fmt.Println(count)
		}
		check(d.Ack())
	}
	// Output: map[express:3 letters:2 parcels:1]
}
