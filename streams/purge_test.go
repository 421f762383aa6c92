package streams_test

import (
	"strconv"
	"testing"

	"warren/streams"
)

// TestPurgeTakesAllThatWasConfirmed: what a purge drops is all that was
// published before it, wherever it lies, and nothing of it is counted any more.
// The server tells a queue of a message only after it has confirmed it.
func TestPurgeTakesAllThatWasConfirmed(t *testing.T) {
	t.Parallel()
	for _, exchange := range []string{"", "amq.fanout", "amq.topic"} {
		t.Run("exchange "+exchange, func(t *testing.T) {
			t.Parallel()
			const want = 13
			s := one(t)
			declareQueue(t, s, streams.Queue{Name: "hello"})
			if exchange != "" {
				bind(t, s, streams.Binding{Exchange: exchange, Queue: "hello", Key: "hello"})
			}
			for range 50 {
				for i := range want {
					publish(t, s, exchange, "hello", strconv.Itoa(i))
				}
				if got, err := s.PurgeQueue(t.Context(), "hello"); err != nil || got != want {
					t.Fatalf("purge: got %d, %v; want %d", got, err, want)
				}
				if got := inspect(t, s, "hello").Ready; got != 0 {
					t.Fatalf("ready after the purge: got %d, want 0", got)
				}
			}
		})
	}
}

// TestGetFindsWhatWasConfirmed: a message can be taken as soon as it is
// confirmed, also behind others that are not the queue's.
func TestGetFindsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "hello"})
	bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "hello", Key: "#.hello"})
	declareQueue(t, s, streams.Queue{Name: "other"})
	bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "other", Key: "#"})
	for range 50 {
		publish(t, s, "amq.topic", "a.b.c.d", "not for it")
		publish(t, s, "amq.topic", "a.hello", "for it")
		wantList(t, "taken", drain(t, s, "hello"), "for it")
	}
}
