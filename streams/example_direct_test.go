package streams_test

import (
	"context"
	"fmt"

	"warren/streams"
)

// A direct exchange compares the routing key with the keys a queue is bound
// with; a queue may have several.
func Example_direct() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	check(s.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}))
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "trouble"})
	check(err)
	for _, severity := range []string{"warning", "error"} {
		check(s.Bind(ctx, streams.Binding{Exchange: "direct_logs", Queue: "trouble", Key: severity}))
	}
	check(s.Publish(ctx, "direct_logs", "info", text("Started")))
	check(s.Publish(ctx, "direct_logs", "warning", text("Disk is nearly full")))
	check(s.Publish(ctx, "direct_logs", "error", text("Disk is full")))

	consumer, err := s.Consume(ctx, "trouble", streams.ConsumeOptions{})
	check(err)
	for d, err := range consumer.Deliveries(ctx) {
		check(err)
		fmt.Printf("%s: %s\n", d.Key, d.Body)
		check(d.Ack())
		if d.Key == "error" {
			break
		}
	}
	// Output:
	// warning: Disk is nearly full
	// error: Disk is full
}
