package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Every queue that is bound to a fanout exchange gets every message. Those who only want
// what comes from now on use temporary queues.
func Example_fanout() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	check(s.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}))
	check(s.Publish(ctx, "logs", "", text("nobody is there yet")))
	var queues []string
	for range 2 {
		queue, err := s.DeclareTemporaryQueue(ctx, "logs")
		check(err)
		queues = append(queues, queue.Name)
	}
	check(s.Publish(ctx, "logs", "", text("Hello World!")))

	for i, queue := range queues {
		d, ok, err := s.Get(ctx, queue, streams.AutoAck)
		check(err)
		fmt.Printf("Logger %d: %s, %t, %d behind it\n", i+1, d.Body, ok, d.MessageCount)
	}
	// Output:
	// Logger 1: Hello World!, true, 0 behind it
	// Logger 2: Hello World!, true, 0 behind it
}
