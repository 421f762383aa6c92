package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Get takes one message if there is one, without consuming the queue.
func ExampleSession_Get() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"})
	check(err)
	check(s.Publish(ctx, "", "hello", text("Hello World!")))

	for {
		d, ok, err := s.Get(ctx, "hello")
		check(err)
		if !ok {
			fmt.Println("nothing is ready")
			break
		}
		fmt.Printf("%s, %d behind it\n", d.Body, d.MessageCount)
		check(d.Ack())
	}
	// Output:
	// Hello World!, 0 behind it
	// nothing is ready
}
