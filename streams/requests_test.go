package streams_test

import (
	"errors"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// sent counts the messages that an operation sends to the broker: requests, settlements,
// and what it tells other sessions. It is done several times, for something else may
// be sent meanwhile.
func sent(nc *nats.Conn, operation func()) int {
	fewest := uint64(1 << 62)
	for range 5 {
		before := nc.Stats().OutMsgs
		operation()
		fewest = min(fewest, nc.Stats().OutMsgs-before)
	}
	return int(fewest)
}

// wantSent wants an operation to send so many messages at most.
func wantSent(t *testing.T, nc *nats.Conn, what string, most int, operation func()) {
	t.Helper()
	if n := sent(nc, operation); n > most {
		t.Errorf("%s: sent %d messages, want %d at most", what, n, most)
	}
}

// TestRequests_Get takes what a queue has with two requests, which are under way at the
// same time, and twice as many where an exchange fills it.
func TestRequests_Get(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	home, bound := r.queue(streams.Queue{Name: "home"}), r.queue(streams.Queue{Name: "bound", Durable: true})
	r.bind("amq.fanout", bound, "")
	r.number(home, 20)
	for i := range 20 {
		r.publish("amq.fanout", "", strconv.Itoa(i))
	}
	for _, q := range []string{home, bound} {
		must(t, r.get(q).Ack()) // the first registers the session
	}
	wantSent(t, nc, "get and ack from a home", 3, func() { must(t, r.get(home).Ack()) })
	wantSent(t, nc, "get and ack what an exchange routed", 5, func() { must(t, r.get(bound).Ack()) })
	r.drain(home)
	wantSent(t, nc, "get from an empty queue", 2, func() {
		if _, ok, err := r.Get(r.ctx, home); ok || err != nil {
			t.Errorf("get from an empty queue: %t, %v", ok, err)
		}
	})
}

// TestGet_CountsWhatWasConfirmed just before, by others.
func TestGet_CountsWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	home, bound := r.queue(streams.Queue{Name: "home"}), r.queue(streams.Queue{Name: "bound"})
	neighbour := r.queue(streams.Queue{Name: "neighbour"})
	r.bind("amq.direct", bound, "a")
	r.bind("amq.direct", neighbour, "b")
	p, err := other.Publisher(streams.PublisherOptions{Window: 1000})
	must(t, err)
	const rounds, burst = 20, 300
	for q, at := range map[string][2]string{home: {"", home}, bound: {"amq.direct", "a"}} {
		other.publish(at[0], at[1], "first")
		for i := range rounds {
			for range burst {
				for _, to := range [][2]string{at, {"amq.direct", "b"}} {
					_, err := p.Publish(r.ctx, to[0], to[1], streams.Message{})
					must(t, err)
				}
			}
			must(t, p.Flush(r.ctx))
			d := r.get(q)
			if want := (i+1)*burst - i; d.MessageCount != want {
				t.Fatalf("queue %q: %d are behind the message, want %d", q, d.MessageCount, want)
			}
			must(t, d.Ack())
		}
	}
}

// TestGet_FollowsChanges that another session has made since the last one.
func TestGet_FollowsChanges(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 1)
	must(t, r.get(q).Ack())
	other.bind("amq.topic", q, "a")
	other.publish("amq.topic", "a", "bound")
	if d := r.get(q); string(d.Body) != "bound" {
		t.Errorf("got %q, want what the new binding routes", d.Body)
	}
	if _, err := other.DeleteQueue(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Get(r.ctx, q); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("get from a queue that was deleted: %v, want 404", err)
	}
	other.queue(streams.Queue{Name: q, Durable: true})
	other.number(q, 2)
	if d := r.get(q); string(d.Body) != "1" || d.MessageCount != 1 {
		t.Errorf("got %q with %d behind it from the next queue of that name", d.Body, d.MessageCount)
	}
}

// TestRequests_Queues lists queues with a few requests, however many there are.
func TestRequests_Queues(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	for i := range 100 {
		r.queue(streams.Queue{Name: strconv.Itoa(i)})
	}
	r.consume("7", streams.ConsumeOptions{})
	wantSent(t, nc, "list 100 queues", 12, func() {
		if list, err := r.Queues(r.ctx); err != nil || len(list) != 100 {
			t.Errorf("listed %d queues: %v", len(list), err)
		}
	})
}

// TestQueues_SayWhatInspectionsDo of queues of all kinds, and of their users in several
// sessions.
func TestQueues_SayWhatInspectionsDo(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	r, other := newRig(t, server.Connect(t), streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	queues := []streams.Queue{
		{Name: "bound"}, {Name: "ends", MessageTTL: new(time.Duration)}, {Name: "exclusive", Exclusive: true},
		{Name: "filled", Durable: true}, {Name: "held"}, {Name: "later", Schedules: true}, {Name: "nothing"},
	}
	for _, q := range queues {
		r.queue(q)
	}
	r.exchange("x", streams.Topic)
	r.bind("x", "bound", "a.#.b")
	r.publish("x", "a.b", "1", "2")
	r.publish("x", "a.c", "not for it")
	r.publish("", "ends", "1", "2")
	r.publish("", "filled", "1", "2", "3")
	r.publish("", "held", "1", "2", "3", "4", "5")
	r.get("held")
	other.take(other.pull(other.consume("held", streams.ConsumeOptions{Prefetch: 2})), 2)
	other.consume("nothing", streams.ConsumeOptions{})
	r.consume("nothing", streams.ConsumeOptions{})
	must(t, r.PublishAt(r.ctx, time.Now().Add(time.Hour), "later", "id", streams.Message{}))
	list, err := other.Queues(r.ctx)
	if err != nil || len(list) != len(queues) {
		t.Fatalf("listed %d queues: %v", len(list), err)
	}
	for i, q := range queues {
		want, err := r.InspectQueue(r.ctx, q.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(list[i], want) {
			t.Errorf("listed %+v, inspected %+v", list[i], want)
		}
	}
	if got := list[4]; got.Ready != 2 || got.Unacked != 3 || got.Consumers != 1 {
		t.Errorf("of queue held, %+v are listed", got)
	}
}

// TestRequests_ExclusiveQueue counts what the life of a temporary queue takes: its owner
// need not mark it before it changes its streams, and has nobody to tell.
func TestRequests_ExclusiveQueue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.bind("amq.direct", r.queue(streams.Queue{Name: "other"}), "") // which makes its stream
	wantSent(t, nc, "declare, bind and delete", 13, func() {
		q := r.queue(streams.Queue{Exclusive: true})
		r.bind("amq.direct", q, "a")
		_, err := r.DeleteQueue(r.ctx, q)
		must(t, err)
	})
}
