package streams

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
)

func TestExpiry_Lifetime(t *testing.T) {
	t.Parallel()
	second, zero := new(time.Second), new(time.Duration)
	for _, c := range []struct {
		ttl        *time.Duration
		expiration []string
		want       time.Duration
		ends       bool
	}{
		{nil, nil, 0, false},
		{second, nil, time.Second, true},
		{zero, nil, 0, true},
		{nil, []string{"2000"}, 2 * time.Second, true},
		{second, []string{"2000"}, time.Second, true},
		{second, []string{"500"}, time.Second / 2, true},
		{second, []string{"0"}, 0, true},
		{zero, []string{"500"}, 0, true},
		{nil, []string{""}, 0, false},
		{second, []string{""}, time.Second, true},
		{nil, []string{"soon"}, 0, false}, // of a publisher that does not know AMQP
		{second, []string{"soon"}, time.Second, true},
		{nil, []string{"1", "2"}, 0, false},
	} {
		h := nats.Header{}
		if c.expiration != nil {
			h[expirationHeader] = c.expiration
		}
		if got, ends := lifetime(c.ttl, h); got != c.want || ends != c.ends {
			t.Errorf("queue %v, message %q: got %v, %t, want %v, %t", c.ttl, c.expiration, got, ends, c.want, c.ends)
		}
	}
}

func TestExpiry_Over(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life, waited time.Duration
		want         bool
	}{
		{0, 0, true}, {time.Second, 0, false}, {time.Second, time.Second - 1, false},
		{time.Second, time.Second, true}, {time.Second, time.Hour, true}, {amqp.MaxLifetime, time.Hour, false},
		{0, -time.Second, true}, {time.Second, -time.Second, false}, // by a clock that is behind the broker
	} {
		if got := over(began, c.life, began.Add(c.waited)); got != c.want {
			t.Errorf("a life of %v after %v: over %t, want %t", c.life, c.waited, got, c.want)
		}
	}
}

// TestExpiry_Askings: which request a message answers, the oldest first.
func TestExpiry_Askings(t *testing.T) {
	t.Parallel()
	var q askings
	wantSince := func(i int, want time.Time) {
		t.Helper()
		if got := q.came(); !got.Equal(want) {
			t.Errorf("message %d answers the request of %v, want %v", i, got, want)
		}
	}
	wantSince(0, time.Time{})
	q.ask(2)
	first := q[0].at
	q.ask(3)
	q[1].at = first.Add(time.Second)
	second := q[1].at
	wantSince(1, first)
	wantSince(2, first)
	wantSince(3, second)
	q.ask(1)
	third := q[1].at
	q.end(2) // the second ended without them
	wantSince(4, third)
	wantSince(5, time.Time{})
	q.ask(1)
	q.end(5)
	wantSince(6, time.Time{})
}
