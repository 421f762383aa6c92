package streams_test

import (
	"context"
	"errors"
	"fmt"

	"warren/streams"
)

// A transaction is stored whole or not at all. Published again, with the same ids,
// it says that it was there.
func ExampleSession_PublishAll() {
	ctx := context.Background()
	s, end := openBroker(ctx, streams.Config{})
	defer end()
	_, err := s.DeclareQueue(ctx, streams.Queue{Name: "orders"})
	check(err)

	order := []streams.Message{
		{MessageID: "order 7, reserve", Body: []byte("reserve")},
		{MessageID: "order 7, charge", Body: []byte("charge")},
		{MessageID: "order 7, ship", Body: []byte("ship")},
	}
	check(s.PublishAll(ctx, "", "orders", order, streams.Deduplicate))
	err = s.PublishAll(ctx, "", "orders", order, streams.Deduplicate)
	info, _ := s.InspectQueue(ctx, "orders")
	fmt.Println(info.Ready, "ready; published before:", errors.Is(err, streams.ErrDuplicate))
	// Output: 3 ready; published before: true
}
