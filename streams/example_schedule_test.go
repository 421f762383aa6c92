package streams_test

import (
	"context"
	"fmt"
	"time"

	"warren/streams"
)

// A message for later waits at the broker until its time. Until then, another one
// of the same id takes its place, and it can be taken back.
func ExampleSession_PublishAt() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "reminders", Durable: true, Schedules: true})
	check(err)

	now := time.Now()
	check(s.PublishAt(ctx, now.Add(time.Hour), "reminders", "tea", text("The tea is cold")))
	check(s.PublishAt(ctx, now.Add(time.Second), "reminders", "tea", text("The tea is ready")))
	check(s.PublishAt(ctx, now.Add(time.Hour), "reminders", "cake", text("The cake is ready")))
	was, err := s.Unschedule(ctx, "reminders", "cake")
	check(err)
	fmt.Println("The cake was taken back:", was)
	for waiting, err := range s.Scheduled(ctx, "reminders") {
		check(err)
		fmt.Printf("%s waits for %v\n", waiting.ID, waiting.At.Sub(now))
	}

	consumer, err := s.Consume(ctx, "reminders", streams.ConsumeOptions{Prefetch: 1})
	check(err)
	for d, err := range consumer.Deliveries(ctx) {
		check(err)
		fmt.Printf("%s, too early: %t\n", d.Body, time.Since(now) < time.Second)
		check(d.Ack())
		break
	}
	// Output:
	// The cake was taken back: true
	// tea waits for 1s
	// The tea is ready, too early: false
}
