package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// Tasks wait in a durable queue until they are done with. A prefetch of 1 keeps
// a worker from holding more than the task it works on: what it has not taken,
// another worker may have.
func Example_workQueue() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "tasks", Durable: true})
	check(err)
	for i := range 3 {
		task := streams.Message{
			Body:         fmt.Appendf(nil, "Task %d", i),
			DeliveryMode: streams.Persistent,
		}
		check(s.Publish(ctx, "", "tasks", task))
	}

	worker, err := s.Consume(ctx, "tasks", streams.ConsumeOptions{Prefetch: 1})
	check(err)
	for d, err := range worker.Deliveries(ctx) {
		check(err)
		info, err := s.InspectQueue(ctx, "tasks")
		check(err)
		fmt.Printf("%s: %d unacknowledged, %d ready\n", d.Body, info.Unacked, info.Ready)
		check(d.Ack())
		if info.Ready == 0 {
			break
		}
	}
	// Output:
	// Task 0: 1 unacknowledged, 2 ready
	// Task 1: 1 unacknowledged, 1 ready
	// Task 2: 1 unacknowledged, 0 ready
}
