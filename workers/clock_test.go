package workers_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
	"warren/workers/internal/beattest"
)

// aheads are brokers whose clock is not that of this process.
func aheads(t *testing.T, f func(t *testing.T, server *embeddedtest.Child, ahead time.Duration)) {
	t.Helper()
	t.Parallel()
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			f(t, embeddedtest.ProcessAhead(t, embedded.Config{}, ahead), ahead)
		})
	}
}

// An hour between this process's clock and the broker's: what waits for a countdown, or
// to be retried, waits as long as it says, and neither no time nor an hour.
func TestClock_WaitsGoByTheBrokers(t *testing.T) {
	aheads(t, func(t *testing.T, server *embeddedtest.Child, _ time.Duration) {
		const wait = 2 * time.Second
		app := workers.New("clock")
		var mu sync.Mutex
		var times []time.Time
		task := workers.Func0(app, "again", func(context.Context) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if times = append(times, time.Now()); len(times) < 2 {
				return 0, errKnown
			}
			return len(times), nil
		}, workers.Retry(workers.RetryPolicy{Max: 3, Delay: wait}))
		beattest.WorkAt(t, app, server.Connect(t))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		asked := time.Now()
		r, err := task.Delay(t.Context(), workers.Countdown(wait))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Get(ctx); n != 2 || err != nil {
			t.Fatalf("got %d, %v; want two runs", n, err)
		}
		times = slices.Insert(times, 0, asked)
		for i, what := range []string{"countdown", "retry"} {
			// The broker's clock is known as well as an answer of it is quick.
			if got := times[i+1].Sub(times[i]); got < wait-wait/10 || got > time.Minute {
				t.Errorf("the %s came after %v, want %v", what, got, wait)
			}
		}
	})
}

// The time until a task expires is counted by the broker's clock, where it is sent and
// where it is run.
func TestClock_ExpiresByTheBrokers(t *testing.T) {
	aheads(t, func(t *testing.T, server *embeddedtest.Child, ahead time.Duration) {
		app := workers.New("clock")
		task := workers.Func0(app, "soon", func(context.Context) (int, error) { return 1, nil }, workers.Queue("nobody's"))
		here := workers.Func0(app, "here", func(context.Context) (int, error) { return 1, nil })
		beattest.WorkAt(t, app, server.Connect(t))
		s, err := streams.Open(t.Context(), server.Connect(t), streams.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		if _, err := task.Delay(t.Context(), workers.Expires(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
		d, _, err := s.Get(t.Context(), "nobody's", streams.AutoAck)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := d.Headers["expires"].(string)
		at, err := time.Parse("2006-01-02T15:04:05.999999-07:00", text)
		if got := time.Until(at) - ahead; err != nil || (got-10*time.Minute).Abs() > time.Minute {
			t.Errorf("a task of ten minutes expires in %v by the broker's clock (%v)", got, err)
		}
		for _, test := range []struct {
			at   time.Duration
			want workers.State
		}{{10 * time.Minute, workers.Succeeded}, {-10 * time.Minute, workers.Revoked}} {
			r, err := here.Delay(t.Context(), workers.ExpiresAt(time.Now().Add(ahead+test.at)))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			_, _ = r.Get(ctx) // the state tells
			cancel()
			if got, err := r.State(t.Context()); got != test.want {
				t.Errorf("a task that expires %v from now by the broker's clock is %s (%v), want %s", test.at, got, err, test.want)
			}
		}
	})
}
