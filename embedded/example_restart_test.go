package embedded_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

// With a directory the messages are still there when the server comes back.
func Example_restart() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for _, greeting := range []string{"Hello", "Hello again"} {
		s, err := embedded.Start(embedded.Config{Dir: dir})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.Durability())
		if err := greet(s, greeting); err != nil {
			log.Fatal(err)
		}
		if err := s.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// fsync every 1s
	// Hello is message 1
	// fsync every 1s
	// Hello again is message 2
}

func greet(s *embedded.Server, greeting string) error {
	nc, err := s.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "greetings"}); err != nil {
		return err
	}
	ack, err := js.Publish(ctx, "greetings", []byte(greeting))
	if err != nil {
		return err
	}
	fmt.Println(greeting, "is message", ack.Sequence)
	return nil
}
