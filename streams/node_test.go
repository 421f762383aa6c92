package streams_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func openNode(tb testing.TB, nc *nats.Conn, cfg streams.Config) *streams.Node {
	tb.Helper()
	n, err := streams.OpenNode(tb.Context(), nc, cfg)
	must(tb, err)
	tb.Cleanup(func() { must(tb, n.Close(context.Background())) })
	return n
}

// on is a rig whose session is one of a node.
func on(tb testing.TB, n *streams.Node, o streams.SessionOptions) rig {
	tb.Helper()
	s, err := n.Open(tb.Context(), o)
	must(tb, err)
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	tb.Cleanup(cancel)
	return rig{tb, s, ctx}
}

// TestNode_SessionsAskNothingToOpen: what a session needs, its node has.
func TestNode_SessionsAskNothingToOpen(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		n := openNode(t, nc, streams.Config{})
		asked := requests(t, nc, func() {
			for range 3 {
				on(t, n, streams.SessionOptions{})
			}
		})
		if len(asked) != 0 {
			t.Errorf("opening sessions asked %q", asked)
		}
	})
}

// TestNode_ExclusiveQueuesAreTheSessions: a queue is exclusive to a session, also among
// those of one node, and gone when that session is closed.
func TestNode_ExclusiveQueuesAreTheSessions(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	one.queue(streams.Queue{Name: "mine", Exclusive: true})
	_, err := two.InspectQueue(two.ctx, "mine")
	wantError(t, "inspect the queue of another session", err, streams.ErrResourceLocked)
	_, err = two.Consume(two.ctx, "mine", streams.ConsumeOptions{})
	wantError(t, "consume the queue of another session", err, streams.ErrResourceLocked)
	must(t, one.Close(one.ctx))
	_, err = two.InspectQueue(two.ctx, "mine")
	wantError(t, "inspect the queue of a closed session", err, streams.ErrNotFound)
	two.queue(streams.Queue{Name: "mine", Exclusive: true})
}

// TestNode_AQueueThatASessionLeftIsNobodys: if a session could not delete its queue, the
// next one that meets it does, and so do other nodes.
func TestNode_AQueueThatASessionLeftIsNobodys(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	other := newRig(t, nc, streams.Config{})
	for _, name := range []string{"for the node", "for others", "for who lists"} {
		one.queue(streams.Queue{Name: name, Exclusive: true})
	}
	_, err := other.InspectQueue(other.ctx, "for others")
	wantError(t, "inspect the queue of a session in another node", err, streams.ErrResourceLocked)
	streams.Disown(one.Session)
	must(t, one.Close(one.ctx))
	_, err = two.InspectQueue(two.ctx, "for the node")
	wantError(t, "inspect it in the same node", err, streams.ErrNotFound)
	_, err = other.InspectQueue(other.ctx, "for others")
	wantError(t, "inspect it in another node", err, streams.ErrNotFound)
	if queues := queueNames(t, other.Session); len(queues) > 0 {
		t.Errorf("another node lists %q, want none", queues)
	}
}

// TestNode_WhatASessionHeldIsAnothers: what a session held, another session of its node
// gets when it is closed, in order.
func TestNode_WhatASessionHeldIsAnothers(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := one.queue(streams.Queue{Name: "q"})
	one.number(q, 4)
	got := make(chan *streams.Delivery, 8)
	one.consume(q, streams.ConsumeOptions{Prefetch: 2, Push: func(d *streams.Delivery) { got <- d }})
	<-got
	<-got
	one.get(q)
	info, err := two.InspectQueue(two.ctx, q)
	must(t, err)
	if info.Ready != 1 || info.Unacked != 3 || info.Consumers != 1 {
		t.Errorf("ready %d, unacked %d, consumers %d; want 1, 3 and 1", info.Ready, info.Unacked, info.Consumers)
	}
	must(t, one.Close(one.ctx))
	if all := two.drain(q); !slices.Equal(all, []string{"1", "2", "3", "4"}) {
		t.Errorf("drained %q, want all in order", all)
	}
}

// TestNode_UsersAreTheSessions: each session acts for its own user.
func TestNode_UsersAreTheSessions(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{User: "somebody"})
	for user, o := range map[string]streams.SessionOptions{"alice": {User: "alice"}, "somebody": {}} {
		r := on(t, n, o)
		must(t, r.Publish(r.ctx, "", "q", streams.Message{UserID: user}))
		err := r.Publish(r.ctx, "", "q", streams.Message{UserID: "mallory"})
		wantError(t, "publish as another", err, streams.ErrPreconditionFailed)
	}
}

// TestNode_CloseEndsItsSessions: with their queues and their consumers.
func TestNode_CloseEndsItsSessions(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	r := on(t, n, streams.SessionOptions{})
	q := r.queue(streams.Queue{Exclusive: true})
	c := r.consume(q, streams.ConsumeOptions{})
	must(t, n.Close(t.Context()))
	<-c.Done()
	wantError(t, "publish", r.Publish(r.ctx, "", q, streams.Message{}), streams.ErrClosed)
	_, err := n.Open(t.Context(), streams.SessionOptions{})
	wantError(t, "open a session", err, streams.ErrClosed)
	must(t, r.Close(r.ctx))
	must(t, n.Close(t.Context()))
	other := newRig(t, nc, streams.Config{})
	_, err = other.InspectQueue(other.ctx, q)
	wantError(t, "inspect the queue", err, streams.ErrNotFound)
}

// TestNode_AClosedSessionPublishesNothing: its node goes on, and what it has published
// without an answer has one.
func TestNode_AClosedSessionPublishesNothing(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := two.queue(streams.Queue{Name: "q"})
	p := publisher(t, one.Session, streams.PublisherOptions{})
	streams.Gather(p, "", q)
	streams.HoldBack(p, "", q)
	confirm, err := p.Publish(one.ctx, "", q, streams.Message{})
	must(t, err)
	must(t, one.Close(one.ctx))
	wantError(t, "wait", confirm.Wait(one.ctx), streams.ErrClosed)
	streams.LetGo(p, "", q)
	_, err = p.Publish(one.ctx, "", q, streams.Message{})
	wantError(t, "publish", err, streams.ErrClosed)
	two.publish("", q, "goes on")
}

// TestNode_TheSecondConsumerAsksNobody: a node that consumes a queue is told of its
// changes, and so knows it.
func TestNode_TheSecondConsumerAsksNobody(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		n := openNode(t, nc, streams.Config{})
		one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
		one.ctx, two.ctx = t.Context(), t.Context()
		q := one.queue(streams.Queue{Name: "q"})
		one.consume(q, streams.ConsumeOptions{})
		var c *streams.Consumer
		asked := requests(t, nc, func() { c = two.consume(q, streams.ConsumeOptions{}) })
		asked = slices.DeleteFunc(asked, func(what string) bool { return strings.HasPrefix(what, "CONSUMER.MSG.NEXT.") })
		if len(asked) != 0 {
			t.Errorf("consuming the queue for the second time asked %q", asked)
		}
		_, err := two.DeleteQueue(two.ctx, q)
		must(t, err)
		<-c.Done()
		if err := c.Err(); !errors.Is(err, streams.ErrCancelled) {
			t.Errorf("the consumer ended with %v, want ErrCancelled", err)
		}
		_, err = two.Consume(two.ctx, q, streams.ConsumeOptions{})
		wantError(t, "consume the queue that has gone", err, streams.ErrNotFound)
	})
}

// TestNode_SessionsKeepOneAnotherOut: an exclusive consumer has its queue to itself also
// among the sessions of its node.
func TestNode_SessionsKeepOneAnotherOut(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := one.queue(streams.Queue{Name: "q"})
	one.consume(q, streams.ConsumeOptions{Exclusive: true})
	_, err := two.Consume(two.ctx, q, streams.ConsumeOptions{})
	wantError(t, "consume beside an exclusive consumer", err, streams.ErrAccessRefused)
	must(t, one.Close(one.ctx))
	two.consume(q, streams.ConsumeOptions{})
	_, err = on(t, n, streams.SessionOptions{}).Consume(two.ctx, q, streams.ConsumeOptions{Exclusive: true})
	wantError(t, "consume alone beside another consumer", err, streams.ErrAccessRefused)
}

// TestNode_LockedQueuesAsBetweenConnections: whatever a session does with the exclusive
// queue of another one of its node is 405, as between two connections of RabbitMQ, and to
// publish to it is allowed.
func TestNode_LockedQueuesAsBetweenConnections(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := one.queue(streams.Queue{Name: "mine", Exclusive: true})
	one.exchange("x", streams.Fanout)
	one.bind("x", q, "")
	b := streams.Binding{Exchange: "x", Queue: q}
	for what, do := range map[string]func() error{
		"declare":           func() error { _, err := two.DeclareQueue(two.ctx, streams.Queue{Name: q, Exclusive: true}); return err },
		"declare it shared": func() error { _, err := two.DeclareQueue(two.ctx, streams.Queue{Name: q}); return err },
		"inspect":           func() error { _, err := two.InspectQueue(two.ctx, q); return err },
		"consume":           func() error { _, err := two.Consume(two.ctx, q, streams.ConsumeOptions{}); return err },
		"get":               func() error { _, _, err := two.Get(two.ctx, q); return err },
		"purge":             func() error { _, err := two.PurgeQueue(two.ctx, q); return err },
		"delete":            func() error { _, err := two.DeleteQueue(two.ctx, q); return err },
		"bind":              func() error { return two.Bind(two.ctx, b) },
		"unbind":            func() error { return two.Unbind(two.ctx, b) },
	} {
		wantError(t, what+" the queue of another session", do(), streams.ErrResourceLocked)
	}
	two.publish("", q, "by name")
	two.publish("x", "", "through the exchange")
	if all := one.drain(q); len(all) != 2 {
		t.Errorf("the owner drained %q, want what the other one has published", all)
	}
}

// TestNode_OnlyItsOwnEndsWithASession: the queue, the consumers and the unacknowledged
// messages of another session of the node stay as they are.
func TestNode_OnlyItsOwnEndsWithASession(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := two.queue(streams.Queue{Name: "q"})
	temporary := two.queue(streams.Queue{Exclusive: true})
	unused := two.queue(streams.Queue{Name: "unused", AutoDelete: true})
	two.consume(unused, streams.ConsumeOptions{})
	one.consume(unused, streams.ConsumeOptions{})
	two.number(q, 3)
	next := two.pull(two.consume(q, streams.ConsumeOptions{Prefetch: 2}))
	held := two.take(next, 2)
	one.get(q)
	one.consume(q, streams.ConsumeOptions{Prefetch: 1})
	two.untilCounts(q, 0, 3, 2)
	must(t, one.Close(one.ctx))
	two.wantCounts(q, 1, 2, 1)
	two.wantCounts(unused, 0, 0, 1)
	two.wantCounts(temporary, 0, 0, 0)
	must(t, held[0].Ack())
	if d := two.take(next, 1)[0]; string(d.Body) != "3" || !d.Redelivered {
		t.Errorf("after it the consumer got %q, redelivered %t; want 3, redelivered", d.Body, d.Redelivered)
	}
	two.wantCounts(q, 0, 2, 1)
}

// TestNode_ASlowHandlerHoldsUpNobodyElse: while the handler of a session is busy, others of
// its node go on, with the same queue and with others.
func TestNode_ASlowHandlerHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	shared, other := one.queue(streams.Queue{Name: "shared"}), one.queue(streams.Queue{Name: "other"})
	busy, finish, done := make(chan struct{}), make(chan struct{}), make(chan error)
	slow := one.consume(shared, streams.ConsumeOptions{Prefetch: 1})
	go func() {
		done <- slow.Run(one.ctx, func(d *streams.Delivery) {
			close(busy)
			<-finish
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
		})
	}()
	one.publish("", shared, "slow")
	<-busy
	for _, q := range []string{shared, other} {
		next := two.pull(two.consume(q, streams.ConsumeOptions{Prefetch: 1}))
		for _, body := range []string{"1", "2", "3"} {
			one.publish("", q, body)
			d := two.take(next, 1)[0]
			if string(d.Body) != body {
				t.Errorf("got %q from %q, want %q", d.Body, q, body)
			}
			must(t, d.Ack())
		}
	}
	two.wantCounts(shared, 0, 1, 2)
	close(finish)
	must(t, slow.Cancel(one.ctx))
	must(t, <-done)
}

// TestNode_ClosedSessionsLeaveNothingBehind: no goroutines, no registrations and no queues.
// It is not parallel, as it counts the goroutines of the process.
func TestNode_ClosedSessionsLeaveNothingBehind(t *testing.T) {
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	watcher := on(t, n, streams.SessionOptions{})
	q := watcher.queue(streams.Queue{Name: "q"})
	use := func() {
		s, err := n.Open(t.Context(), streams.SessionOptions{})
		must(t, err)
		r := rig{t, s, watcher.ctx}
		r.consume(q, streams.ConsumeOptions{})
		r.consume(r.queue(streams.Queue{Exclusive: true}), streams.ConsumeOptions{})
		r.publish("", q, "held")
		must(t, s.Close(r.ctx))
	}
	use() // what there is only once
	before := runtime.NumGoroutine()
	for range 20 {
		use()
	}
	watcher.until("no more goroutines than before", func() bool { return runtime.NumGoroutine() <= before+2 })
	watcher.wantCounts(q, 21, 0, 0)
	if sessions := streams.SessionsOf(watcher.Session); sessions != 1 {
		t.Errorf("the node has %d sessions, want the one that is open", sessions)
	}
	if queues := queueNames(t, watcher.Session); !slices.Equal(queues, []string{q}) {
		t.Errorf("the queues are %q, want only %q", queues, q)
	}
}

// TestNode_TheOwnerOfARecordThatAnEarlierReleaseWrote: such a release changes the record of
// an exclusive queue, too, and leaves out what it does not know.
func TestNode_TheOwnerOfARecordThatAnEarlierReleaseWrote(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	other := newRig(t, nc, streams.Config{})
	q := one.queue(streams.Queue{Name: "mine", Exclusive: true})
	must(t, streams.SaveAsBefore(one.ctx, other.Session, q))
	one.publish("", q, "still there")
	for _, r := range []rig{two, other} {
		_, err := r.InspectQueue(r.ctx, q)
		wantError(t, "inspect the queue of another session", err, streams.ErrResourceLocked)
	}
	if all := one.drain(q); len(all) != 1 {
		t.Errorf("the owner drained %q, want one message", all)
	}
	must(t, one.Close(one.ctx))
	_, err := two.InspectQueue(two.ctx, q)
	wantError(t, "inspect the queue of a closed session", err, streams.ErrNotFound)
}

// TestNode_AChangeThatANodeMayHaveMissed: a node that was cut off reads the record again,
// although it consumes the queue already.
func TestNode_AChangeThatANodeMayHaveMissed(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		n := openNode(t, nc, streams.Config{})
		one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
		one.ctx, two.ctx = t.Context(), t.Context()
		q := one.queue(streams.Queue{Name: "q"})
		one.consume(q, streams.ConsumeOptions{})
		streams.Doubt(one.Session, q)
		asked := requests(t, nc, func() { two.consume(q, streams.ConsumeOptions{}) })
		if !slices.ContainsFunc(asked, func(what string) bool { return strings.HasPrefix(what, "STREAM.MSG.GET.") }) {
			t.Errorf("a node that may have missed a change asked %q, and did not read the record", asked)
		}
	})
}

// TestNode_ASlowAnswerKeepsNoOther: a node that waits for the broker before it can say how
// one queue is used obeys meanwhile what it is told of another.
func TestNode_ASlowAnswerKeepsNoOther(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		slow, other := r.queue(streams.Queue{Name: "slow"}), r.queue(streams.Queue{Name: "other"})
		next := r.pull(r.consume(slow, streams.ConsumeOptions{Prefetch: 1}))
		r.consume(other, streams.ConsumeOptions{Prefetch: 1, Push: func(*streams.Delivery) {}})
		asking := newRig(t, line.Server().Connect(t), streams.Config{})
		asking.ctx = t.Context()
		r.publish("", slow, "1")
		must(t, r.take(next, 1)[0].Ack())
		must(t, nc.Flush())
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.ACK.") })
		asked := make(chan error, 1)
		go func() {
			_, err := asking.InspectQueue(asking.ctx, slow)
			asked <- err
		}()
		pause(t, 100*time.Millisecond)
		began := time.Now()
		asking.bind("amq.direct", other, "k")
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("a binding of another queue took %v", took)
		}
		line.Lose(nil)
		must(t, <-asked)
		if line.Lost() == 0 {
			t.Error("the node did not have to wait for its answer")
		}
	})
}
