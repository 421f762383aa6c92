package streams_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestASilentSessionKeepsItsQueue: a session that is stopped, and does not
// answer, still is a consumer of its queue.
func TestASilentSessionKeepsItsQueue(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r := newRig(t, server.Connect(t), streams.Config{})
	l := newLine(t, server)
	silent := newRig(t, l.connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", AutoDelete: true})
	silent.consume(q, streams.ConsumeOptions{Prefetch: 1})
	leaving := r.consume(q, streams.ConsumeOptions{Prefetch: 1})
	l.stall(true, true)
	must(t, leaving.Cancel(r.ctx))
	if _, err := r.DeleteQueue(r.ctx, q, streams.IfUnused); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("delete a queue that a silent session consumes: got %v, want 406", err)
	}
	r.wantCounts(q, 0, 0, 1)
	l.stall(false, false)
}

// TestASessionThatEndsWhileItIsAskedIsGone: the question went to a connection that
// was just being closed, and nobody answers it.
func TestASessionThatEndsWhileItIsAskedIsGone(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		owner := newRig(t, nc, streams.Config{})
		owner.ctx = t.Context()
		q := owner.queue(streams.Queue{Name: "q", Exclusive: true})
		line.Lose(func(subject string) bool {
			if strings.HasPrefix(subject, "_INBOX.") {
				go nc.Close()
			}
			return true
		})
		other := open(t, line.Server().Connect(t))
		_, err := other.InspectQueue(t.Context(), q)
		wantError(t, "inspect", err, streams.ErrNotFound)
		if line.Lost() == 0 {
			t.Error("the owner was not asked")
		}
	})
}

// TestADeclaredQueueOutlivesTheDeadOfItsName: what a killed consumer of an
// auto-delete queue leaves to be cleared away is not the queue declared since.
func TestADeclaredQueueOutlivesTheDeadOfItsName(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		embeddedtest.Bubble(t, func(t *testing.T) {
			line, nc := embeddedtest.NewLine(t)
			r := newRig(t, line.Server().Connect(t), streams.Config{})
			r.ctx = t.Context()
			killed := newRig(t, nc, streams.Config{})
			killed.ctx = t.Context()
			q := r.queue(streams.Queue{Name: "q", AutoDelete: true})
			killed.consume(q, streams.ConsumeOptions{})
			nc.Close()
			if deleted {
				if _, err := r.DeleteQueue(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			r.queue(streams.Queue{Name: "q", AutoDelete: true})
			pause(t, 20*time.Second)
			wantList(t, "queues", queueNames(t, r.Session), "q")
		})
	}
}

// TestCancelDoesNotWaitForALostAnswer: nor does it leave its registration.
func TestCancelDoesNotWaitForALostAnswer(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 1)
		c := r.consume(q, streams.ConsumeOptions{Prefetch: 1})
		must(t, r.take(r.pull(c), 1)[0].Ack())
		must(t, nc.Flush())
		lost := false
		line.Lose(func(subject string) bool {
			first := !lost && strings.HasPrefix(subject, "$JS.ACK.")
			lost = lost || first
			return first
		})
		start := time.Now()
		must(t, c.Cancel(t.Context()))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("cancel took %v", took)
		}
		if line.Lost() == 0 {
			t.Error("nothing was lost")
		}
		wantList(t, "registrations", registrations(t, nc))
	})
}

// TestARegistrationThatCouldNotBeEndedIsEndedLater: the session tries again.
func TestARegistrationThatCouldNotBeEndedIsEndedLater(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{Timeout: 5 * time.Second})
		r.ctx = t.Context()
		c := r.consume(r.queue(streams.Queue{Name: "q"}), streams.ConsumeOptions{})
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.PURGE.") })
		_ = c.Cancel(t.Context())
		if line.Lost() == 0 {
			t.Error("nothing was lost")
		}
		line.Lose(nil)
		pause(t, 20*time.Second)
		wantList(t, "registrations", registrations(t, nc))
	})
}

// TestAnUnfinishedExclusiveQueueGoesWithItsSession: also when the call that
// declared it did not hear the end of it.
func TestAnUnfinishedExclusiveQueueGoesWithItsSession(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		s, err := streams.Open(t.Context(), nc, streams.Config{})
		must(t, err)
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.CREATE.") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.DeclareQueue(ctx, streams.Queue{Name: "q", Exclusive: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("declare: got %v, want %v", err, context.DeadlineExceeded)
		}
		line.Lose(nil)
		declareQueue(t, s, streams.Queue{Name: "q", Exclusive: true})
		closeSession(t, s)
		if _, err := stream(t, nc, "warren~q~q"); err == nil {
			t.Error("the queue's stream is there after Close, want none")
		}
	})
}

// TestPublishersWaitNoLongerThanTheTimeout: a context without a deadline has
// the session's, also where the broker has stopped reading.
func TestPublishersWaitNoLongerThanTheTimeout(t *testing.T) {
	t.Parallel()
	const timeout, margin = 200 * time.Millisecond, 3 * time.Second
	l := newLine(t, embeddedtest.Listen(t))
	s := openWith(t, l.connect(t), streams.Config{Timeout: 10 * time.Second})
	brief, err := streams.Open(t.Context(), l.connect(t), streams.Config{Timeout: timeout})
	must(t, err)
	declareQueue(t, s, streams.Queue{Name: "q"})
	publish(t, brief, "", "q", "first") // it knows the way
	p, err := brief.Publisher(streams.PublisherOptions{Window: 1000})
	must(t, err)
	l.stall(true, false)
	for range 14 {
		start := time.Now()
		_, err := p.Publish(context.Background(), "", "q", streams.Message{Body: make([]byte, 1000<<10)})
		if took := time.Since(start); took > timeout+margin {
			t.Fatalf("publish took %v with a timeout of %v; %v", took, timeout, err)
		}
	}
	l.stall(false, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, brief.Close(ctx))
}

// TestOneLooksAfterAQueueInTrouble: a consumer whose requests end at once, while
// its queue cannot be looked at, does not start one look after another.
func TestOneLooksAfterAQueueInTrouble(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.consume(q, streams.ConsumeOptions{Prefetch: 1})
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.STREAM.MSG.GET.") })
		home, err := stream(t, nc, "warren~q~q")
		must(t, err)
		must(t, home.DeleteConsumer(t.Context(), "q"))
		before := runtime.NumGoroutine()
		pause(t, time.Minute)
		if more := runtime.NumGoroutine() - before; more > 10 {
			t.Errorf("after a minute there are %d goroutines more", more)
		}
		line.Lose(nil)
	})
}
