package streams_test

import (
	"context"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestCloseAfterItsConnection: a session whose connection was closed under it
// still ends.
func TestCloseAfterItsConnection(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := streams.Open(ctx, nc, streams.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Consume(ctx, "hello", streams.ConsumeOptions{}); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	ended := make(chan error)
	go func() { ended <- s.Close(context.Background()) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("close: got %v, want nil", err)
		}
	case <-ctx.Done():
		t.Fatal("close did not return")
	}
}
