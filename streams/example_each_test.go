package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/streams"
)

// Each ends with the first handler that fails. What it had not settled is in the queue
// again when the session has ended.
func ExampleConsumer_Each() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "lines"})
	check(err)
	for _, line := range []string{"one", "two", "three"} {
		check(s.Publish(ctx, "", "lines", text(line)))
	}

	consumer, err := s.Consume(ctx, "lines", streams.ConsumeOptions{Prefetch: 1})
	check(err)
	err = consumer.Each(ctx, func(d *streams.Delivery) error {
		if string(d.Body) == "two" {
			return errors.New("the disk is full")
		}
		fmt.Printf("written: %s\n", d.Body)
		return d.Ack()
	})
	fmt.Println(err)
	// Output:
	// written: one
	// the disk is full
}
