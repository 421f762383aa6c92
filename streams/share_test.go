package streams_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// shared consumes queues with one window of one message, and gives their deliveries
// in the order in which they came.
func shared(r rig, turns map[string]streams.Turn) <-chan *streams.Delivery {
	r.Helper()
	w := window(r, 1)
	arrived := make(chan *streams.Delivery, 1000)
	for q, turn := range turns {
		r.consume(q, streams.ConsumeOptions{Window: w, Turn: turn, Push: func(d *streams.Delivery) { arrived <- d }})
	}
	return arrived
}

// next is the next delivery.
func next(r rig, arrived <-chan *streams.Delivery) *streams.Delivery {
	r.Helper()
	select {
	case d := <-arrived:
		return d
	case <-r.ctx.Done():
		r.Fatal("nothing arrived")
		return nil
	}
}

// settleEach settles so many deliveries, one after the other, and gives their bodies.
func settleEach(r rig, arrived <-chan *streams.Delivery, n int) string {
	r.Helper()
	var got []string
	for range n {
		d := next(r, arrived)
		got = append(got, string(d.Body))
		if d.Redelivered {
			r.Errorf("message %s was handed back unseen", d.Body)
		}
		must(r, d.Ack())
	}
	return strings.Join(got, " ")
}

// counted waits until the server has counted what is in queues for their consumers.
func counted(r rig, queues ...string) {
	r.Helper()
	for _, q := range queues {
		must(r, streams.AwaitCounted(r.ctx, r.Session, q))
	}
}

// recalled waits until no request waits at queues any more: those that a window has no
// room for are taken back a moment after the room was used up, and what is published
// meanwhile is handed back.
func recalled(r rig, nc *nats.Conn, queues ...string) {
	r.Helper()
	untilConsumers(r, nc, queues, func(_ jetstream.StreamState, consumer *jetstream.ConsumerInfo) bool {
		return consumer.NumWaiting == 0
	})
}

// waiting waits until a request waits at each of some queues.
func waiting(r rig, nc *nats.Conn, queues ...string) {
	r.Helper()
	untilConsumers(r, nc, queues, func(_ jetstream.StreamState, consumer *jetstream.ConsumerInfo) bool {
		return consumer.NumWaiting > 0
	})
}

func untilConsumers(r rig, nc *nats.Conn, queues []string, done func(jetstream.StreamState, *jetstream.ConsumerInfo) bool) {
	r.Helper()
	js, err := jetstream.New(nc)
	must(r, err)
	for _, q := range queues {
		name, err := js.StreamNameBySubject(r.ctx, streams.DefaultVHost+".q."+q)
		must(r, err)
		stream, err := js.Stream(r.ctx, name)
		must(r, err)
		for all := false; !all; time.Sleep(time.Millisecond) {
			all = true
			for info := range stream.ListConsumers(r.ctx).Info() {
				all = all && done(stream.CachedInfo().State, info)
			}
			must(r, r.ctx.Err())
		}
	}
}

func TestTheHigherRankComesFirst(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	turns := make(map[string]streams.Turn)
	for rank, name := range []string{"low", "middle", "high"} {
		turns[r.queue(streams.Queue{Name: name})] = streams.Turn{Rank: rank}
	}
	gate := r.queue(streams.Queue{Name: "gate"})
	turns[gate] = streams.Turn{Rank: 9}
	arrived := shared(r, turns)
	r.publish("", gate, "")
	held := next(r, arrived)
	recalled(r, nc, "low", "middle", "high")
	for n := range 3 {
		for _, name := range []string{"low", "high", "middle"} {
			r.publish("", name, fmt.Sprint(name, n))
		}
	}
	counted(r, "low", "middle", "high")
	must(t, held.Ack())
	want := "high0 high1 high2 middle0 middle1 middle2 low0 low1 low2"
	if got := settleEach(r, arrived, 9); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Who is there first does not matter where the flow is stopped until all are there.
func TestNothingFlowsUntilItIsLet(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	w := window(t, 1)
	w.Flow(false)
	arrived := make(chan *streams.Delivery, 10)
	for rank, name := range []string{"low", "middle", "high"} {
		q := r.queue(streams.Queue{Name: name})
		r.publish("", q, name)
		counted(r, q)
		r.consume(q, streams.ConsumeOptions{
			Window: w, Turn: streams.Turn{Rank: rank}, Push: func(d *streams.Delivery) { arrived <- d },
		})
	}
	w.Flow(true)
	if got := settleEach(r, arrived, 3); got != "high middle low" {
		t.Errorf("got %s, want high middle low", got)
	}
	w.Flow(false)
	r.publish("", "low", "more")
	must(t, r.get("low").Nack(streams.Requeue)) // nobody else has it
	w.Flow(true)
	if d := next(r, arrived); string(d.Body) != "more" || w.Used() != 1 {
		t.Errorf("got %s with %d used", d.Body, w.Used())
	}
}

func TestGroupsAreGivenRoomByWeight(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	turns := map[string]streams.Turn{
		r.queue(streams.Queue{Name: "gate"}): {Group: "gate"},
		r.queue(streams.Queue{Name: "a"}):    {Group: "a", Weight: 6},
		r.queue(streams.Queue{Name: "b"}):    {Group: "b", Weight: 3},
		r.queue(streams.Queue{Name: "c"}):    {Group: "c"},
	}
	arrived := shared(r, turns)
	r.publish("", "gate", "")
	held := next(r, arrived)
	recalled(r, nc, "a", "b", "c")
	for _, q := range []string{"a", "b", "c"} {
		for range 60 {
			r.publish("", q, q)
		}
	}
	counted(r, "a", "b", "c")
	must(t, held.Ack())
	got := settleEach(r, arrived, 50)
	for q, want := range map[string]int{"a": 30, "b": 15, "c": 5} {
		if n := strings.Count(got, q); n < want-1 || n > want+1 {
			t.Errorf("queue %s was given %d of 50, want %d: %s", q, n, want, got)
		}
	}
}

// A request that waits for a message does not take one that there is no room for:
// it goes to who has room.
func TestWhoHasNoRoomAsksForNothing(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	a, b := r.queue(streams.Queue{Name: "a"}), r.queue(streams.Queue{Name: "b"})
	turns := map[string]streams.Turn{a: {Rank: 1}, b: {}}
	full := shared(r, turns)
	for n := range 50 {
		r.publish("", b, "held")
		held := next(r, full)
		recalled(r, nc, a)
		r.publish("", a, fmt.Sprint(n))
		d := r.get(a)
		if held.Redelivered || d.Redelivered {
			t.Errorf("round %d: a message went to who had no room, and was handed back", n)
		}
		must(t, d.Ack())
		must(t, held.Ack())
	}
}

func TestAWindowThatIsSharedNoMoreGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	a, b := r.queue(streams.Queue{Name: "a"}), r.queue(streams.Queue{Name: "b"})
	w := window(t, 2)
	arrived := make(chan *streams.Delivery, 1000)
	o := streams.ConsumeOptions{Window: w, Push: func(d *streams.Delivery) { arrived <- d }}
	r.consume(a, o)
	for n := range 20 {
		r.publish("", a, "a")
		must(t, next(r, arrived).Ack())
		second := r.consume(b, o)
		r.publish("", b, "b")
		r.publish("", a, "a")
		settleEach(r, arrived, 2)
		if n%2 == 0 {
			must(t, w.Set(n%4)) // 0 is no limit
			r.publish("", b, "b")
			settleEach(r, arrived, 1)
			must(t, w.Set(2))
		}
		must(t, second.Cancel(r.ctx))
	}
	r.publish("", a, "a")
	settleEach(r, arrived, 1)
	if w.Used() != 0 {
		t.Errorf("%d used after all is settled", w.Used())
	}
}

// What is handed back comes again before what waits behind it, of a lower rank too.
func TestWhatIsRequeuedKeepsItsRank(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	high, low := r.queue(streams.Queue{Name: "high"}), r.queue(streams.Queue{Name: "low"})
	arrived := shared(r, map[string]streams.Turn{high: {Rank: 1}, low: {}})
	r.publish("", high, "1")
	d := next(r, arrived)
	recalled(r, nc, high, low)
	r.publish("", high, "2")
	r.publish("", low, "3")
	counted(r, high, low)
	for range 5 {
		must(t, d.Nack(streams.Requeue))
		if d = next(r, arrived); string(d.Body) != "1" || !d.Redelivered {
			t.Fatalf("got %s, want 1 again", d.Body)
		}
	}
	must(t, d.Ack())
	if got := settleEach(r, arrived, 2); got != "2 3" {
		t.Errorf("got %s, want 2 3", got)
	}
}
