package streams_test

import (
	"context"
	"fmt"
	"log"

	"warren/embedded"
	"warren/streams"
)

// A message goes through the queue "hello", with nothing left out: a broker, a
// connection to it, a session, and then what the first tutorial does.
func Example() {
	ctx := context.Background()
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	nc, err := broker.Connect()
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	s, err := streams.Open(ctx, nc, streams.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	if _, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
		log.Fatal(err)
	}
	if err := s.Publish(ctx, "", "hello", streams.Message{Body: []byte("Hello World!")}); err != nil {
		log.Fatal(err)
	}

	consumer, err := s.Consume(ctx, "hello", streams.ConsumeOptions{AutoAck: true})
	if err != nil {
		log.Fatal(err)
	}
	for d, err := range consumer.Deliveries(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("Received '%s'\n", d.Body)
		break
	}
	// Output: Received 'Hello World!'
}
