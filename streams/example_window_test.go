package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Consumers that share a window share one budget of unsettled messages: what
// AMQP calls a global prefetch. Push gives their deliveries to a function.
func ExampleWindow() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	window, err := streams.NewWindow(2)
	check(err)
	arrived := make(chan *streams.Delivery, 6)
	for _, queue := range []string{"letters", "parcels"} {
		_, err := s.DeclareQueue(ctx, streams.Queue{Name: queue})
		check(err)
		for range 3 {
			check(s.Publish(ctx, "", queue, text("")))
		}
		_, err = s.Consume(ctx, queue, streams.ConsumeOptions{
			Window: window,
			Push:   func(d *streams.Delivery) { arrived <- d },
		})
		check(err)
	}

	held := []*streams.Delivery{<-arrived, <-arrived}
	fmt.Println(window.Used(), "of", window.Limit(), "held,", len(arrived), "more came")
	for _, d := range held {
		check(d.Ack())
	}
	for range 4 {
		d := <-arrived
		check(d.Ack())
	}
	fmt.Println(window.Used(), "held in the end")
	// Output:
	// 2 of 2 held, 0 more came
	// 0 held in the end
}
