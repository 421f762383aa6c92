package streams_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// awaitWaiting waits until that many messages wait to be published.
func awaitWaiting(s *streams.Session, exchange, key string, n int) {
	for streams.Waiting(s, exchange, key) < n {
		runtime.Gosched()
	}
}

// storedBatches reads the bodies of a stream by the batch that they came in; "" is none.
func storedBatches(t *testing.T, nc *nats.Conn, stream string) map[string][]string {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	s, err := js.Stream(t.Context(), stream)
	must(t, err)
	found := make(map[string][]string)
	for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq; seq++ {
		msg, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // a mandatory message that nobody wanted
		}
		must(t, err)
		id := msg.Header.Get("Nats-Batch-Id")
		found[id] = append(found[id], string(msg.Data))
	}
	return found
}

// begunWith is what begins with a prefix.
func begunWith(list []string, prefix string) (found []string) {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			found = append(found, s)
		}
	}
	return found
}

// TestBatcher_IsShared: what publishers of the sessions of a node publish to one stream, and
// what is published without one, goes in one batch, in which each has its order.
func TestBatcher_IsShared(t *testing.T) {
	t.Parallel()
	const each, alone = 20, 16
	server := embeddedtest.Listen(t)
	line := newLine(t, server)
	n := openNode(t, line.connect(t), streams.Config{})
	r, other := on(t, n, streams.SessionOptions{}), on(t, n, streams.SessionOptions{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	line.stall(false, true) // nothing is answered
	var group sync.WaitGroup
	defer group.Wait()
	publishers := map[string]*streams.Publisher{
		"a": gatherer(t, r.Session, q, streams.PublisherOptions{}),
		"b": publisher(t, r.Session, streams.PublisherOptions{}),
		"c": publisher(t, other.Session, streams.PublisherOptions{}),
	}
	_, err := publishers["a"].Publish(r.ctx, "", q, streams.Message{Body: []byte("first")})
	must(t, err) // it goes at once, and the others wait for its answer
	for i := range each {
		for name, p := range publishers {
			_, err := p.Publish(r.ctx, "", q, streams.Message{Body: []byte(name + strconv.Itoa(100+i))})
			must(t, err)
		}
	}
	for i := range alone {
		group.Go(func() {
			err := r.Publish(r.ctx, "", q, streams.Message{Body: []byte("alone" + strconv.Itoa(i))})
			if err != nil {
				t.Errorf("publish and wait: %v", err)
			}
		})
	}
	awaitWaiting(r.Session, "", q, 3*each+alone)
	line.stall(false, false)
	for _, p := range publishers {
		must(t, p.Flush(r.ctx))
	}
	group.Wait()
	found := storedBatches(t, server.Connect(t), "warren~q~q")
	wantBodies(t, found[""], "first")
	delete(found, "")
	for _, batch := range found {
		if len(found) != 1 || len(batch) != 3*each+alone {
			t.Fatalf("got batches %q, want one of %d", found, 3*each+alone)
		}
		for name := range publishers {
			for i, body := range begunWith(batch, name+"1") {
				if want := name + strconv.Itoa(100+i); body != want {
					t.Errorf("message %d of publisher %s is %s, want %s", i, name, body, want)
				}
			}
		}
	}
}

// TestBatcher_WhatCannotBeInABatch: it goes beside the batch of the others, with what its
// publisher has behind it, in order.
func TestBatcher_WhatCannotBeInABatch(t *testing.T) {
	t.Parallel()
	const each = 20
	server := embeddedtest.Listen(t)
	line := newLine(t, server)
	r := newRig(t, line.connect(t), streams.Config{})
	must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "x", Kind: streams.Fanout, Durable: true}))
	r.bind("x", r.queue(streams.Queue{Name: "q", Durable: true}), "")
	plain := publisher(t, r.Session, streams.PublisherOptions{})
	traced := publisher(t, r.Session, streams.PublisherOptions{})
	publish := func(p *streams.Publisher, body string, flags ...streams.PublishFlag) {
		t.Helper()
		_, err := p.Publish(r.ctx, "x", "", streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent}, flags...)
		must(t, err)
	}
	publish(plain, "known") // the exchange is looked up
	must(t, plain.Flush(r.ctx))
	streams.Gather(plain, "x", "")
	line.stall(false, true)
	publish(plain, "first")
	for i := range each {
		publish(plain, "plain"+strconv.Itoa(100+i))
		if i == 0 {
			publish(traced, "traced100", streams.Mandatory)
		} else {
			publish(traced, "traced"+strconv.Itoa(100+i))
		}
	}
	awaitWaiting(r.Session, "x", "", 2*each)
	line.stall(false, false)
	must(t, plain.Flush(r.ctx))
	must(t, traced.Flush(r.ctx))
	found := storedBatches(t, server.Connect(t), "warren~x~x")
	if !strings.Contains(strings.Join(found[""], " "), "traced100") {
		t.Errorf("the mandatory message came in a batch: %q", found)
	}
	for id, batch := range found {
		if n := len(begunWith(batch, "plain")); id != "" && n != 0 && n != each {
			t.Errorf("%d messages of the plain publisher are in one batch, want %d", n, each)
		}
	}
	got := r.drain("q")
	for _, name := range []string{"plain", "traced"} {
		for i, body := range begunWith(got, name+"1") {
			if want := name + strconv.Itoa(100+i); body != want {
				t.Errorf("message %d of %s is %s, want %s", i, name, body, want)
			}
		}
	}
	if len(got) != 2*each+2 {
		t.Errorf("got %d messages, want %d", len(got), 2*each+2)
	}
}

// TestBatcher_PublishEndsWithItsContext: also where it waits for a batch.
func TestBatcher_PublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	line := newLine(t, embeddedtest.Listen(t))
	r := newRig(t, line.connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	p := gatherer(t, r.Session, q, streams.PublisherOptions{})
	line.stall(false, true)
	_, err := p.Publish(r.ctx, "", q, streams.Message{Body: []byte("first")})
	must(t, err)
	ctx, cancel := context.WithCancel(r.ctx)
	ended := make(chan error)
	go func() { ended <- r.Publish(ctx, "", q, streams.Message{Body: []byte("second")}) }()
	awaitWaiting(r.Session, "", q, 1)
	cancel()
	err = <-ended
	wantError(t, "publish", err, streams.ErrUnconfirmed)
	wantError(t, "publish", err, context.Canceled)
	line.stall(false, false)
	must(t, p.Flush(r.ctx))
}

// TestBatcher_NoRoomIsOnePublishersOwn: while one waits for room, others are refused at
// once.
func TestBatcher_NoRoomIsOnePublishersOwn(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{MaxStore: roomLimit})
	r := newRig(t, server.Connect(t), streams.Config{})
	r.queue(streams.Queue{Name: "full", Durable: true})
	m := streams.Message{Body: make([]byte, 16<<10), DeliveryMode: streams.Persistent}
	fillUp(t, r, "", m)
	full := make(chan struct{})
	tell := sync.OnceFunc(func() { close(full) })
	waits := publisher(t, r.Session, streams.PublisherOptions{NoRoom: func(error) { tell() }})
	patient, err := waits.Publish(r.ctx, "", "full", m)
	must(t, err)
	<-full
	refused := publisher(t, r.Session, streams.PublisherOptions{})
	for range 3 {
		confirm, err := refused.Publish(r.ctx, "", "full", m)
		must(t, err)
		wantError(t, "a publisher that does not wait", confirm.Wait(r.ctx), streams.ErrResource)
		wantError(t, "publish", r.Publish(r.ctx, "", "full", m), streams.ErrResource)
	}
	select {
	case <-patient.Done():
		t.Errorf("the publisher that waits has an answer: %v", patient.Err())
	default:
	}
	if _, err := r.PurgeQueue(r.ctx, "full"); err != nil {
		t.Fatal(err)
	}
	must(t, patient.Wait(r.ctx))
}

// TestSyncing_IsToldByTheBroker: by one of package embedded that syncs each message; so
// that the node need not measure.
func TestSyncing_IsToldByTheBroker(t *testing.T) {
	t.Parallel()
	if streams.SyncSubject != embedded.SyncSubject || streams.SyncsAlways != embedded.SyncsAlways {
		t.Error("package embedded is asked in other words than it answers to")
	}
	for _, always := range []bool{false, true} {
		for _, durable := range []bool{false, true} {
			r := newRig(t, embeddedtest.Start(t, embedded.Config{SyncAlways: always}).Connect(t), streams.Config{})
			q := r.queue(streams.Queue{Name: "q", Durable: durable})
			p := publisher(t, r.Session, streams.PublisherOptions{Window: 100})
			looked, synced := false, false
			for !looked {
				publishNumbers(t, p, q, 100)
				must(t, p.Flush(r.ctx))
				looked, synced = streams.Synced(p, "", q)
			}
			if want := always && durable; synced != want {
				t.Errorf("sync always %t, durable %t: each message is synced: %t, want %t", always, durable, synced, want)
			}
		}
	}
}
