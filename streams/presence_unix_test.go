//go:build unix

package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// A cutOff is a cluster one of whose servers is stopped, while the others do not
// see it and its clients any more. A session is connected to it, and another one to
// the others.
type cutOff struct {
	nodes        embeddedtest.Children
	victim       *embeddedtest.Child
	there, other rig
	got          chan *streams.Delivery
}

func newCutOff(t *testing.T, lease time.Duration) *cutOff {
	t.Helper()
	nodes := embeddedtest.HastyCluster(t, 3)
	c := &cutOff{nodes: nodes, victim: nodes[0], got: make(chan *streams.Delivery, 100)}
	c.other = leasedRig(t, nodes[1:].Connect(t), lease)
	c.there = leasedRig(t, c.victim.Connect(t), lease)
	return c
}

func leasedRig(t *testing.T, nc *nats.Conn, lease time.Duration) rig {
	t.Helper()
	cfg := streams.Config{Replicas: 3, Timeout: 30 * time.Second}
	s, err := streams.OpenLeased(t.Context(), nc, cfg, lease)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = s.Close(ctx) })
	return rig{t, s, ctx}
}

// consumes has the session that is to be cut off consume a queue.
func (c *cutOff) consumes(q streams.Queue) *streams.Consumer {
	c.there.Helper()
	c.there.queue(q)
	return c.there.consume(q.Name, streams.ConsumeOptions{Push: func(d *streams.Delivery) { c.got <- d }})
}

// next is what that session receives next.
func (c *cutOff) next() string {
	c.there.Helper()
	d := next(c.there, c.got)
	must(c.there, d.Ack())
	return string(d.Body)
}

// consumers counts the consumers of the queue that everybody uses.
func (r rig) consumers() int {
	r.Helper()
	info, err := r.InspectQueue(r.ctx, "plain")
	must(r, err)
	return info.Consumers
}

// TestFalseDeath_KeepsWhatASessionHas: what a session has whose server is stopped
// for less than its lease nobody takes away, and when that goes on, the session
// follows what was changed meanwhile.
func TestFalseDeath_KeepsWhatASessionHas(t *testing.T) {
	t.Parallel()
	c := newCutOff(t, 30*time.Second)
	r := c.other
	c.consumes(streams.Queue{Name: "exclusive", Exclusive: true})
	c.consumes(streams.Queue{Name: "auto", AutoDelete: true})
	c.consumes(streams.Queue{Name: "plain", Durable: true})
	written := newFollower()
	theirs, err := c.there.DeclareStore(r.ctx, "store", streams.StoreOptions{})
	must(t, err)
	stop, err := theirs.Notify(r.ctx, "k.*", written.note)
	must(t, err)
	defer stop()

	c.nodes.CutOff(t, c.victim)
	wantList(t, "queues", queueNames(t, r.Session), "auto", "exclusive", "plain") // swept before
	if n := r.consumers(); n != 1 {
		t.Errorf("got %d consumers, want 1", n)
	}
	_, err = r.DeleteQueue(r.ctx, "plain", streams.IfUnused)
	wantError(t, "delete if unused", err, streams.ErrPreconditionFailed)
	_, err = r.InspectQueue(r.ctx, "exclusive")
	wantError(t, "inspect", err, streams.ErrResourceLocked)
	r.bind("amq.topic", "plain", "key")
	store, err := r.DeclareStore(r.ctx, "store", streams.StoreOptions{})
	must(t, err)
	put(t, store, value("k.missed", "v"))

	c.victim.Resume(t)
	r.publish("amq.topic", "key", "bound meanwhile")
	wantBodies(t, []string{c.next()}, "bound meanwhile")
	for _, q := range []string{"auto", "plain"} {
		r.publish("", q, q)
		wantBodies(t, []string{c.next()}, q)
	}
	c.there.publish("", "exclusive", "exclusive")
	wantBodies(t, []string{c.next()}, "exclusive")
	wantList(t, "notified", written.await(t, "k.missed"), "k.missed")
	r.until("one consumer", func() bool { return r.consumers() == 1 })
}

// TestFalseDeath_ASessionWrittenOffComesBack: a session whose server is stopped for
// longer than its lease is dead to the others. When that goes on, the session is
// there again, with its consumers, and is told what it has lost.
func TestFalseDeath_ASessionWrittenOffComesBack(t *testing.T) {
	t.Parallel()
	c := newCutOff(t, time.Second)
	r := c.other
	exclusive := c.consumes(streams.Queue{Name: "exclusive", Exclusive: true})
	c.consumes(streams.Queue{Name: "plain", Durable: true})

	c.nodes.CutOff(t, c.victim)
	r.until("the exclusive queue is gone", func() bool {
		_, err := r.InspectQueue(r.ctx, "exclusive")
		return errors.Is(err, streams.ErrNotFound)
	})
	r.until("no consumers", func() bool { return r.consumers() == 0 })
	wantList(t, "queues", queueNames(t, r.Session), "plain")

	c.victim.Resume(t)
	r.until("one consumer again", func() bool { return r.consumers() == 1 })
	<-exclusive.Done()
	wantError(t, "the consumer of the exclusive queue", exclusive.Err(), streams.ErrCancelled)
	r.bind("amq.topic", "plain", "key")
	r.publish("amq.topic", "key", "bound later")
	wantBodies(t, []string{c.next()}, "bound later")
	c.consumes(streams.Queue{Name: "exclusive", Exclusive: true})
	_, err := r.InspectQueue(r.ctx, "exclusive")
	wantError(t, "inspect the new one", err, streams.ErrResourceLocked)
}

// TestFalseDeath_ConsumersGiveWayToOneThatIsExclusive: those of a session that comes
// back when another session has claimed their queue meanwhile.
func TestFalseDeath_ConsumersGiveWayToOneThatIsExclusive(t *testing.T) {
	t.Parallel()
	c := newCutOff(t, time.Second)
	r := c.other
	theirs := map[string]*streams.Consumer{}
	for queue, o := range map[string]streams.ConsumeOptions{"plain": exclusively, "shared": {}} {
		c.there.queue(streams.Queue{Name: queue, Durable: true})
		theirs[queue] = c.there.consume(queue, o)
	}
	c.nodes.CutOff(t, c.victim)
	for queue := range theirs {
		r.until("the queue is free", func() bool {
			_, err := r.Consume(r.ctx, queue, exclusively)
			return err == nil
		})
	}
	c.victim.Resume(t)
	for _, consumer := range theirs {
		<-consumer.Done()
		wantError(t, "their consumer", consumer.Err(), streams.ErrCancelled)
		wantError(t, "their consumer", consumer.Err(), streams.ErrAccessRefused)
	}
	wantExclusive(t, c.there, "plain")
	r.until("one consumer", func() bool { return r.consumers() == 1 })
}

// TestFalseDeath_AnEndedProcessIsNoticedAtOnce: its server says so, for which nobody
// waits for the lease.
func TestFalseDeath_AnEndedProcessIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	r := leasedRig(t, nodes[1].Connect(t), time.Hour)
	nc := nodes[0].Connect(t)
	dead := leasedRig(t, nc, time.Hour)
	dead.queue(streams.Queue{Name: "exclusive", Exclusive: true})
	dead.queue(streams.Queue{Name: "plain"})
	dead.consume("plain", streams.ConsumeOptions{})
	if n := r.consumers(); n != 1 {
		t.Errorf("got %d consumers, want 1", n)
	}
	nc.Close()
	r.until("the exclusive queue is gone", func() bool {
		_, err := r.InspectQueue(r.ctx, "exclusive")
		return errors.Is(err, streams.ErrNotFound)
	})
	r.until("no consumers", func() bool { return r.consumers() == 0 })
}

// TestFalseDeath_NothingStaysBlocked: what a process had that was killed together
// with its server, which nobody can ask, is free when the lease is over.
func TestFalseDeath_NothingStaysBlocked(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	nodes := embeddedtest.ProcessCluster(t, 3)
	r := leasedRig(t, nodes[1:].Connect(t), lease)
	nc := nodes[0].Connect(t)
	dead := leasedRig(t, nc, lease)
	dead.queue(streams.Queue{Name: "exclusive", Exclusive: true})
	dead.queue(streams.Queue{Name: "held"})
	must(t, streams.Hold(dead.ctx, dead.Session, "held"))
	nodes[0].Kill(t)
	nc.Close()
	must(t, r.Bind(r.ctx, streams.Binding{Exchange: "amq.topic", Queue: "held", Key: "key"}))
	r.until("the exclusive queue is gone", func() bool {
		_, err := r.InspectQueue(r.ctx, "exclusive")
		return errors.Is(err, streams.ErrNotFound)
	})
}
