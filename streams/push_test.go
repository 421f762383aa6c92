package streams_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// acks gives a Push that acknowledges and tells of what it got.
func acks(t *testing.T, got chan<- *streams.Delivery) func(*streams.Delivery) {
	t.Helper()
	return func(d *streams.Delivery) {
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		got <- d
	}
}

// blocks gives a Push that waits within its first call until it is told to go on.
func blocks(t *testing.T, began chan<- *streams.Delivery, goOn <-chan struct{}) func(*streams.Delivery) {
	t.Helper()
	var once atomic.Bool
	return func(d *streams.Delivery) {
		if !once.Swap(true) {
			began <- d
			<-goOn
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
}

// TestPush_ThatBlocksStarvesNobody: other consumers of the queue in its session get all
// messages but its own; what was sent for it before comes to them with its lease.
func TestPush_ThatBlocksStarvesNobody(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		t.Run(strconv.FormatBool(shared), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, embeddedtest.Connect(t), streams.Config{Lease: 2 * time.Second})
			q, side := r.queue(streams.Queue{Name: "q"}), r.queue(streams.Queue{Name: "side"})
			o := streams.ConsumeOptions{Prefetch: 5}
			if shared {
				o.Window = window(t, 8)
				r.consume(side, o)
			}
			began, got, goOn := make(chan *streams.Delivery, 1), make(chan *streams.Delivery, 100), make(chan struct{})
			o.Push = blocks(t, began, goOn)
			r.consume(q, o)
			r.number(q, 10)
			kept := string(next(r, began).Body)
			o.Push = acks(t, got)
			r.consume(q, o)
			r.number(q, 20)
			seen := make(map[string]int)
			for range 29 {
				seen[string(next(r, got).Body)]++
			}
			for i := range 20 {
				body, want := strconv.Itoa(i+1), 1
				if i < 10 {
					want = 2
				}
				if body == kept {
					want--
				}
				if seen[body] != want {
					t.Errorf("message %s came %d times to the other, want %d", body, seen[body], want)
				}
			}
			close(goOn)
			r.untilCounts(q, 0, 0, 2)
			r.number(q, 2)
			r.untilCounts(q, 0, 0, 2)
		})
	}
}

// TestPush_ThatBlocksKeepsNobody: another consumer of the queue can be cancelled meanwhile,
// and the session got from.
func TestPush_ThatBlocksKeepsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	began, goOn := make(chan *streams.Delivery, 1), make(chan struct{})
	defer close(goOn)
	other := r.consume(q, streams.ConsumeOptions{Prefetch: 1})
	r.number(q, 1)
	r.untilCounts(q, 0, 1, 1)
	r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: blocks(t, began, goOn)})
	r.number(q, 2)
	next(r, began)
	must(t, other.Cancel(r.ctx))
	r.get(q)
	r.get(q)
	r.wantCounts(q, 0, 3, 1)
}

// TestPush_CancelInIt: a consumer that is cancelled or closed by its own Push has ended when
// the time for that is over, and nobody else waits for it.
func TestPush_CancelInIt(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*streams.Consumer, context.Context) error{
		"cancel": (*streams.Consumer).Cancel, "close": (*streams.Consumer).Close,
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, embeddedtest.Connect(t), streams.Config{})
			q := r.queue(streams.Queue{Name: "q"})
			ended := make(chan error, 1)
			started := make(chan *streams.Consumer, 1)
			c := r.consume(q, streams.ConsumeOptions{Prefetch: 3, Push: func(*streams.Delivery) {
				ctx, cancel := context.WithTimeout(r.ctx, 3*time.Second)
				defer cancel()
				ended <- end(<-started, ctx)
			}})
			started <- c
			got := make(chan *streams.Delivery, 10)
			r.number(q, 1)
			r.untilCounts(q, 0, 1, 0)
			r.consume(q, streams.ConsumeOptions{Prefetch: 3, Push: acks(t, got)})
			r.number(q, 5)
			wantBodies(t, bodies(nextOf(r, got, 5)), upFrom(1, 5)...)
			if len(ended) > 0 {
				t.Error("the others have waited for the Push")
			}
			if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want that the time is over", err)
			}
			held := 1
			if name == "close" {
				held = 0
				wantBodies(t, bodies(nextOf(r, got, 1)), "1")
			}
			r.untilCounts(q, 0, held, 1)
		})
	}
}

// TestPush_CloseSessionInIt: what the session held is another one's then.
func TestPush_CloseSessionInIt(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	ended := make(chan error, 1)
	other.consume(q, streams.ConsumeOptions{Prefetch: 2, Push: func(*streams.Delivery) {
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		ended <- other.Close(ctx)
	}})
	r.number(q, 4)
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
	_, arrived := r.pushed(q, streams.ConsumeOptions{})
	seen := make(map[string]bool)
	for _, d := range nextOf(r, arrived, 4) {
		seen[string(d.Body)] = true
	}
	if len(seen) != 4 {
		t.Errorf("got %v, want all 4", seen)
	}
}

// TestPush_FlowAndPrefetchInIt: a Push may change what the consumer may hold.
func TestPush_FlowAndPrefetchInIt(t *testing.T) {
	t.Parallel()
	const messages = 200
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	got := make(chan *streams.Delivery, 2*messages)
	for range 2 {
		w := window(t, 10)
		limits := [...]int{3, 10, 1, 0}
		var calls atomic.Int64
		r.consume(q, streams.ConsumeOptions{Window: w, Push: func(d *streams.Delivery) {
			n := calls.Add(1)
			w.Flow(false)
			must(t, w.Set(limits[n%4]))
			w.Flow(true)
			must(t, d.Ack())
			got <- d
		}})
	}
	must(t, r.PublishAll(r.ctx, "", q, make([]streams.Message, messages)))
	nextOf(r, got, messages)
	r.untilCounts(q, 0, 0, 2)
}

// TestRequeue_InPushStarvesNobody: a message that each Push requeues at once does not keep
// the next one, another consumer, or who cancels from their turns.
func TestRequeue_InPushStarvesNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	got := make(chan *streams.Delivery, 10)
	push := func(d *streams.Delivery) {
		if string(d.Body) == "1" {
			_ = d.Nack(streams.Requeue) // the consumer may have been closed
			return
		}
		must(t, d.Ack())
		got <- d
	}
	first := r.consume(q, streams.ConsumeOptions{Prefetch: 2, Push: push})
	r.number(q, 2)
	wantBodies(t, bodies(nextOf(r, got, 1)), "2")
	second := r.consume(q, streams.ConsumeOptions{Prefetch: 2, Push: push})
	r.publish("", q, "3")
	wantBodies(t, bodies(nextOf(r, got, 1)), "3")
	must(t, first.Cancel(r.ctx))
	must(t, second.Close(r.ctx))
	r.wantCounts(q, 1, 0, 0)
}
