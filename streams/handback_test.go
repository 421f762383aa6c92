package streams_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestCloseHandsBackInOrder: what a handler holds comes back before what waited
// behind it.
func TestCloseHandsBackInOrder(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first, err := streams.Open(ctx, nc, streams.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	want := publishNumbers(ctx, t, first, 5)
	c, err := first.Consume(ctx, "hello", streams.ConsumeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Deliveries(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for c.Window().Used() < len(want) {
			time.Sleep(time.Millisecond)
		}
		if err := first.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	second, err := streams.Open(ctx, nc, streams.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close(context.Background()) }()
	again, err := second.Consume(ctx, "hello", streams.ConsumeOptions{AutoAck: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for d, err := range again.Deliveries(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, string(d.Body)); len(got) == len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func publishNumbers(ctx context.Context, t *testing.T, s *streams.Session, count int) []string {
	t.Helper()
	bodies := make([]string, count)
	for i := range bodies {
		bodies[i] = fmt.Sprint(i)
		if err := s.Publish(ctx, "", "hello", streams.Message{Body: []byte(bodies[i])}); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}
