package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Deliveries is a loop instead of a handler. Leaving it cancels the consumer;
// what was under way goes back to the queue.
func ExampleConsumer_Deliveries() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "tasks"})
	check(err)
	for i := range 5 {
		check(s.Publish(ctx, "", "tasks", text(fmt.Sprint("Task ", i))))
	}

	consumer, err := s.Consume(ctx, "tasks", streams.ConsumeOptions{})
	check(err)
	for d, err := range consumer.Deliveries(ctx) {
		check(err) // why the consumer ended, if we did not end it
		fmt.Printf("%s\n", d.Body)
		check(d.Ack())
		if d.Tag == 2 {
			break
		}
	}

	info, err := s.InspectQueue(ctx, "tasks")
	check(err)
	fmt.Println(info.Ready, "ready,", info.Consumers, "consumers")
	// Output:
	// Task 0
	// Task 1
	// 3 ready, 0 consumers
}
