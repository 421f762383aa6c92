package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/streams"
)

// Errors carry AMQP's conditions. They end nothing: the session goes on.
func ExampleError() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()

	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"})
	check(err)
	_, err = s.DeclareQueue(ctx, streams.Queue{Name: "hello", Durable: true})

	var amqp *streams.Error
	if errors.As(err, &amqp) {
		fmt.Println(amqp.Code, amqp.Reason)
		fmt.Println(amqp.Detail)
	}
	fmt.Println(errors.Is(err, streams.ErrPreconditionFailed))
	// Output:
	// 406 PRECONDITION_FAILED
	// inequivalent arg 'durable' for queue 'hello' in vhost 'warren': received 'true' but current is 'false'
	// true
}
