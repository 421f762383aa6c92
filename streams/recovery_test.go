package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestASessionFollowsAConnectionThatFlaps: however often the connection is lost
// while the session still puts right what the first loss broke, it goes on when
// the connection is there.
func TestASessionFollowsAConnectionThatFlaps(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.INFO.") })
		for range 10 {
			reconnects := nc.Stats().Reconnects
			line.Cut()
			for nc.Stats().Reconnects == reconnects {
				pause(t, 10*time.Millisecond)
			}
		}
		line.Lose(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		must(t, r.Publish(ctx, "", q, streams.Message{}))
	})
}

// TestRecoveryGoesOnUntilItIsDone: a session whose broker needs longer to come
// back than an operation may take is registered there in the end.
func TestRecoveryGoesOnUntilItIsDone(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		const timeout = 5 * time.Second
		r := newRig(t, nc, streams.Config{Timeout: timeout})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		r.consume(q, streams.ConsumeOptions{Prefetch: 1})
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.INFO.") })
		line.Server().Restart(t)
		pause(t, 3*timeout)
		line.Lose(nil)
		other := newRig(t, line.Server().Connect(t), streams.Config{})
		other.ctx = t.Context()
		pause(t, 3*time.Second)
		other.wantCounts(q, 0, 0, 1)
	})
}

// pause lets fake time pass.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
