package streams_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// wantRedelivered checks which deliveries are marked.
func wantRedelivered(t *testing.T, list []*streams.Delivery, want bool) {
	t.Helper()
	for _, d := range list {
		if d.Redelivered != want {
			t.Errorf("message %s: redelivered %t, want %t", d.Body, d.Redelivered, want)
		}
	}
}

// TestRedelivered_AfterABrokerIsKilled: what may have been delivered before is marked,
// although the broker does not know any more, and what is published later is not.
func TestRedelivered_AfterABrokerIsKilled(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Process(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{Lease: time.Second})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	r.bind("amq.direct", q, q)
	const each = 100
	for i := range each {
		m := streams.Message{DeliveryMode: streams.Persistent, Body: []byte(strconv.Itoa(i))}
		must(t, r.Publish(r.ctx, "amq.direct", q, m))
		must(t, r.Publish(r.ctx, "", q, m))
	}
	nc := server.Connect(t)
	killed := newRig(t, nc, streams.Config{})
	wantRedelivered(t, killed.take(killed.pull(killed.consume(q, streams.ConsumeOptions{})), 2*each), false)
	server.Kill(t)
	nc.Close()
	server.Restart(t)
	next := r.pull(r.consume(q, streams.ConsumeOptions{}))
	wantRedelivered(t, r.take(next, 2*each), true)
	r.publish("", q, "fresh")
	wantRedelivered(t, r.take(next, 1), false)
}

// TestRedelivered_WhereALeaderHasForgottenIt: what a consumer had and gets again is
// marked, also where whoever gives it out counts anew, as a server of a cluster may
// that takes over from one that was killed.
func TestRedelivered_WhereALeaderHasForgottenIt(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 3)
		next := r.pull(r.consume(q, streams.ConsumeOptions{}))
		wantRedelivered(t, r.take(next, 3), false)
		forget(t, nc, "warren~q~q", q)
		r.number(q, 1)
		list := r.take(next, 4)
		wantBodies(t, bodies(list), "1", "2", "3", "1")
		wantRedelivered(t, list[:3], true)
		wantRedelivered(t, list[3:], false)
	})
}

// forget has a consumer of a stream begin anew.
func forget(t *testing.T, nc *nats.Conn, name, consumer string) {
	t.Helper()
	home, err := stream(t, nc, name)
	must(t, err)
	c, err := home.Consumer(t.Context(), consumer)
	must(t, err)
	must(t, home.DeleteConsumer(t.Context(), consumer))
	js, err := jetstream.New(nc)
	must(t, err)
	_, err = js.CreateConsumer(t.Context(), name, c.CachedInfo().Config)
	must(t, err)
}
