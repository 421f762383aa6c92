package streams_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// manyBindings is more than the record of a queue and one page have.
const manyBindings = 330

func manyKey(i int) string { return fmt.Sprintf("customer.%d", i) }

// bindMany binds a queue to a topic exchange with many keys.
func (r rig) bindMany(queue string) {
	r.Helper()
	for i := range manyBindings {
		r.bind("amq.topic", queue, manyKey(i))
	}
}

// wantBound checks which keys a queue is bound with, those of the default exchange
// left out.
func (r rig) wantBound(t *testing.T, queue string, want ...string) {
	t.Helper()
	bindings, err := r.Bindings(r.ctx)
	must(t, err)
	var got []string
	for _, b := range bindings {
		if b.Exchange != "" && b.Queue == queue {
			got = append(got, b.Key)
		}
	}
	wantAnyOrder(t, "bindings of "+queue, got, want...)
}

// pages are the subjects of a queue's pages of bindings.
func pages(t *testing.T, nc *nats.Conn, queue string) []string {
	t.Helper()
	topology, err := stream(t, nc, "warren~topology")
	must(t, err)
	info, err := topology.Info(t.Context(), jetstream.WithSubjectFilter("warren.topology.b."+queue+".*"))
	must(t, err)
	var subjects []string
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects
}

// TestPages_ManyBindingsAreOneSet: what many bindings of a queue route, list and
// unbind is what few do, for the session that bound them, for one that was told of
// it, and for one that comes later.
func TestPages_ManyBindingsAreOneSet(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{MaxPayload: 64 << 10})
	nc := server.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	consumer := other.consume(q, streams.ConsumeOptions{})
	got := make(chan string, 8)
	done := make(chan error, 1)
	go func() {
		done <- consumer.Run(other.ctx, func(d *streams.Delivery) { got <- string(d.Body); _ = d.Ack() })
	}()
	r.bindMany(q)
	var want []string
	for i := range manyBindings {
		if i%50 == 7 {
			must(t, r.Unbind(r.ctx, streams.Binding{Exchange: "amq.topic", Queue: q, Key: manyKey(i)}))
			continue
		}
		want = append(want, manyKey(i))
	}
	for _, session := range []rig{r, other, newRig(t, server.Connect(t), streams.Config{})} {
		session.wantBound(t, q, want...)
		for i, key := range []string{manyKey(7), manyKey(3), manyKey(107), manyKey(320)} {
			session.publish("amq.topic", key, fmt.Sprint(i))
		}
		wantBodies(t, []string{<-got, <-got}, "1", "3")
	}
	must(t, consumer.Cancel(other.ctx))
	must(t, <-done)
	if len(pages(t, nc, q)) == 0 {
		t.Error("there are no pages, want some")
	}
	_, err := r.DeleteQueue(r.ctx, q)
	must(t, err)
	wantList(t, "pages of a queue that has gone", pages(t, nc, q))
}

// TestPages_ACrashBetweenTheRecordsHeals: pages that no record names go, and the
// bindings are those of the record.
func TestPages_ACrashBetweenTheRecordsHeals(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	nc := server.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	want := make([]string, 40)
	for i := range want {
		want[i] = manyKey(i)
		r.bind("amq.topic", q, want[i])
	}
	before := pages(t, nc, q)
	dies := newRig(t, server.Connect(t), streams.Config{})
	must(t, streams.HalfSave(dies.ctx, dies.Session, q))
	if left := pages(t, nc, q); len(left) <= len(before) {
		t.Fatalf("pages after the crash: got %q, want more than %q", left, before)
	}
	must(t, dies.Close(dies.ctx))
	r.wantBound(t, q, want...)
	r.bind("amq.topic", q, "last")
	r.wantBound(t, q, append(want, "last")...)
	after := pages(t, nc, q)
	slices.Sort(before)
	slices.Sort(after)
	wantList(t, "pages when it is healed", after, before...)
}

// TestPages_ARecordOfAnEarlierReleaseIsRead with all its bindings in it, and cut into
// pages when it is next written.
func TestPages_ARecordOfAnEarlierReleaseIsRead(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	r.bind("amq.topic", q, "first")
	topology, err := stream(t, nc, "warren~topology")
	must(t, err)
	msg, err := topology.GetLastMsgForSubject(t.Context(), "warren.topology.q.q")
	must(t, err)
	text := string(msg.Data)
	begin, end := strings.Index(text, `"bindings":[`)+len(`"bindings":[`), strings.LastIndex(text, "]")
	binding := text[begin:end]
	want, list := []string{"first"}, []string{binding}
	for i := range 200 {
		want = append(want, manyKey(i))
		list = append(list, strings.Replace(binding, `"first"`, `"`+manyKey(i)+`"`, 1))
	}
	text = strings.Replace(text[:begin]+strings.Join(list, ",")+text[end:], `"format":2,`, "", 1)
	_, err = newJetStream(t, nc).Publish(t.Context(), "warren.topology.q.q", []byte(text))
	must(t, err)
	late := newRig(t, nc, streams.Config{})
	late.wantBound(t, q, want...)
	late.bind("amq.topic", q, "last")
	late.wantBound(t, q, append(want, "last")...)
	if len(pages(t, nc, q)) == 0 {
		t.Error("there are no pages, want some")
	}
}

// TestPages_WhatIsTooLargeIs406 and not the client's own words, and what it is of
// stays usable.
func TestPages_WhatIsTooLargeIs406(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Start(t, embedded.Config{MaxPayload: 64 << 10}).Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	large := streams.Table{"x": strings.Repeat("x", int(nc.MaxPayload()))}
	for what, try := range map[string]func() error{
		"bind": func() error { return r.Bind(r.ctx, streams.Binding{Exchange: "amq.headers", Queue: q, Args: large}) },
		"declare a queue": func() error {
			_, err := r.DeclareQueue(r.ctx, streams.Queue{Name: "large", Args: large})
			return err
		},
		"declare an exchange": func() error {
			return r.DeclareExchange(r.ctx, streams.Exchange{Name: "large", Kind: streams.Fanout, Args: large})
		},
	} {
		wantError(t, what, try(), streams.ErrPreconditionFailed)
	}
	r.bind("amq.topic", q, "a")
	r.wantBound(t, q, "a")
	medium := streams.Table{"x": strings.Repeat("x", 20<<10)}
	for i := range 5 {
		must(t, r.Bind(r.ctx, streams.Binding{Exchange: "amq.headers", Queue: q, Key: fmt.Sprint(i), Args: medium}))
	}
	r.wantBound(t, q, "a", "0", "1", "2", "3", "4")
}
