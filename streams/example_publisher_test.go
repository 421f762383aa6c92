package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"warren/streams"
)

// A publisher does not wait for each confirm: as many messages as its window
// has room for are under way at once. The outcomes come in the order in which
// the messages were published, and each tells its message.
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
			if c.Err() != nil {
				fmt.Printf("%s did not reach %s: %v\n", c.Message().Body, c.Key(), c.Err())
				return
			}
			confirmed++
		},
	})
	check(err)
	for i := range 1000 {
		_, err := p.Publish(ctx, "", "numbers", text(strconv.Itoa(i)))
		check(err)
	}
	_, err = p.Publish(ctx, "", "letters", text("A"), streams.Mandatory)
	check(err)
	err = p.Flush(ctx)
	fmt.Println(confirmed, "confirmed; returned:", errors.Is(err, streams.ErrNoRoute))
	// Output:
	// A did not reach letters: 312 NO_ROUTE - no queue is bound to exchange '' for routing key 'letters'
	// 1000 confirmed; returned: true
}
