package streams_test

import (
	"strconv"
	"testing"
	"time"

	"warren/streams"
)

// TestPurgedIsEmpty: when PurgeQueue returns, nothing of what it dropped is
// counted any more.
func TestPurgedIsEmpty(t *testing.T) {
	t.Parallel()
	const want = 5
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "hello"})
	for range 50 {
		for i := range want {
			publish(t, s, "", "hello", strconv.Itoa(i))
		}
		// The server tells the queue of a message just after it confirms it.
		for inspect(t, s, "hello").Ready < want {
			time.Sleep(time.Millisecond)
		}
		if got, err := s.PurgeQueue(t.Context(), "hello"); err != nil || got != want {
			t.Fatalf("purge: got %d, %v; want %d", got, err, want)
		}
		if got := inspect(t, s, "hello").Ready; got != 0 {
			t.Fatalf("ready after the purge: got %d, want 0", got)
		}
	}
}
