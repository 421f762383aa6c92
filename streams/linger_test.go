package streams_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// batches reads of each message of a stream the batch that it came in.
func batches(t *testing.T, nc *nats.Conn, stream string, n uint64) (ids []string) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	s, err := js.Stream(t.Context(), stream)
	must(t, err)
	for seq := uint64(1); seq <= n; seq++ {
		msg, err := s.GetMsg(t.Context(), seq)
		must(t, err)
		ids = append(ids, msg.Header.Get("Nats-Batch-Id"))
	}
	return ids
}

// TestLinger_AClientsNextWindowIsOneBatch: it comes one by one, once the last one is
// confirmed.
func TestLinger_AClientsNextWindowIsOneBatch(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		const n, took = 100, 8 * time.Millisecond
		nc := embeddedtest.Connect(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := publisher(t, r.Session, streams.PublisherOptions{Window: 2000})
		streams.Expect(p, "", q, n, took)
		for i := range n {
			time.Sleep(10 * time.Microsecond)
			_, err := p.Publish(r.ctx, "", q, streams.Message{Body: []byte(strconv.Itoa(i))})
			must(t, err)
		}
		must(t, p.Flush(r.ctx))
		ids := batches(t, nc, "warren~q~q", n)
		for i, id := range ids {
			if id == "" || id != ids[0] {
				t.Fatalf("message %d is of batch %q, and the first of batch %q", i, id, ids[0])
			}
		}
	})
}

// TestLinger_ABatchBeginsMeanwhile: the broker makes ready for it while the rest comes.
func TestLinger_ABatchBeginsMeanwhile(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		const n, first = 50, 2
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := publisher(t, r.Session, streams.PublisherOptions{})
		var sent atomic.Int64
		line.Lose(func(subject string) bool {
			if subject == "warren.q.q" {
				sent.Add(1)
			}
			return false
		})
		streams.Expect(p, "", q, n, 8*time.Millisecond)
		streams.HoldBack(p, "", q)
		publishNumbers(t, p, q, first)
		streams.LetGo(p, "", q)
		synctest.Wait()
		if got := sent.Load(); got != first-1 { // the last one commits
			t.Errorf("%d messages of a batch were sent before the rest came, want %d", got, first-1)
		}
		publishNumbers(t, p, q, n-first)
		must(t, p.Flush(r.ctx))
		ids := batches(t, nc, "warren~q~q", n)
		for i, id := range ids {
			if id == "" || id != ids[0] {
				t.Fatalf("message %d is of batch %q, and the first of batch %q", i, id, ids[0])
			}
		}
	})
}

// TestLinger_EndsSoon: where what is expected does not come, and only once.
func TestLinger_EndsSoon(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		const took = 8 * time.Millisecond
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := publisher(t, r.Session, streams.PublisherOptions{})
		streams.Expect(p, "", q, 100, took)
		for _, want := range []time.Duration{took / 4, 0} {
			began := time.Now()
			confirm, err := p.Publish(r.ctx, "", q, streams.Message{})
			must(t, err)
			must(t, confirm.Wait(r.ctx))
			if waited := time.Since(began); waited != want {
				t.Errorf("a message waited for %v, want %v", waited, want)
			}
		}
	})
}

// TestLinger_EndsWithTheSession: a message that waits for others has its answer.
func TestLinger_EndsWithTheSession(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q", Durable: true})
		p := publisher(t, r.Session, streams.PublisherOptions{})
		streams.Expect(p, "", q, 100, 8*time.Millisecond)
		confirm, err := p.Publish(r.ctx, "", q, streams.Message{})
		must(t, err)
		must(t, r.Close(r.ctx))
		wantError(t, "wait", confirm.Wait(r.ctx), streams.ErrClosed)
	})
}

// TestMeasure_NeedsNoFullWindow: a client with less under way than its publisher may have
// is measured as well.
func TestMeasure_NeedsNoFullWindow(t *testing.T) {
	t.Parallel()
	line := newLine(t, embeddedtest.Listen(t))
	s := open(t, line.connect(t))
	declareQueue(t, s, streams.Queue{Name: "q"})
	p := publisher(t, s, streams.PublisherOptions{Window: 2000})
	line.stall(false, true)
	for i := range 100 {
		if streams.Measures(p, "", "q") != (i > 48) {
			t.Errorf("with %d messages under way, it is measured: %t", i, i <= 48)
		}
		_, err := p.Publish(t.Context(), "", "q", streams.Message{})
		must(t, err)
	}
	line.stall(false, false)
	must(t, p.Flush(t.Context()))
}

// TestGather_NotInMemory: a stream in memory is never synced, however slow it seems on a
// busy machine.
func TestGather_NotInMemory(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	for _, durable := range []bool{false, true} {
		q := r.queue(streams.Queue{Name: fmt.Sprintf("durable-%t", durable), Durable: durable})
		p := publisher(t, r.Session, streams.PublisherOptions{Window: 100})
		gathers, never := false, false
		for !gathers && !never {
			streams.Slow(p, "", q)
			publishNumbers(t, p, q, 100)
			must(t, p.Flush(r.ctx))
			gathers, never = streams.Gathers(p, "", q)
		}
		if gathers != durable || never == durable {
			t.Errorf("a queue that is durable, %t: gathers %t, never will %t", durable, gathers, never)
		}
		if _, inBatch := stored(t, nc, "warren~q~"+q); inBatch > 0 && !durable {
			t.Errorf("%d messages of a queue in memory came in batches", inBatch)
		}
	}
}
