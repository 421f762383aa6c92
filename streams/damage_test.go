package streams_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// spoil writes nonsense over a record of the topology.
func spoil(t *testing.T, nc *nats.Conn, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, err := newJetStream(t, nc).PublishMsg(t.Context(), &nats.Msg{
			Subject: "warren.topology." + key, Data: []byte(`{"Name":7`), Header: nats.Header{"Nats-Rollup": {"sub"}},
		})
		must(t, err)
	}
}

// wantDamage checks what an error says is damaged.
func wantDamage(t *testing.T, what string, err error, want ...string) {
	t.Helper()
	var damaged *streams.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("%s: got %v, want a DamagedError", what, err)
		return
	}
	wantList(t, what+": damaged", damaged.Records, want...)
	if !strings.Contains(err.Error(), "delete it") {
		t.Errorf("%s: got %q, want it to say what to do", what, err)
	}
}

// TestDamage_AListHasTheRest, and says what is missing from it. What is damaged can be
// deleted, and declared again.
func TestDamage_AListHasTheRest(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	for _, name := range []string{"bad", "good"} {
		r.queue(streams.Queue{Name: name, Durable: true})
		must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: name, Kind: streams.Fanout, Durable: true}))
	}
	r.bind("good", "bad", "")
	r.bind("good", "good", "")
	r.bind("bad", "good", "")
	spoil(t, nc, "q.bad", "x.bad")
	list, err := r.Queues(r.ctx)
	wantDamage(t, "queues", err, "queue 'bad'")
	if len(list) != 1 || list[0].Name != "good" {
		t.Errorf("queues: got %+v, want the good one", list)
	}
	exchanges, err := r.Exchanges(r.ctx)
	wantDamage(t, "exchanges", err, "exchange 'bad'")
	if len(exchanges) != 7 {
		t.Errorf("exchanges: got %+v, want the seven others", exchanges)
	}
	bindings, err := r.Bindings(r.ctx)
	wantDamage(t, "bindings", err, "queue 'bad'")
	if len(bindings) != 3 {
		t.Errorf("bindings: got %+v, want those of the good queue", bindings)
	}
	open(t, nc) // a session begins as ever
	_, err = r.DeclareQueue(r.ctx, streams.Queue{Name: "bad", Durable: true})
	if err == nil || !strings.Contains(err.Error(), "queue 'bad'") || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("declare: got %v, want it to say what to do", err)
	}
	_, err = r.DeleteQueue(r.ctx, "bad")
	must(t, err)
	must(t, r.DeleteExchange(r.ctx, "bad"))
	wantList(t, "queues", queueNames(t, r.Session), "good")
	r.queue(streams.Queue{Name: "bad"})
	must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "bad", Kind: streams.Direct}))
	r.publish("good", "", "1")
	wantBodies(t, r.drain("bad"))
	wantBodies(t, r.drain("good"), "1")
	r.wantBound(t, "good", "")
}

// TestDamage_APageOfBindings is its queue's: others are listed, and the queue can be
// deleted.
func TestDamage_APageOfBindings(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	r.queue(streams.Queue{Name: "other"})
	for i := range 40 {
		r.bind("amq.topic", q, manyKey(i))
	}
	for _, subject := range pages(t, nc, q) {
		spoil(t, nc, strings.TrimPrefix(subject, "warren.topology."))
	}
	late := newRig(t, nc, streams.Config{})
	list, err := late.Queues(late.ctx)
	wantDamage(t, "queues", err, "queue 'q'")
	if len(list) != 1 || list[0].Name != "other" {
		t.Errorf("queues: got %+v, want the other one", list)
	}
	_, err = late.DeleteQueue(late.ctx, q)
	must(t, err)
	wantList(t, "queues", queueNames(t, late.Session), "other")
	wantList(t, "pages", pages(t, nc, q))
}

// TestDamage_ARecordOfALaterReleaseIsKept: it is not damaged, and not deleted for it.
func TestDamage_ARecordOfALaterReleaseIsKept(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	_, err := newJetStream(t, nc).Publish(t.Context(), "warren.topology.q.later", []byte(`{"format":99,"Name":{"is":"an object now"}}`))
	must(t, err)
	_, err = r.DeclareQueue(r.ctx, streams.Queue{Name: "later"})
	wantError(t, "declare", err, streams.ErrPreconditionFailed)
	_, err = r.DeleteQueue(r.ctx, "later")
	wantError(t, "delete", err, streams.ErrPreconditionFailed)
}
