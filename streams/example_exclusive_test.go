package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/embedded"
	"warren/streams"
)

// An exclusive queue is the session's that declared it: others may not touch it,
// and it is gone when its session has closed.
func ExampleQueue_exclusive() {
	ctx := context.Background()
	broker, err := embedded.Start(embedded.Config{})
	check(err)
	defer broker.Close()
	nc, err := broker.Connect()
	check(err)
	defer nc.Close()
	owner, err := streams.Open(ctx, nc, streams.Config{})
	check(err)
	other, err := streams.Open(ctx, nc, streams.Config{})
	check(err)
	defer other.Close(ctx)

	_, err = owner.DeclareQueue(ctx, streams.Queue{Name: "mine", Exclusive: true})
	check(err)
	_, err = other.InspectQueue(ctx, "mine")
	fmt.Println("locked:", errors.Is(err, streams.ErrResourceLocked))

	check(owner.Close(ctx))
	_, err = other.InspectQueue(ctx, "mine")
	fmt.Println("gone:", errors.Is(err, streams.ErrNotFound))
	// Output:
	// locked: true
	// gone: true
}
