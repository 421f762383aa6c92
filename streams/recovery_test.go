package streams_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
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

// TestRecovery_APublishUnderWayIsGivenUpAtOnce: when the broker is back, whoever
// waits for an answer that was lost with the connection is told, and can go on.
func TestRecovery_APublishUnderWayIsGivenUpAtOnce(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		line.Lose(func(subject string) bool { return subject == "warren.q.q" })
		told := make(chan error, 1)
		go func() { told <- r.Publish(t.Context(), "", q, streams.Message{}) }()
		synctest.Wait()
		line.Lose(nil)
		start := time.Now()
		line.Cut()
		wantError(t, "publish", <-told, streams.ErrUnconfirmed)
		if took := time.Since(start); took > 250*time.Millisecond { // 110 of them until it is connected
			t.Errorf("the publisher was told after %v, want 250ms at most", took)
		}
	})
}

// pause lets fake time pass.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
