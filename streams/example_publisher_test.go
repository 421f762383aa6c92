package streams_test

import (
	"context"
	"fmt"
	"strconv"

	"warren/streams"
)

// A publisher does not wait for each confirm: as many messages as its window
// has room for are under way at once. The outcomes come in the order in which
// the messages were published.
func ExampleSession_Publisher() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "numbers"})
	check(err)

	confirmed := 0
	p, err := s.Publisher(streams.PublisherOptions{
		Window: 100,
		Confirmed: func(c *streams.Confirm) {
			check(c.Err())
			confirmed++
		},
	})
	check(err)
	for i := range 1000 {
		_, err := p.Publish(ctx, "", "numbers", text(strconv.Itoa(i)))
		check(err)
	}
	check(p.Flush(ctx))
	fmt.Println(confirmed, "confirmed")
	// Output: 1000 confirmed
}
