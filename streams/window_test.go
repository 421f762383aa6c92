package streams_test

import (
	"strconv"
	"sync"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestWindow_BothLimitsHold: consumers that share a window keep to their own prefetch
// besides, whatever is settled, requeued and changed, and get all there is.
func TestWindow_BothLimitsHold(t *testing.T) {
	t.Parallel()
	const each, shared = 60, 4
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("x", streams.Fanout)
	w := window(t, shared)
	var mu sync.Mutex
	var held, most [3]int
	total, requeued := 0, false
	arrived := make(chan func(), 3*2*each)
	for i, limit := range []int{1, 2, 0} {
		q := r.queue(streams.Queue{Name: strconv.Itoa(i)})
		r.bind("x", q, "")
		r.consume(q, streams.ConsumeOptions{Window: w, Prefetch: limit, Push: func(d *streams.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			held[i]++
			most[i] = max(most[i], held[i])
			if total++; total > shared {
				t.Errorf("%d messages are held with a window of %d", total, shared)
			}
			arrived <- func() {
				mu.Lock()
				held[i]--
				total--
				again := !requeued && !d.Redelivered
				requeued = again
				mu.Unlock()
				if again {
					must(t, d.Nack(streams.Requeue))
				} else {
					must(t, d.Ack())
				}
			}
		}})
	}
	for n := range each {
		r.publish("x", "", "bound")
		r.publish("", strconv.Itoa(n%3), "home")
	}
	for left := 3*each + each; left > 0; {
		select {
		case settle := <-arrived:
			before := requeued
			settle()
			if before || !requeued {
				left--
			}
		case <-r.ctx.Done():
			t.Fatalf("%d messages did not come", left)
		}
	}
	if most[0] > 1 || most[1] > 2 {
		t.Errorf("consumers with a prefetch of 1 and 2 held %d and %d messages", most[0], most[1])
	}
}

// TestWindow_PrefetchOfARunningConsumer: it is changed beside a shared window, and alone.
func TestWindow_PrefetchOfARunningConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	for _, w := range []*streams.Window{nil, window(t, 3)} {
		q := r.queue(streams.Queue{})
		r.number(q, 4)
		arrived := make(chan *streams.Delivery, 4)
		c := r.consume(q, streams.ConsumeOptions{Prefetch: 1, Window: w, Push: func(d *streams.Delivery) { arrived <- d }})
		next(r, arrived)
		r.wantCounts(q, 3, 1, 1)
		must(t, c.SetPrefetch(2))
		next(r, arrived)
		r.wantCounts(q, 2, 2, 1)
		must(t, c.SetPrefetch(0))
		next(r, arrived)
		wantError(t, "a negative prefetch", c.SetPrefetch(-1), streams.ErrPreconditionFailed)
		must(t, c.Cancel(r.ctx))
	}
}
