package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/streams"
)

// A store keeps the last value of each key. A write may expect what it read, so
// that of two who change a value at once one is told; whoever waits for a change is
// notified of it.
func ExampleStore() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	states, err := s.DeclareStore(ctx, "states", streams.StoreOptions{})
	check(err)

	changes := make(chan streams.Entry, 2)
	stop, err := states.Notify(ctx, "task.*", func(e streams.Entry) { changes <- e })
	check(err)
	defer stop()

	queued, err := states.Put(ctx, streams.Put{Key: "task.1", Value: []byte("queued"), Expect: streams.Absent})
	check(err)
	claim := streams.Put{Key: "task.1", Value: []byte("started"), Expect: streams.Revision(queued)}
	_, err = states.Put(ctx, claim)
	check(err)
	_, err = states.Put(ctx, claim)
	fmt.Println("a second claim is refused:", errors.Is(err, streams.ErrConflict))

	for range 2 {
		e := <-changes
		fmt.Printf("%s is %s\n", e.Key, e.Value)
	}
	// Output:
	// a second claim is refused: true
	// task.1 is queued
	// task.1 is started
}
