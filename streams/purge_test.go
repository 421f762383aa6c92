package streams_test

import (
	"context"
	"testing"
	"time"

	"warren/streams"
)

// TestPurgedIsEmpty: when PurgeQueue returns, nothing of what it dropped is
// counted any more.
func TestPurgedIsEmpty(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		want := len(publishNumbers(ctx, t, s, 5))
		// The server tells the queue of a message just after it confirms it.
		for ready(ctx, t, s) < want {
			time.Sleep(time.Millisecond)
		}
		if got, err := s.PurgeQueue(ctx, "hello"); err != nil || got != want {
			t.Fatalf("purge: got %d, %v; want %d", got, err, want)
		}
		if got := ready(ctx, t, s); got != 0 {
			t.Fatalf("ready after the purge: got %d, want 0", got)
		}
	}
}

func ready(ctx context.Context, t *testing.T, s *streams.Session) int {
	t.Helper()
	info, err := s.InspectQueue(ctx, "hello")
	if err != nil {
		t.Fatal(err)
	}
	return info.Ready
}
