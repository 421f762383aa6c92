package streams_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// has reports whether a queue is there, without using it.
func (r rig) has(queue string) bool {
	r.Helper()
	queues, err := r.Queues(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	return slices.ContainsFunc(queues, func(q streams.QueueInfo) bool { return q.Name == queue })
}

// wantQueue checks whether a queue is there.
func (r rig) wantQueue(queue string, want bool, when string) {
	r.Helper()
	if got := r.has(queue); got != want {
		r.Errorf("%s: queue %q is there: %t, want %t", when, queue, got, want)
	}
}

// leading is a session that stands for election, apart from those of the test.
func leading(t *testing.T, server *embeddedtest.Server) *streams.Session {
	t.Helper()
	s, err := streams.Open(t.Context(), server.Connect(t), streams.Config{Lead: true})
	must(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// patient is a session of a test of long times.
func patient(t *testing.T, server *embeddedtest.Server) rig {
	t.Helper()
	r := newRig(t, server.Connect(t), streams.Config{})
	r.ctx = context.Background()
	return r
}

// soonAfter is how long after its time a queue is gone for certain: a look, and the
// broker's work.
const soonAfter = 50 * time.Millisecond

func TestLeader_WithoutOneQueuesCannotExpire(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		_, err := r.DeclareQueue(r.ctx, streams.Queue{Name: "q", Expires: time.Minute})
		e := new(streams.Error)
		if !errors.As(err, &e) || e.Code != 540 || e.Hint == "" {
			t.Errorf("got %v, want 540 with a hint", err)
		}
		r.wantQueue("q", false, "refused")
		if _, err := r.DeclareQueue(r.ctx, streams.Queue{Name: "q"}); err != nil {
			t.Errorf("declare it without: %v", err)
		}
	})
}

// TestLeader_ExpiresToTheMoment: never before, and right after.
func TestLeader_ExpiresToTheMoment(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		leading(t, server)
		r := patient(t, server)
		for name, expires := range map[string]time.Duration{"ms": time.Millisecond, "s": 1500 * time.Millisecond, "h": time.Hour} {
			began := time.Now()
			q := r.queue(streams.Queue{Name: name, Durable: true, Expires: expires})
			r.bind("amq.fanout", q, "")
			if expires > time.Second {
				r.publish("", q, "1")
				time.Sleep(time.Until(began.Add(expires - time.Millisecond)))
				r.wantQueue(q, true, "a moment before")
			}
			time.Sleep(time.Until(began.Add(expires + soonAfter)))
			r.wantQueue(q, false, "a moment after")
			must(t, r.Publish(r.ctx, "amq.fanout", "", streams.Message{}))
			if _, err := r.InspectQueue(r.ctx, q); !errors.Is(err, streams.ErrNotFound) {
				t.Errorf("inspect: %v, want 404", err)
			}
		}
	})
}

// TestLeader_ConsumersKeepAQueue for as long as they are there, in whatever session, and
// its time begins with their end.
func TestLeader_ConsumersKeepAQueue(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		leading(t, server)
		r := patient(t, server)
		other := patient(t, server)
		q := r.queue(streams.Queue{Name: "q", Expires: 10 * time.Second})
		time.Sleep(9 * time.Second)
		c := other.consume(q, streams.ConsumeOptions{})
		time.Sleep(10 * time.Minute)
		r.wantQueue(q, true, "consumed")
		must(t, c.Cancel(other.ctx))
		time.Sleep(9900 * time.Millisecond)
		r.wantQueue(q, true, "a moment before")
		time.Sleep(200 * time.Millisecond)
		r.wantQueue(q, false, "a moment after")
	})
}

// TestLeader_AKilledConsumer ends when it is missed: its queue lives for its time from
// then on.
func TestLeader_AKilledConsumer(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		leading(t, server)
		r := patient(t, server)
		for _, after := range []time.Duration{time.Second, 95 * time.Second} {
			nc := server.Connect(t)
			killed, err := streams.Open(r.ctx, nc, streams.Config{})
			must(t, err)
			q := r.queue(streams.Queue{Name: "q", Expires: 20 * time.Second})
			if _, err := killed.Consume(r.ctx, q, streams.ConsumeOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			nc.Close()
			time.Sleep(19900 * time.Millisecond)
			r.wantQueue(q, true, "a moment before")
			time.Sleep(2 * time.Minute)
			r.wantQueue(q, false, "long after")
			_ = killed.Close(r.ctx)
		}
	})
}

// TestLeader_AnotherFollows, be it closed or killed, and nothing is lost or early.
func TestLeader_AnotherFollows(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		r := patient(t, server)
		for what, end := range map[string]func(*streams.Session, func()){
			"closed": func(s *streams.Session, _ func()) { must(t, s.Close(r.ctx)) },
			"killed": func(_ *streams.Session, kill func()) { kill() },
		} {
			nc := server.Connect(t)
			first, err := streams.Open(r.ctx, nc, streams.Config{Lead: true})
			must(t, err)
			time.Sleep(5 * time.Second) // it leads
			second := leading(t, server)
			early := r.queue(streams.Queue{Name: "early", Expires: 3 * time.Second})
			late := r.queue(streams.Queue{Name: "late", Expires: 30 * time.Second})
			end(first, nc.Close)
			// In between, another is waited for.
			between := r.queue(streams.Queue{Name: "between", Expires: 30 * time.Second})
			time.Sleep(8 * time.Second)
			r.wantQueue(early, false, what)
			time.Sleep(20 * time.Second)
			r.wantQueue(late, true, what)
			r.wantQueue(between, true, what)
			time.Sleep(10 * time.Second)
			r.wantQueue(late, false, what)
			r.wantQueue(between, false, what)
			_ = first.Close(r.ctx)
			must(t, second.Close(r.ctx))
		}
	})
}

// TestLeader_GoesOnAfterARestart: when a queue was used before, nobody knows any more, so
// that it lives longer.
func TestLeader_GoesOnAfterARestart(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		leading(t, server)
		r := patient(t, server)
		q := r.queue(streams.Queue{Name: "q", Durable: true, Expires: 20 * time.Second})
		time.Sleep(15 * time.Second)
		server.Restart(t)
		time.Sleep(18 * time.Second)
		r.wantQueue(q, true, "restarted")
		time.Sleep(15 * time.Second)
		r.wantQueue(q, false, "long after")
	})
}

// TestLeader_UseAndExpiryDecideOnce: who has used a queue in time has it for its whole
// time, however close to the end.
func TestLeader_UseAndExpiryDecideOnce(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	leading(t, server)
	const expires = 300 * time.Millisecond
	var users sync.WaitGroup
	for i := range 12 {
		r := patient(t, server)
		name := string(rune('a' + i))
		users.Go(func() {
			for round := range 4 {
				declared := streams.Queue{Name: name, Expires: expires}
				if _, err := r.DeclareQueue(r.ctx, declared); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(expires - time.Duration(i-3)*2*time.Millisecond)
				asked := time.Now()
				var err error
				switch round {
				case 0:
					_, err = r.InspectQueue(r.ctx, name)
				case 1:
					_, _, err = r.Get(r.ctx, name)
				case 2:
					_, err = r.DeclareQueue(r.ctx, declared)
				case 3:
					_, err = r.Consume(r.ctx, name, streams.ConsumeOptions{})
				}
				if errors.Is(err, streams.ErrNotFound) {
					continue // too late
				}
				if err != nil {
					t.Error(err)
					return
				}
				if time.Since(asked) > expires/2 {
					continue // too slow to tell
				}
				if !r.has(name) && time.Since(asked) < expires*9/10 {
					t.Errorf("queue %q, round %d: it was used and has gone", name, round)
				}
			}
		})
	}
	users.Wait()
}
