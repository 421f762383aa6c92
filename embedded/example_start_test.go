package embedded_test

import (
	"fmt"
	"log"
	"time"

	"warren/embedded"
)

// A server for this process alone: no port, no files left behind.
func Example() {
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	nc, err := s.Connect()
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()

	greetings, err := nc.SubscribeSync("greetings")
	if err != nil {
		log.Fatal(err)
	}
	if err := nc.Publish("greetings", []byte("Hello World!")); err != nil {
		log.Fatal(err)
	}
	m, err := greetings.NextMsg(time.Second)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Data)
	// Output: Hello World!
}
