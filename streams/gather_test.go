package streams_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// gatherer is a publisher that sends what waits for a queue in batches.
func gatherer(t *testing.T, s *streams.Session, queue string, o streams.PublisherOptions) *streams.Publisher {
	t.Helper()
	p := publisher(t, s, o)
	streams.Gather(p, "", queue)
	return p
}

// stored reads the bodies of a stream, and how many came in a batch.
func stored(t *testing.T, nc *nats.Conn, stream string) (bodies []string, inBatch int) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	s, err := js.Stream(t.Context(), stream)
	must(t, err)
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		msg, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		must(t, err)
		bodies = append(bodies, string(msg.Data))
		if msg.Header.Get("Nats-Batch-Id") != "" {
			inBatch++
		}
	}
	return bodies, inBatch
}

func wantBatched(t *testing.T, nc *nats.Conn, stream string) {
	t.Helper()
	if bodies, inBatch := stored(t, nc, stream); inBatch == 0 {
		t.Errorf("none of %d messages came in a batch", len(bodies))
	}
}

// publishNumbers publishes bodies from 1 to n to a queue.
func publishNumbers(t *testing.T, p *streams.Publisher, queue string, n int) (confirms []*streams.Confirm, want []string) {
	t.Helper()
	for i := 1; i <= n; i++ {
		body := strconv.Itoa(i)
		confirm, err := p.Publish(context.Background(), "", queue, streams.Message{Body: []byte(body), MessageID: body, DeliveryMode: streams.Persistent})
		must(t, err)
		confirms, want = append(confirms, confirm), append(want, body)
	}
	return confirms, want
}

// TestGatheredMessagesKeepTheirOrder: on every kind of queue.
func TestGatheredMessagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{true, false} {
		nc := embeddedtest.Start(t, embedded.Config{SyncAlways: always}).Connect(t)
		r := newRig(t, nc, streams.Config{})
		for _, q := range []streams.Queue{{Name: "durable", Durable: true}, {Name: "transient"}} {
			r.queue(q)
			p := gatherer(t, r.Session, q.Name, streams.PublisherOptions{Window: 200})
			_, want := publishNumbers(t, p, q.Name, 1000)
			must(t, p.Flush(r.ctx))
			got, inBatch := stored(t, nc, "warren~q~"+q.Name)
			wantBodies(t, got, want...)
			if inBatch == 0 {
				t.Error("no message came in a batch")
			}
		}
	}
}

// TestMessagesThatNobodyTookKeepTheirOrder: as while a stream is between two
// leaders.
func TestMessagesThatNobodyTookKeepTheirOrder(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	js, err := jetstream.New(nc)
	must(t, err)
	r := newRig(t, nc, streams.Config{Timeout: 20 * time.Second})
	for _, gather := range []bool{false, true} {
		q := r.queue(streams.Queue{Name: fmt.Sprintf("gather-%t", gather), Durable: true})
		p := publisher(t, r.Session, streams.PublisherOptions{Window: 200})
		if gather {
			streams.Gather(p, "", q)
		}
		_, first := publishNumbers(t, p, q, 50)
		must(t, p.Flush(r.ctx))
		wantBodies(t, r.drain(q), first...)
		stream, err := js.Stream(r.ctx, "warren~q~"+q)
		must(t, err)
		must(t, js.DeleteStream(r.ctx, "warren~q~"+q))
		_, want := publishNumbers(t, p, q, 150)
		// What is written before the publisher knows that nobody took the others may be taken
		// before them.
		streams.AwaitWritten(r.Session)
		for gathers, _ := streams.Gathers(p, "", q); !gathers; gathers, _ = streams.Gathers(p, "", q) {
			must(t, r.ctx.Err())
			runtime.Gosched()
		}
		_, err = js.CreateStream(r.ctx, stream.CachedInfo().Config)
		must(t, err)
		_, more := publishNumbers(t, p, q, 150)
		must(t, p.Flush(r.ctx))
		got, _ := stored(t, nc, "warren~q~"+q)
		wantBodies(t, got, append(want, more...)...)
	}
}

// TestGatheredMessagesFailAlone: one that is refused takes no other with it, and
// changes no order.
func TestGatheredMessagesFailAlone(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Start(t, embedded.Config{MaxPayload: 4 << 10}).Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true, Schedules: true})
	p := gatherer(t, r.Session, q, streams.PublisherOptions{Window: 100})
	streams.Gather(p, "", "nobody")
	var want []string
	outcomes := make(map[*streams.Confirm]error)
	publish := func(exchange, key string, m streams.Message, outcome error, flags ...streams.PublishFlag) {
		confirm, err := p.Publish(r.ctx, exchange, key, m, flags...)
		must(t, err)
		outcomes[confirm] = outcome
	}
	for i := range 300 {
		body := strconv.Itoa(i)
		m := streams.Message{Body: []byte(body)}
		switch i % 100 {
		case 17: // dropped, and confirmed
			m.MessageID = strconv.Itoa(i - 10)
			publish("", q, m, nil, streams.Deduplicate)
			continue
		case 7:
			m.MessageID = body
			publish("", q, m, nil, streams.Deduplicate)
		case 23:
			publish("", "nobody", m, streams.ErrNoRoute, streams.Mandatory)
			publish("", "nobody", m, nil)
			continue
		case 31:
			publish("amq.direct", "nobody", m, streams.ErrNoRoute, streams.Mandatory)
			continue
		case 41:
			m.Body = make([]byte, 80<<10)
			_, err := p.Publish(r.ctx, "", q, m)
			wantError(t, "a large message", err, streams.ErrPreconditionFailed)
			continue
		case 53:
			_, err := p.Publish(r.ctx, "missing", q, m)
			wantError(t, "a missing exchange", err, streams.ErrNotFound)
			continue
		case 61: // one takes the place of the other
			for range 2 {
				confirm, err := p.PublishAt(r.ctx, time.Now().Add(time.Hour), q, body, m)
				must(t, err)
				outcomes[confirm] = nil
			}
			continue
		default:
			publish("", q, m, nil, streams.Mandatory)
		}
		want = append(want, body)
	}
	wantError(t, "flush", p.Flush(r.ctx), streams.ErrNoRoute)
	for confirm, outcome := range outcomes {
		wantError(t, fmt.Sprintf("message %s to %q", confirm.Message().Body, confirm.Key()), confirm.Err(), outcome)
	}
	later := 0
	for _, err := range r.Scheduled(r.ctx, q) {
		must(t, err)
		later++
	}
	if later != 3 {
		t.Errorf("%d messages wait for later, want 3", later)
	}
	streams.Gather(p, "", q) // those that were refused have told against batches
	_, more := publishNumbers(t, p, q, 300)
	must(t, p.Flush(r.ctx))
	wantBatched(t, nc, "warren~q~q")
	wantBodies(t, r.drain(q), append(want, more...)...)
}

// TestGatheredMessagesReachEveryQueue: also where no batch was allowed before.
func TestGatheredMessagesReachEveryQueue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "x", Kind: streams.Fanout, Durable: true}))
	r.bind("x", r.queue(streams.Queue{Name: "a"}), "")
	r.bind("x", r.queue(streams.Queue{Name: "b"}), "")
	forbidBatches(t, nc, "warren~x~x")
	p := publisher(t, r.Session, streams.PublisherOptions{Window: 50})
	streams.Gather(p, "x", "")
	var want []string
	for i := range 200 {
		body := strconv.Itoa(i)
		_, err := p.Publish(r.ctx, "x", "key", streams.Message{Body: []byte(body)})
		must(t, err)
		want = append(want, body)
	}
	must(t, p.Flush(r.ctx))
	wantBatched(t, nc, "warren~x~x")
	for _, q := range []string{"a", "b"} {
		wantBodies(t, r.drain(q), want...)
	}
}

// TestAnIncompleteBatchIsSentOneByOne: what was lost of it is sent again, and
// nothing twice.
func TestAnIncompleteBatchIsSentOneByOne(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := gatherer(t, r.Session, q, streams.PublisherOptions{Window: 100})
		sent := 0
		line.Lose(func(subject string) bool {
			if subject != "warren.q.q" {
				return false
			}
			sent++
			return sent == 50 // not the first, which goes alone
		})
		_, want := publishNumbers(t, p, q, 100)
		must(t, p.Flush(r.ctx))
		if line.Lost() == 0 {
			t.Fatal("nothing was lost")
		}
		wantBodies(t, r.drain(q), want...)
	})
}

// wantAccounted checks that what was confirmed is there once, and in order, and
// that nothing is there twice.
func wantAccounted(t *testing.T, confirms []*streams.Confirm, got []string) {
	t.Helper()
	place := make(map[string]int)
	for i, body := range got {
		if _, twice := place[body]; twice {
			t.Errorf("message %s is there twice", body)
		}
		place[body] = i
	}
	last := -1
	for _, confirm := range confirms {
		body := string(confirm.Message().Body)
		at, there := place[body]
		switch {
		case !there && confirm.Err() == nil:
			t.Errorf("message %s was confirmed and is not there", body)
		case there && at < last:
			t.Errorf("message %s came before one that was published earlier", body)
		case confirm.Err() != nil && !errors.Is(confirm.Err(), streams.ErrUnconfirmed):
			t.Errorf("message %s: got %v, want it unconfirmed at worst", body, confirm.Err())
		}
		if there {
			last = at
		}
	}
}

// TestAnUnansweredBatchIsUnconfirmed: all of it may be there or not, and the next
// one goes on.
func TestAnUnansweredBatchIsUnconfirmed(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := gatherer(t, r.Session, q, streams.PublisherOptions{Window: 100})
		sent := 0
		line.Lose(func(subject string) bool {
			if subject == "warren.q.q" {
				sent++
			}
			return sent == 100 // the last
		})
		confirms, _ := publishNumbers(t, p, q, 100)
		for _, confirm := range confirms[1:] {
			wantError(t, "wait", confirm.Wait(r.ctx), streams.ErrUnconfirmed)
		}
		if line.Lost() == 0 {
			t.Fatal("nothing was lost")
		}
		line.Lose(nil)
		wantError(t, "flush", p.Flush(r.ctx), streams.ErrUnconfirmed)
		wantAccounted(t, confirms, r.drain(q))
		_, want := publishNumbers(t, p, q, 100)
		must(t, p.Flush(r.ctx))
		wantBodies(t, r.drain(q), want...)
	})
}

// TestGatheredMessagesEndWithTheirSession: those that wait are told.
func TestGatheredMessagesEndWithTheirSession(t *testing.T) {
	t.Parallel()
	line := newLine(t, embeddedtest.Listen(t))
	s := open(t, line.connect(t))
	declareQueue(t, s, streams.Queue{Name: "q"})
	publish(t, s, "", "q", "0")
	p := gatherer(t, s, "q", streams.PublisherOptions{Window: 50})
	line.stall(false, true)
	confirms, _ := publishNumbers(t, p, "q", 50)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = s.Close(ctx)
	line.stall(false, false)
	for _, confirm := range confirms {
		wantError(t, "wait", confirm.Wait(t.Context()), streams.ErrClosed)
	}
	wantError(t, "flush", p.Flush(t.Context()), streams.ErrClosed)
}

// TestAKilledBrokerHasWhatItConfirmed: with single messages, batches and
// transactions under way, and of no transaction a part.
func TestAKilledBrokerHasWhatItConfirmed(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Process(t, embedded.Config{SyncAlways: true})
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	all := r.queue(streams.Queue{Name: "all", Durable: true})
	const rounds, size = 3, 100
	var confirms []*streams.Confirm
	whole := make(map[string]bool)
	for round := range rounds {
		p := gatherer(t, r.Session, q, streams.PublisherOptions{Window: 500})
		killed := make(chan struct{})
		var confirmed atomic.Int64
		var group sync.WaitGroup
		group.Go(func() {
			defer func() { _ = p.Flush(r.ctx) }()
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d-%d", round, i)
				confirm, err := p.Publish(r.ctx, "", q, streams.Message{Body: []byte(body), DeliveryMode: streams.Persistent})
				if err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				confirms = append(confirms, confirm)
				confirmed.Add(1)
				select {
				case <-killed:
					return
				default:
				}
			}
		})
		group.Go(func() {
			for i := 0; ; i++ {
				prefix := fmt.Sprintf("%d-%d-", round, i)
				ms, _ := numbered(prefix, size)
				for i := range ms {
					ms[i].DeliveryMode = streams.Persistent
				}
				err := r.PublishAll(r.ctx, "", all, ms)
				whole[prefix] = err == nil
				if err != nil {
					wantError(t, "publish all", err, streams.ErrUnconfirmed)
					return
				}
				select {
				case <-killed:
					return
				default:
				}
			}
		})
		for confirmed.Load() < int64(1000+700*round) {
			runtime.Gosched()
		}
		server.Kill(t)
		close(killed)
		server.Restart(t)
		group.Wait()
	}
	nc := server.Connect(t)
	got, inBatch := stored(t, nc, "warren~q~q")
	if inBatch == 0 {
		t.Error("no message came in a batch")
	}
	wantAccounted(t, confirms, got)
	got, _ = stored(t, nc, "warren~q~all")
	for len(got) > 0 {
		prefix := got[0][:strings.LastIndex(got[0], "-")+1]
		_, want := numbered(prefix, size)
		if len(got) < size || !slices.Equal(got[:size], want) {
			t.Fatalf("a part of a transaction: %q", got[:min(size, len(got))])
		}
		got = got[size:]
		delete(whole, prefix)
	}
	for prefix, confirmed := range whole {
		if confirmed {
			t.Errorf("transaction %s was confirmed and is not there", prefix)
		}
	}
}

// TestAClusterTakesBatches: and loses nothing that was confirmed with the leader.
func TestAClusterTakesBatches(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	r := newRig(t, nodes.Connect(t, nats.ReconnectWait(20*time.Millisecond)), streams.Config{Replicas: 3, Timeout: 5 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	r.ctx = ctx
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	ms, _ := numbered("t", 100)
	must(t, r.PublishAll(r.ctx, "", q, ms, streams.Deduplicate))
	wantError(t, "again", r.PublishAll(r.ctx, "", q, ms, streams.Deduplicate), streams.ErrDuplicate)
	p := gatherer(t, r.Session, q, streams.PublisherOptions{Window: 300})
	before, _ := publishNumbers(t, p, q, 1000)
	must(t, p.Flush(r.ctx))
	var during []*streams.Confirm
	for i := 1001; i <= 3000; i++ {
		if i == 2000 {
			stopLeader(t, nodes, "warren~q~q")
		}
		body := strconv.Itoa(i)
		confirm, err := p.Publish(r.ctx, "", q, streams.Message{Body: []byte(body)})
		must(t, err)
		during = append(during, confirm)
	}
	_ = p.Flush(r.ctx)
	got, inBatch := stored(t, nodes.Connect(t), "warren~q~q")
	if inBatch <= 100 {
		t.Error("no message came in a batch but those of the transaction")
	}
	_, want := numbered("t", 100)
	wantBodies(t, got[:100], want...)
	wantAccounted(t, append(before, during...), got[100:])
}
