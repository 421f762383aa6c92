package streams_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// wantNothingLeft wants no record, no stream and no consumer of a queue.
func wantNothingLeft(t *testing.T, nc *nats.Conn, queue string) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	topology, err := js.Stream(t.Context(), "warren~topology")
	must(t, err)
	record := "warren.topology.q." + strings.ReplaceAll(queue, ".", "=2E")
	if _, err := topology.GetLastMsgForSubject(t.Context(), record); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("record of queue %q: %v, want that it has gone", queue, err)
	}
	for info := range js.ListStreams(t.Context()).Info() {
		if info.Config.Metadata["warren.queue"] == queue {
			t.Errorf("stream %s is left", info.Config.Name)
		}
		stream, err := js.Stream(t.Context(), info.Config.Name)
		must(t, err)
		for consumer := range stream.ListConsumers(t.Context()).Info() {
			if consumer.Config.Metadata["warren.queue"] == queue {
				t.Errorf("consumer %s of stream %s is left", consumer.Name, info.Config.Name)
			}
		}
	}
}

// TestExclusiveQueue_HalfDone leaves nothing behind, whatever its owner has left half done:
// what it changes next completes it, and its end takes it away, also if its owner is killed.
func TestExclusiveQueue_HalfDone(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	others := server.Connect(t)
	other := newRig(t, others, streams.Config{})
	cut := errors.New("cut off")
	for _, then := range []string{"bound again", "inspected", "deleted", "left by its session", "killed"} {
		nc := server.Connect(t)
		r := newRig(t, nc, streams.Config{})
		q := r.queue(streams.Queue{Exclusive: true})
		r.bind("amq.direct", q, "a")
		if err := streams.HalfChange(r.ctx, r.Session, q, cut); !errors.Is(err, cut) {
			t.Fatalf("half a change: %v, want that it was cut off", err)
		}
		switch then {
		case "bound again":
			r.bind("amq.direct", q, "b")
			r.publish("amq.direct", "a", "1")
			r.publish("amq.direct", "b", "2")
			wantBodies(t, r.drain(q), "1", "2")
		case "inspected":
			_, err := r.InspectQueue(r.ctx, q)
			must(t, err)
			r.publish("amq.direct", "a", "1")
			wantBodies(t, r.drain(q), "1")
		case "deleted":
			_, err := r.DeleteQueue(r.ctx, q)
			must(t, err)
		}
		if then == "killed" {
			nc.Close()
		} else {
			must(t, r.Close(r.ctx))
		}
		_, err := other.InspectQueue(other.ctx, q)
		wantError(t, "inspect the queue when it was "+then, err, streams.ErrNotFound)
		wantNothingLeft(t, others, q)
	}
}

// TestExclusiveQueue_OfOneSessionOfANode: another session of the node is refused, whatever
// the node knows of the queue, and may change what the queue hangs on.
func TestExclusiveQueue_OfOneSessionOfANode(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	one, two := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := one.queue(streams.Queue{Name: "mine", Exclusive: true})
	one.exchange("x", streams.Direct)
	for range 3 {
		one.bind("x", q, "a")
		b := streams.Binding{Exchange: "x", Queue: q, Key: "b"}
		wantError(t, "bind the queue of another session", two.Bind(two.ctx, b), streams.ErrResourceLocked)
		b.Key = "a"
		wantError(t, "unbind the queue of another session", two.Unbind(two.ctx, b), streams.ErrResourceLocked)
		_, err := two.DeleteQueue(two.ctx, q)
		wantError(t, "delete the queue of another session", err, streams.ErrResourceLocked)
		_, err = two.DeclareQueue(two.ctx, streams.Queue{Name: q, Exclusive: true})
		wantError(t, "declare the queue of another session", err, streams.ErrResourceLocked)
		must(t, two.DeleteExchange(two.ctx, "x"))
		wantError(t, "bind to an exchange that was deleted", one.Bind(one.ctx, b), streams.ErrNotFound)
		two.exchange("x", streams.Topic)
	}
	one.bind("x", q, "a.#")
	two.publish("x", "a.b", "1")
	wantBodies(t, one.drain(q), "1")
	must(t, one.Close(one.ctx))
	wantNothingLeft(t, nc, q)
	must(t, two.DeleteExchange(two.ctx, "x"))
}

// TestExclusiveQueue_OwnerTakenForDead: an owner whose queue was taken away, and whose name
// is another's, changes nothing of that.
func TestExclusiveQueue_OwnerTakenForDead(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	others := server.Connect(t)
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, others, streams.Config{})
	b := streams.Binding{Exchange: "amq.direct", Queue: "q", Key: "a"}
	for what, do := range map[string]func() error{
		"bind":   func() error { return r.Bind(r.ctx, streams.Binding{Exchange: "amq.direct", Queue: "q", Key: "b"}) },
		"again":  func() error { return r.Bind(r.ctx, b) },
		"unbind": func() error { return r.Unbind(r.ctx, b) },
		"delete": func() error { _, err := r.DeleteQueue(r.ctx, "q"); return err },
		"close":  func() error { return r.Close(r.ctx) },
	} {
		r = newRig(t, server.Connect(t), streams.Config{})
		r.queue(streams.Queue{Name: "q", Exclusive: true})
		must(t, r.Bind(r.ctx, b))
		must(t, streams.Remove(other.ctx, other.Session, "q"))
		other.queue(streams.Queue{Name: "q", Exclusive: true})
		other.bind("amq.direct", "q", "a")
		other.publish("amq.direct", "a", "1")
		other.publish("", "q", "2")
		err := do()
		if what == "close" {
			must(t, err)
		} else {
			wantError(t, what+" what is another's", err, streams.ErrResourceLocked)
		}
		other.untilCounts("q", 2, 0, 0)
		_, err = other.DeleteQueue(other.ctx, "q")
		must(t, err)
		wantNothingLeft(t, others, "q")
		if what != "close" { // it is there again
			r.queue(streams.Queue{Name: "q", Exclusive: true})
			must(t, r.Bind(r.ctx, b))
			must(t, r.Close(r.ctx))
		}
	}
}

// TestExclusiveQueue_EndsWithTheBroker: what its owner knew of it does not bring it back.
func TestExclusiveQueue_EndsWithTheBroker(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r := newRig(t, server.Connect(t, nats.ReconnectWait(10*time.Millisecond)), streams.Config{})
	for range 3 {
		q := r.queue(streams.Queue{Name: "q", Exclusive: true})
		r.bind("amq.direct", q, "a")
		server.Restart(t)
		r.until("a bind finds that the queue has gone", func() bool { // it does not know at once
			err := r.Bind(r.ctx, streams.Binding{Exchange: "amq.direct", Queue: q, Key: "b"})
			return errors.Is(err, streams.ErrNotFound)
		})
		_, err := r.InspectQueue(r.ctx, q)
		wantError(t, "inspect", err, streams.ErrNotFound)
		_, err = r.DeleteQueue(r.ctx, q)
		must(t, err)
		wantNothingLeft(t, server.Connect(t), q)
	}
}

// TestExclusiveQueue_FollowsOthers: who deletes or moves an exchange changes the queue, and
// the owner goes on from there.
func TestExclusiveQueue_FollowsOthers(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	others := server.Connect(t)
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, others, streams.Config{})
	q := r.queue(streams.Queue{Exclusive: true})
	r.exchange("moves", streams.Direct)
	r.exchange("goes", streams.Direct)
	r.bind("moves", q, "a")
	r.bind("goes", q, "a")
	r.publish("moves", "a", "1")
	r.publish("goes", "a", "2")
	other.bind("moves", other.queue(streams.Queue{Name: "durable", Durable: true}), "a")
	must(t, other.DeleteExchange(other.ctx, "goes"))
	r.bind("moves", q, "b")
	other.publish("moves", "a", "3")
	other.publish("moves", "b", "4")
	r.untilCounts(q, 4, 0, 0)
	count, err := r.DeleteQueue(r.ctx, q)
	if err != nil || count != 4 {
		t.Errorf("deleted %d messages, want 4: %v", count, err)
	}
	wantNothingLeft(t, others, q)
	for _, name := range []string{"warren~m~moves", "warren~x~goes", "warren~m~goes"} {
		if _, err := stream(t, others, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("stream %s: %v, want that it has gone", name, err)
		}
	}
}

// TestExclusiveQueue_HasWhatOthersPublish to it by its name, in whatever way, although its
// owner asks for little.
func TestExclusiveQueue_HasWhatOthersPublish(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	nc, others := server.Connect(t), server.Connect(t)
	n := openNode(t, nc, streams.Config{})
	r, beside, other := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{}), newRig(t, others, streams.Config{})
	ms := []streams.Message{{Body: []byte("1")}, {Body: []byte("2")}}
	for what, publish := range map[string]func(r rig) error{
		"single": func(r rig) error {
			return errors.Join(r.Publish(r.ctx, "", "q", ms[0]), r.Publish(r.ctx, "", "q", ms[1]))
		},
		"mandatory": func(r rig) error {
			return errors.Join(r.Publish(r.ctx, "", "q", ms[0], streams.Mandatory), r.Publish(r.ctx, "", "q", ms[1]))
		},
		"all": func(r rig) error { return r.PublishAll(r.ctx, "", "q", ms) },
		"publisher": func(r rig) error {
			p, err := r.Publisher(streams.PublisherOptions{Window: 10})
			must(t, err)
			for _, m := range ms {
				_, err := p.Publish(r.ctx, "", "q", m)
				must(t, err)
			}
			return p.Flush(r.ctx)
		},
	} {
		for _, from := range []rig{r, beside, other} {
			q := r.queue(streams.Queue{Name: "q", Exclusive: true})
			r.bind("amq.fanout", q, "")
			if got := r.counts(q); got != counts(0, 0, 0) {
				t.Errorf("%s: it has %s", what, got)
			}
			must(t, publish(from))
			for _, info := range list(t, other) {
				if info.Name == q && info.Ready != 2 {
					t.Errorf("%s: %d ready are listed, want 2", what, info.Ready)
				}
			}
			count, err := r.DeleteQueue(r.ctx, q)
			if err != nil || count != 2 {
				t.Errorf("%s: deleted %d messages, want 2: %v", what, count, err)
			}
			wantNothingLeft(t, nc, q)
			r.queue(streams.Queue{Name: q, Exclusive: true})
			must(t, publish(from))
			wantBodies(t, r.drain(q), "1", "2")
			must(t, publish(from))
			r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 2)
			_, err = r.DeleteQueue(r.ctx, q)
			must(t, err)
			wantNothingLeft(t, nc, q)
		}
	}
}

func list(t *testing.T, r rig) []streams.QueueInfo {
	t.Helper()
	all, err := r.Queues(r.ctx)
	must(t, err)
	return all
}

// TestExclusiveQueue_EndsAsItIsPublishedTo leaves nothing, whoever publishes meanwhile.
func TestExclusiveQueue_EndsAsItIsPublishedTo(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	nc := server.Connect(t)
	n := openNode(t, nc, streams.Config{})
	r, beside, other := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{}), newRig(t, server.Connect(t), streams.Config{})
	for i := range 20 {
		q := r.queue(streams.Queue{Name: "q" + strconv.Itoa(i), Exclusive: true})
		r.bind("amq.fanout", q, "")
		var publishing sync.WaitGroup
		for _, from := range []rig{beside, other, other} {
			publishing.Go(func() {
				if err := from.Publish(from.ctx, "", q, streams.Message{}); err != nil {
					t.Error(err)
				}
			})
		}
		if i%2 == 0 {
			publishing.Go(func() { _ = r.Bind(r.ctx, streams.Binding{Exchange: "amq.direct", Queue: q, Key: "a"}) })
		}
		_, err := r.DeleteQueue(r.ctx, q)
		must(t, err)
		publishing.Wait()
		wantNothingLeft(t, nc, q)
	}
}
