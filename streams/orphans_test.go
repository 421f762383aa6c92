package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

const orphanLease = 6 * time.Second

// An orphanage has a queue with a lease, and sessions on connections of their own, which
// are killed by closing these.
type orphanage struct {
	rig
	connect func() *nats.Conn
	queue   string
}

func newOrphanage(t *testing.T, n int) *orphanage {
	t.Helper()
	server := embeddedtest.Listen(t)
	o := &orphanage{rig: newRig(t, server.Connect(t), streams.Config{Lease: orphanLease}), queue: "q"}
	o.connect = func() *nats.Conn { return server.Connect(t) }
	o.rig.queue(streams.Queue{Name: o.queue})
	o.number(o.queue, n)
	return o
}

// session is another session, with what kills it.
func (o *orphanage) session(t *testing.T) (s rig, kill func()) {
	t.Helper()
	nc := o.connect()
	opened, err := streams.Open(o.ctx, nc, streams.Config{})
	must(t, err)
	t.Cleanup(func() { _ = opened.Close(context.Background()) }) // its connection may be closed
	return rig{t, opened, o.ctx}, nc.Close
}

// wantOrphans checks what the queue holds, and of what is unacknowledged, what dead
// sessions held.
func (o *orphanage) wantOrphans(ready, unacked, orphaned int) {
	o.Helper()
	info, err := o.InspectQueue(o.ctx, o.queue)
	must(o, err)
	if info.Ready != ready || info.Unacked != unacked || info.Orphaned != orphaned || info.OrphanedUntil.IsZero() != (orphaned == 0) {
		o.Errorf("got %d ready, %d unacked, %d of them orphaned until %v; want %d, %d, %d",
			info.Ready, info.Unacked, info.Orphaned, info.OrphanedUntil, ready, unacked, orphaned)
	}
}

// TestOrphans_AreUnackedUntilTheirLeaseEnds: nobody can have them before.
func TestOrphans_AreUnackedUntilTheirLeaseEnds(t *testing.T) {
	t.Parallel()
	o := newOrphanage(t, 5)
	dead, kill := o.session(t)
	dead.take(dead.pull(dead.consume(o.queue, streams.ConsumeOptions{Prefetch: 2})), 2)
	o.wantOrphans(3, 2, 0)
	before := time.Now()
	kill()
	o.wantOrphans(3, 2, 2)
	o.wantCounts(o.queue, 3, 2, 0)
	info, err := o.InspectQueue(o.ctx, o.queue)
	must(t, err)
	if first, last := before.Add(orphanLease-time.Second), time.Now().Add(orphanLease+time.Second); info.OrphanedUntil.Before(first) || info.OrphanedUntil.After(last) {
		t.Errorf("they come again by %v, want from %v to %v", info.OrphanedUntil, first, last)
	}
	if _, err := o.DeleteQueue(o.ctx, o.queue, streams.IfEmpty); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("delete if empty: got %v, want 406", err)
	}
	// Another one has what is ready, and then these.
	next := o.pull(o.consume(o.queue, streams.ConsumeOptions{}))
	wantBodies(t, bodies(o.take(next, 3)), "3", "4", "5")
	o.wantOrphans(0, 5, 2)
	o.take(next, 2)
	o.wantOrphans(0, 5, 0)
}

// TestOrphans_AreReadyAgain: when the lease is over from when they were missed, whether or not anybody asks for them.
func TestOrphans_AreReadyAgain(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		r := newRig(t, server.Connect(t), streams.Config{Lease: orphanLease})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 3)
		nc := server.Connect(t)
		dead := newRig(t, nc, streams.Config{})
		dead.take(dead.pull(dead.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2)
		killed := time.Now()
		nc.Close()
		info, err := r.InspectQueue(r.ctx, q)
		must(t, err)
		if got := info.OrphanedUntil.Sub(killed).Round(time.Millisecond); info.Orphaned != 2 || got < orphanLease || got > orphanLease+200*time.Millisecond {
			t.Errorf("got %d, which come again after %v; want 2 after %v, or a moment later", info.Orphaned, got, orphanLease)
		}
		time.Sleep(time.Until(info.OrphanedUntil) - time.Millisecond)
		r.wantCounts(q, 1, 2, 0)
		time.Sleep(time.Millisecond)
		r.wantCounts(q, 3, 0, 0)
		if got := r.drain(q); len(got) != 3 {
			t.Errorf("got %v, want all three", got)
		}
	})
}

// TestOrphans_RequeuedMessagesAreReady: what waits to be delivered again is not what a dead
// session held, which is never more than its prefetch.
func TestOrphans_RequeuedMessagesAreReady(t *testing.T) {
	t.Parallel()
	o := newOrphanage(t, 5)
	all := o.consume(o.queue, streams.ConsumeOptions{})
	o.take(o.pull(all), 5)
	must(t, all.Close(o.ctx))
	o.wantOrphans(5, 0, 0)
	window, err := streams.NewWindow(1)
	must(t, err)
	dead, kill := o.session(t)
	c := dead.consume(o.queue, streams.ConsumeOptions{Window: window})
	next := dead.pull(c)
	dead.take(next, 1)
	o.wantOrphans(4, 1, 0)
	must(t, window.Set(2))
	dead.take(next, 1)
	dead.untilTold(o.queue)
	o.wantOrphans(3, 2, 0)
	kill()
	o.wantOrphans(3, 2, 2)
}

// TestOrphans_Vacated: who gives up places holds more than its prefetch.
func TestOrphans_Vacated(t *testing.T) {
	t.Parallel()
	o := newOrphanage(t, 3)
	dead, kill := o.session(t)
	next := dead.pull(dead.consume(o.queue, streams.ConsumeOptions{Prefetch: 1}))
	dead.take(next, 1)[0].Vacate()
	dead.take(next, 1)[0].Vacate()
	dead.take(next, 1)
	dead.untilTold(o.queue)
	kill()
	o.wantOrphans(0, 3, 3)
}

// untilTold waits until the broker knows how the session uses a queue.
func (r rig) untilTold(queue string) {
	r.Helper()
	r.until("the broker is told", func() bool { return streams.Told(r.Session, queue) })
}

// TestOrphans_OfAllSources: a queue has them of its exchanges, too, of several dead sessions,
// and of who took them with Get; who acknowledges on arrival holds nothing.
func TestOrphans_OfAllSources(t *testing.T) {
	t.Parallel()
	o := newOrphanage(t, 2)
	o.exchange("x", streams.Fanout)
	o.bind("x", o.queue, "")
	o.publish("x", "", "3", "4", "5", "6")
	consumer, killConsumer := o.session(t)
	consumer.take(consumer.pull(consumer.consume(o.queue, streams.ConsumeOptions{Prefetch: 4})), 4)
	o.wantOrphans(2, 4, 0)
	killConsumer()
	o.wantOrphans(2, 4, 4)
	getter, killGetter := o.session(t)
	getter.get(o.queue)
	o.get(o.queue)
	killGetter()
	o.wantOrphans(0, 6, 5)

	hasty, killHasty := o.session(t)
	o.publish("", o.queue, "7")
	hasty.take(hasty.pull(hasty.consume(o.queue, streams.ConsumeOptions{AutoAck: true})), 1)
	killHasty()
	o.wantOrphans(0, 6, 5)
	// The name of a queue that is deleted begins anew.
	n, err := o.DeleteQueue(o.ctx, o.queue)
	must(t, err)
	if n != 5 {
		t.Errorf("deleted %d messages, want 5", n)
	}
	o.rig.queue(streams.Queue{Name: o.queue})
	o.number(o.queue, 1)
	o.get(o.queue)
	o.wantOrphans(0, 1, 0)
}
