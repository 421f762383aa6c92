package streams_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestChange_OneThatIsCutOffIsRepaired: by whoever meets the queue next, in this
// session or another one. One that was refused is no such thing.
func TestChange_OneThatIsCutOffIsRepaired(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"another session", "the same session"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			nc := embeddedtest.Connect(t)
			r, next := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
			if by == "the same session" {
				next = r
			}
			r.exchange("x", streams.Topic)
			q := r.queue(streams.Queue{Name: "q"})
			r.bind("x", q, "a")
			cut := errors.New("cut off")
			if err := streams.HalfChange(r.ctx, r.Session, q, cut); !errors.Is(err, cut) {
				t.Fatalf("change: got %v, want %v", err, cut)
			}
			next.wantCounts(q, 0, 0, 0)
			r.publish("x", "a", "routed")
			wantBodies(t, next.drain(q), "routed")
		})
	}
}

// TestView_WideningItWakesWhoWaits: what is in the stream already, and matches the
// wider filter only, comes to a request that waits.
func TestView_WideningItWakesWhoWaits(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		r.exchange("x", streams.Topic)
		q, keeps := r.queue(streams.Queue{Name: "q"}), r.queue(streams.Queue{Name: "keeps"})
		r.bind("x", keeps, "#")
		r.bind("x", q, "a.b")
		r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(*streams.Delivery) {}})
		synctest.Wait()
		r.publish("x", "c.d", "for the other one")
		must(t, streams.WidenView(r.ctx, r.Session, q))
		synctest.Wait()
		x, err := stream(t, nc, "warren~m~x")
		must(t, err)
		view, err := x.Consumer(r.ctx, "q")
		must(t, err)
		if info := view.CachedInfo(); info.NumPending != 0 || info.Delivered.Stream != 1 {
			t.Errorf("%d messages wait beside a request, want none", info.NumPending)
		}
	})
}

// TestRequeue_NothingOvertakesIt: no request can be given the message behind it first, as
// it does not go over the network.
func TestRequeue_NothingOvertakesIt(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{Lease: time.Hour})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 3)
		arrived := make(chan *streams.Delivery, 3)
		r.consume(q, streams.ConsumeOptions{Prefetch: 2, Push: func(d *streams.Delivery) { arrived <- d }})
		first, second := <-arrived, <-arrived
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.ACK.warren~q~q.q.1.1.") })
		must(t, first.Nack(streams.Requeue))
		must(t, second.Ack()) // which makes room, and looks for what to ask
		must(t, nc.Flush())
		synctest.Wait()
		for _, want := range []string{"1", "3"} {
			if d := <-arrived; string(d.Body) != want {
				t.Errorf("got %s, want %s", d.Body, want)
			}
		}
		if line.Lost() != 0 {
			t.Errorf("%d messages were lost, want none", line.Lost())
		}
		line.Lose(nil)
	})
}
