package streams_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"warren/streams"
)

// Run calls a handler, several at once if asked, until the context ends. A
// program gives it the context that Ctrl-C ends; here the last message does.
func ExampleConsumer_Run() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "tasks"})
	check(err)
	for i := range 10 {
		check(s.Publish(ctx, "", "tasks", text(fmt.Sprint("Task ", i))))
	}

	ctx, stop := context.WithCancel(ctx)
	consumer, err := s.Consume(ctx, "tasks", streams.ConsumeOptions{Prefetch: 4, Concurrency: 2})
	check(err)
	var done atomic.Int64
	check(consumer.Run(ctx, func(d *streams.Delivery) {
		check(d.Ack())
		if done.Add(1) == 10 {
			stop()
		}
	}))
	fmt.Println(done.Load(), "tasks done")
	// Output: 10 tasks done
}
