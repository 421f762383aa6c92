package streams_test

import (
	"context"
	"log"

	"warren/embedded"
	"warren/streams"
)

// openBroker starts a broker in this process and opens a session on it, for the
// examples that are about something else. The function ends both.
func openBroker(ctx context.Context, cfg streams.Config) (*streams.Session, func()) {
	broker, err := embedded.Start(embedded.Config{})
	check(err)
	nc, err := broker.Connect()
	check(err)
	s, err := streams.Open(ctx, nc, cfg)
	check(err)
	return s, func() {
		check(s.Close(ctx))
		nc.Close()
		check(broker.Close())
	}
}

// check ends an example that went wrong.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// text is a message with nothing but a body.
func text(body string) streams.Message {
	return streams.Message{Body: []byte(body)}
}

// fillQueue publishes so many messages to a queue, which are its name, and waits until
// its consumers know of them.
func fillQueue(ctx context.Context, s *streams.Session, queue string, n int) {
	for range n {
		check(s.Publish(ctx, "", queue, text(queue)))
	}
	check(streams.AwaitCounted(ctx, s, queue))
}
