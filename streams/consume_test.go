package streams_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// pull turns a consumer into a function that gives its deliveries one by one.
func (r rig) pull(c *streams.Consumer) func() (*streams.Delivery, error, bool) {
	next, stop := iter.Pull2(c.Deliveries(r.ctx))
	r.Cleanup(stop)
	return func() (*streams.Delivery, error, bool) {
		d, err, ok := next()
		return d, err, ok
	}
}

func TestPrefetchBoundsWhatIsUnsettled(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{1, 2, 3, 7, 64} {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, embeddedtest.Connect(t), streams.Config{})
			q := r.queue(streams.Queue{Name: "q"})
			total := 3*prefetch + 1
			r.number(q, total)
			c := r.consume(q, streams.ConsumeOptions{Prefetch: prefetch})
			next := r.pull(c)
			held := r.take(next, prefetch)
			r.wantCounts(q, total-prefetch, prefetch, 1)
			for seen := prefetch; seen < total; seen++ {
				must(t, held[0].Ack())
				held = append(held[1:], r.take(next, 1)...)
				if used := c.Window().Used(); used > prefetch {
					t.Fatalf("%d messages unsettled at a prefetch of %d", used, prefetch)
				}
			}
			for _, d := range held {
				must(t, d.Ack())
			}
			r.wantCounts(q, 0, 0, 1)
		})
	}
}

func TestPrefetchIsOneBudgetOverHomeAndViews(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	exchanges := []string{"a", "b", "c"}
	for _, x := range exchanges {
		r.exchange(x, streams.Fanout)
		r.bind(x, q, "")
	}
	const each = 40
	for i := range each {
		r.publish("", q, "home "+strconv.Itoa(i))
		for _, x := range exchanges {
			r.publish(x, "", x+" "+strconv.Itoa(i))
		}
	}
	var unsettled, most, seen atomic.Int64
	ctx, cancel := context.WithCancel(r.ctx)
	order := map[string]int{}
	var mu sync.Mutex
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 2, Concurrency: 4})
	must(t, c.Run(ctx, func(d *streams.Delivery) {
		most.Store(max(most.Load(), unsettled.Add(1)))
		mu.Lock()
		order[d.Exchange]++
		mu.Unlock()
		unsettled.Add(-1)
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		if seen.Add(1) == 4*each {
			cancel()
		}
	}))
	if most.Load() > 2 {
		t.Errorf("%d messages unsettled at a prefetch of 2", most.Load())
	}
	for _, x := range append(exchanges, "") {
		if order[x] != each {
			t.Errorf("%d messages of exchange %q, want %d", order[x], x, each)
		}
	}
	r.wantCounts(q, 0, 0, 0)
}

func TestRequeuedMessagesGoToTheFrontInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 6)
	first := r.consume(q, streams.ConsumeOptions{Prefetch: 4})
	held := r.take(r.pull(first), 4)
	must(t, first.Cancel(r.ctx))
	must(t, held[3].Nack(streams.Requeue, streams.Multiple))
	r.wantCounts(q, 6, 0, 0)
	again := r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 6)
	wantBodies(t, bodies(again), "1", "2", "3", "4", "5", "6")
	for i, d := range again {
		wantCount := 0
		if i < 4 {
			wantCount = 1
		}
		if d.Redelivered != (i < 4) || d.DeliveryCount != wantCount {
			t.Errorf("message %s: redelivered %t, count %d; want %t, %d", d.Body, d.Redelivered, d.DeliveryCount, i < 4, wantCount)
		}
	}
}

func TestARequeuedMessageIsTheNextOne(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{1, 2, 3} {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, embeddedtest.Connect(t), streams.Config{})
			q := r.queue(streams.Queue{Name: "q"})
			r.number(q, 60)
			next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: prefetch}))
			held := r.take(next, prefetch)
			for i := prefetch; i < 60; i++ {
				must(t, held[0].Nack(streams.Requeue))
				again := r.take(next, 1)[0]
				if string(again.Body) != string(held[0].Body) {
					t.Fatalf("after message %s was requeued came %s", held[0].Body, again.Body)
				}
				must(t, again.Ack())
				held = append(held[1:], r.take(next, 1)...)
			}
		})
	}
}

func TestAConsumerMayBeCancelledInItsHandler(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 3)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 1})
	handled := 0
	must(t, c.Run(r.ctx, func(d *streams.Delivery) {
		must(t, c.Cancel(r.ctx))
		must(t, d.Ack())
		handled++
	}))
	if handled != 1 {
		t.Errorf("%d messages handled, want 1", handled)
	}
	r.wantCounts(q, 2, 0, 0)
}

func TestSettlingOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 8)
	held := r.take(r.pull(r.consume(q, streams.ConsumeOptions{})), 8)
	must(t, held[0].Ack())
	must(t, held[3].Ack(streams.Multiple)) // 2, 3, 4
	must(t, held[4].Reject())
	must(t, held[5].Nack())
	for i, settle := range []func() error{
		func() error { return held[0].Ack() },
		func() error { return held[0].Nack(streams.Requeue) },
		func() error { return held[1].Reject() },
		func() error { return held[2].Ack(streams.Multiple) },
		func() error { return held[4].Ack() },
	} {
		if err := settle(); !errors.Is(err, streams.ErrPreconditionFailed) {
			t.Errorf("second settling %d: %v, want 406", i, err)
		}
	}
	r.wantCounts(q, 0, 2, 1)
	must(t, held[7].Reject(streams.Requeue))
	must(t, held[6].Ack())
}

func TestCancelKeepsUnsettledMessagesAckable(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 5)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 3})
	held := r.take(r.pull(c), 2) // a third waits, received by nobody
	must(t, c.Cancel(r.ctx))
	r.wantCounts(q, 3, 2, 0)
	must(t, held[1].Ack())
	must(t, held[0].Reject(streams.Requeue))
	wantBodies(t, r.drain(q), "3", "1", "4", "5")
}

func TestCloseHandsBackInOrderAndDeletesExclusiveQueues(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 4)
	other := newRig(t, nc, streams.Config{})
	mine := other.queue(streams.Queue{Exclusive: true})
	other.take(other.pull(other.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2)
	other.get(q)
	must(t, other.Close(r.ctx))
	if _, err := r.InspectQueue(r.ctx, mine); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("exclusive queue after Close: %v, want 404", err)
	}
	r.wantCounts(q, 4, 0, 0)
	wantBodies(t, r.drain(q), "1", "2", "3", "4")
}

func TestWhatAHandlerHoldsComesBackBeforeWhatWaitedBehindIt(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 5)
	other := newRig(t, nc, streams.Config{})
	c := other.consume(q, streams.ConsumeOptions{})
	other.take(other.pull(c), 1)
	for info := (streams.QueueInfo{}); info.Unacked < 5; { // until all have come
		var err error
		info, err = r.InspectQueue(r.ctx, q)
		must(t, err)
	}
	must(t, other.Close(r.ctx))
	again := r.take(r.pull(r.consume(q, streams.ConsumeOptions{AutoAck: true})), 5)
	wantBodies(t, bodies(again), "1", "2", "3", "4", "5")
}

func TestAutoAckSettlesOnArrival(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 20)
	list := r.take(r.pull(r.consume(q, streams.ConsumeOptions{AutoAck: true, Prefetch: 1})), 20)
	r.wantCounts(q, 0, 0, 1)
	if err := list[0].Ack(); !errors.Is(err, streams.ErrPreconditionFailed) {
		t.Errorf("ack of an automatic one: %v, want 406", err)
	}
}

func TestConcurrencyRunsThatManyHandlers(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 9)
	ctx, cancel := context.WithCancel(r.ctx)
	var together sync.WaitGroup
	together.Add(3)
	var seen atomic.Int64
	must(t, r.consume(q, streams.ConsumeOptions{Prefetch: 9, Concurrency: 3}).Run(ctx, func(d *streams.Delivery) {
		if n := seen.Add(1); n <= 3 {
			together.Done()
			together.Wait() // ends only if three run at once
		} else if n == 9 {
			cancel()
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}))
}

func TestRunHandsBackWhatNoHandlerHasSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 5)
	ctx, cancel := context.WithCancel(r.ctx)
	must(t, r.consume(q, streams.ConsumeOptions{Prefetch: 4}).Run(ctx, func(d *streams.Delivery) {
		cancel()
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}))
	r.wantCounts(q, 4, 0, 0)
	wantBodies(t, r.drain(q), "2", "3", "4", "5")
}

func TestConsumerIsToldOfTheEndOfItsQueue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	other := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	c := other.consume(q, streams.ConsumeOptions{Prefetch: 1})
	if _, err := r.DeleteQueue(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); !errors.Is(err, streams.ErrCancelled) || !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the consumer's error is %v; want ErrCancelled and 404", err)
	}
	for d, err := range c.Deliveries(r.ctx) {
		if d != nil || !errors.Is(err, streams.ErrCancelled) {
			t.Errorf("range gave %v, %v; want ErrCancelled", d, err)
		}
	}
}

func TestWindowIsSharedAndMayChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	a, b := r.queue(streams.Queue{Name: "a"}), r.queue(streams.Queue{Name: "b"})
	r.number(a, 5)
	r.number(b, 5)
	w := window(t, 2)
	var mu sync.Mutex
	var held []*streams.Delivery
	arrived := make(chan struct{}, 10)
	push := func(d *streams.Delivery) {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, d)
		arrived <- struct{}{}
	}
	wait := func(n int) {
		for range n {
			select {
			case <-arrived:
			case <-r.ctx.Done():
				t.Fatal("nothing arrived")
			}
		}
	}
	for _, q := range []string{a, b} {
		r.consume(q, streams.ConsumeOptions{Window: w, Push: push})
	}
	wait(2)
	if w.Used() != 2 {
		t.Errorf("%d used of 2", w.Used())
	}
	must(t, w.Set(5))
	wait(3)
	if w.Used() != 5 {
		t.Errorf("%d used of 5", w.Used())
	}
	must(t, w.Set(0))
	wait(5)
	mu.Lock()
	defer mu.Unlock()
	for _, d := range held {
		must(t, d.Ack())
	}
	if w.Used() != 0 {
		t.Errorf("%d used after all is settled", w.Used())
	}
}

func TestTagsAreUniqueInASession(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	c := r.consume(q, streams.ConsumeOptions{Tag: "me"})
	if _, err := r.Consume(r.ctx, q, streams.ConsumeOptions{Tag: "me"}); !errors.Is(err, streams.ErrNotAllowed) {
		t.Errorf("a tag in use: %v, want 530", err)
	}
	must(t, c.Cancel(r.ctx))
	r.consume(q, streams.ConsumeOptions{Tag: "me"})
}

func TestDeliveriesNameTheirConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 3)
	if d := r.get(q); d.ConsumerTag != "" {
		t.Errorf("a message taken with Get names consumer %q, want none", d.ConsumerTag)
	}
	for _, o := range []streams.ConsumeOptions{{Tag: "named", Prefetch: 1}, {AutoAck: true}} {
		c := r.consume(q, o)
		d := r.take(r.pull(c), 1)[0]
		if d.ConsumerTag != c.Tag() || c.Tag() == "" {
			t.Errorf("the delivery names consumer %q, want %q", d.ConsumerTag, c.Tag())
		}
		must(t, c.Cancel(r.ctx))
	}
}

func TestGetCountsWhatIsBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.exchange("x", streams.Topic)
	r.bind("x", q, "a.#.b") // wider than any filter can say
	r.number(q, 2)
	r.publish("x", "a.b", "3")
	r.publish("x", "a.c", "no")
	r.publish("x", "a.x.b", "4")
	for want := 3; want >= 0; want-- {
		if d := r.get(q); d.MessageCount != want {
			t.Errorf("message %s has %d behind it, want %d", d.Body, d.MessageCount, want)
		}
	}
	if _, ok, err := r.Get(r.ctx, q); ok || err != nil {
		t.Errorf("get from an empty queue: %t, %v", ok, err)
	}
	r.wantCounts(q, 0, 4, 0)
}

func TestPurgeTakesReadyMessagesOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.exchange("x", streams.Fanout)
	r.bind("x", q, "")
	r.number(q, 3)
	r.publish("x", "", "4", "5")
	held := r.get(q)
	n, err := r.PurgeQueue(r.ctx, q)
	if n != 4 || err != nil {
		t.Errorf("purged %d, %v; want 4", n, err)
	}
	r.wantCounts(q, 0, 1, 0)
	must(t, held.Nack(streams.Requeue))
	wantBodies(t, r.drain(q), "1")
}

func TestADeletedExchangeLeavesEachQueueItsMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	a, b := r.queue(streams.Queue{Name: "a"}), r.queue(streams.Queue{Name: "b"})
	r.exchange("x", streams.Topic)
	r.bind("x", a, "#")
	r.bind("x", b, "k.*")
	r.publish("x", "k.1", "1")
	r.publish("x", "k.2", "2")
	must(t, r.DeleteExchange(r.ctx, "x"))
	wantBodies(t, r.drain(a), "1", "2")
	wantBodies(t, r.drain(b), "1", "2")
	r.exchange("x", streams.Fanout)
	r.publish("x", "k.3", "unbound")
	r.wantCounts(a, 0, 0, 0)
	r.bind("x", a, "")
	r.publish("x", "", "bound")
	wantBodies(t, r.drain(a), "bound")
	wantBodies(t, r.drain(b))
}

func TestAHandlerMayTakeLongerThanTheLease(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{Lease: 3 * time.Second})
		r.ctx = context.Background()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 3)
		held := r.take(r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 2})), 2)
		taken := r.get(q)
		time.Sleep(5 * time.Minute) // of the bubble
		r.wantCounts(q, 0, 3, 1)
		for _, d := range append(held, taken) {
			must(t, d.Ack())
		}
		r.wantCounts(q, 0, 0, 1)
	})
}

// TestWhatLapsesComesAgainAfterTheLease: nothing is said of it, and its place in
// the window is free at once.
func TestWhatLapsesComesAgainAfterTheLease(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		const lease = 3 * time.Second
		r := newRig(t, embeddedtest.Connect(t), streams.Config{Lease: lease})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 2)
		next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
		must(t, r.take(next, 1)[0].Lapse())
		start := time.Now()
		second := r.take(next, 1)[0]
		wantBodies(t, bodies([]*streams.Delivery{second}), "2")
		must(t, second.Ack())
		again := r.take(next, 1)[0]
		wantBodies(t, bodies([]*streams.Delivery{again}), "1")
		if got := time.Since(start).Round(10 * time.Millisecond); got != lease {
			t.Errorf("it came again after %v, want %v", got, lease)
		}
		must(t, again.Ack())
		if err := again.Lapse(); !errors.Is(err, streams.ErrPreconditionFailed) {
			t.Errorf("lapse of what was acknowledged: got %v, want 406", err)
		}
	})
}

// TestAVacatedPlaceIsTheNextMessages: a delivery that gives up its place is held as
// before, and is settled once.
func TestAVacatedPlaceIsTheNextMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{})
	r.number(q, 4)
	arrived := make(chan *streams.Delivery, 4)
	w := window(t, 1)
	c := r.consume(q, streams.ConsumeOptions{Window: w, Push: func(d *streams.Delivery) { arrived <- d }})
	first := next(r, arrived)
	first.Vacate()
	first.Vacate()
	second := next(r, arrived)
	r.wantCounts(q, 2, 2, 1)
	if w.Used() != 1 {
		t.Errorf("%d used of 1", w.Used())
	}
	second.Vacate()
	third := next(r, arrived)
	must(t, second.Ack(streams.Multiple))
	first.Vacate()
	wantError(t, "settle again", first.Ack(), streams.ErrPreconditionFailed)
	r.wantCounts(q, 1, 1, 1)
	third.Vacate()
	fourth := next(r, arrived)
	must(t, third.Nack(streams.Requeue))
	must(t, fourth.Ack())
	again := next(r, arrived)
	if !again.Redelivered || string(again.Body) != string(third.Body) {
		t.Errorf("got %q again (redelivered: %v), want %q", again.Body, again.Redelivered, third.Body)
	}
	again.Vacate()
	must(t, c.Cancel(r.ctx))
	must(t, again.Ack())
	if w.Used() != 0 {
		t.Errorf("%d used after all is settled", w.Used())
	}
	r.wantCounts(q, 0, 0, 0)
}
