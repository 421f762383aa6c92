package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// What is requeued goes back to the front of its queue, and says that it was
// delivered before.
func ExampleDelivery_Nack() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "tasks"})
	check(err)
	for _, body := range []string{"first", "second"} {
		check(s.Publish(ctx, "", "tasks", text(body)))
	}

	d, _, err := s.Get(ctx, "tasks")
	check(err)
	fmt.Printf("%s, redelivered %t\n", d.Body, d.Redelivered)
	check(d.Nack(streams.Requeue))
	info, err := s.InspectQueue(ctx, "tasks")
	check(err)
	fmt.Println(info.Ready, "ready")

	consumer, err := s.Consume(ctx, "tasks", streams.ConsumeOptions{Prefetch: 1})
	check(err)
	for d, err := range consumer.Deliveries(ctx) {
		check(err)
		fmt.Printf("%s, redelivered %t\n", d.Body, d.Redelivered)
		check(d.Ack())
		if string(d.Body) == "second" {
			break
		}
	}
	// Output:
	// first, redelivered false
	// 2 ready
	// first, redelivered true
	// second, redelivered false
}
