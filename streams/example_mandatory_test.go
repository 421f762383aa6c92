package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/streams"
)

// A message that no queue wants is confirmed and dropped, as in AMQP. A
// mandatory one comes back: its error is 312, and has the message in it.
func ExampleSession_Publish_mandatory() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	fmt.Println(s.Publish(ctx, "amq.direct", "nobody", text("Hello?")))
	err := s.Publish(ctx, "amq.direct", "nobody", text("Hello?"), streams.Mandatory)
	fmt.Println(err)
	var back *streams.Returned
	if errors.As(err, &back) {
		fmt.Printf("%s came back from %s, for %s\n", back.Body, back.Exchange, back.Key)
	}
	// Output:
	// <nil>
	// publish to exchange "amq.direct" with key "nobody": 312 NO_ROUTE - no queue is bound to exchange 'amq.direct' for routing key 'nobody'
	// Hello? came back from amq.direct, for nobody
}
