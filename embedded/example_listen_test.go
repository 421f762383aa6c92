package embedded_test

import (
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// A server that other programs on this machine can dial, if they know the token.
func ExampleServer_URL() {
	s, err := embedded.Start(embedded.Config{
		Port:  embedded.RandomPort, // or embedded.DefaultPort
		Token: "s3cret",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	nc, err := nats.Connect(s.URL(), nats.Token("s3cret"))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	fmt.Println("connected:", nc.IsConnected())
	// Output: connected: true
}
