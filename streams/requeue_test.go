package streams_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// pushed consumes a queue and gives its deliveries as they come.
func (r rig) pushed(q string, o streams.ConsumeOptions) (*streams.Consumer, <-chan *streams.Delivery) {
	r.Helper()
	arrived := make(chan *streams.Delivery, 10_000)
	o.Push = func(d *streams.Delivery) { arrived <- d }
	return r.consume(q, o), arrived
}

// nextOf takes n deliveries.
func nextOf(r rig, arrived <-chan *streams.Delivery, n int) (list []*streams.Delivery) {
	r.Helper()
	for range n {
		list = append(list, next(r, arrived))
	}
	return list
}

// upFrom gives the bodies of messages that are numbered.
func upFrom(from, to int) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// TestRequeue_OldPlace: what is requeued one by one, in any order, comes again in the order
// of the queue.
func TestRequeue_OldPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 6)
	w := window(t, 4)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w})
	held := nextOf(r, arrived, 4)
	w.Flow(false)
	for _, i := range []int{3, 2, 0, 1} {
		must(t, held[i].Nack(streams.Requeue))
	}
	r.wantCounts(q, 6, 0, 1)
	w.Flow(true)
	again := nextOf(r, arrived, 4)
	wantBodies(t, bodies(again), upFrom(1, 4)...)
	for _, d := range again {
		if !d.Redelivered || d.DeliveryCount != 1 {
			t.Errorf("message %s: redelivered %t, count %d; want true, 1", d.Body, d.Redelivered, d.DeliveryCount)
		}
		must(t, d.Ack())
	}
	for _, d := range nextOf(r, arrived, 2) {
		if d.Redelivered {
			t.Errorf("message %s is marked as redelivered", d.Body)
		}
	}
}

// TestRequeue_OldPlaceOverSources: a home and an exchange have one order in it.
func TestRequeue_OldPlaceOverSources(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.exchange("x", streams.Fanout)
	r.bind("x", q, "")
	for n := range 3 {
		r.publish("x", "", strconv.Itoa(2*n+1))
		r.publish("", q, strconv.Itoa(2*n+2))
	}
	w := window(t, 6)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w})
	held := nextOf(r, arrived, 6)
	w.Flow(false)
	for _, d := range slices.Backward(held) {
		must(t, d.Nack(streams.Requeue))
	}
	w.Flow(true)
	wantBodies(t, bodies(nextOf(r, arrived, 6)), upFrom(1, 6)...)
}

// twoOf gives a node's session, and the same one again, or another one of the node.
func twoOf(t *testing.T, same bool) (one, two rig) {
	t.Helper()
	n := openNode(t, embeddedtest.Connect(t), streams.Config{})
	one = on(t, n, streams.SessionOptions{})
	if same {
		return one, one
	}
	return one, on(t, n, streams.SessionOptions{})
}

// TestRequeue_OldPlaceOfTwoConsumers: what two of a node held is in its old place, whoever of
// them is closed first.
func TestRequeue_OldPlaceOfTwoConsumers(t *testing.T) {
	t.Parallel()
	for _, same := range []bool{true, false} {
		r, other := twoOf(t, same)
		q := r.queue(streams.Queue{Name: "q"})
		r.number(q, 3)
		first, arrived := r.pushed(q, streams.ConsumeOptions{Prefetch: 3})
		wantBodies(t, bodies(nextOf(r, arrived, 3)), upFrom(1, 3)...)
		second, others := other.pushed(q, streams.ConsumeOptions{Prefetch: 3})
		r.publish("", q, "4", "5", "6")
		wantBodies(t, bodies(nextOf(r, others, 3)), upFrom(4, 6)...)
		must(t, second.Close(r.ctx))
		r.wantCounts(q, 3, 3, 1)
		must(t, first.Close(r.ctx))
		r.wantCounts(q, 6, 0, 0)
		wantBodies(t, r.drain(q), upFrom(1, 6)...)
	}
}

// TestRequeue_OldPlaceInAnotherSession: what one session requeues, another session of its node
// gets from its old place, before what is behind it.
func TestRequeue_OldPlaceInAnotherSession(t *testing.T) {
	t.Parallel()
	r, other := twoOf(t, false)
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 6)
	first, arrived := r.pushed(q, streams.ConsumeOptions{Prefetch: 4})
	held := nextOf(r, arrived, 4)
	w := window(t, 6)
	w.Flow(false)
	_, others := other.pushed(q, streams.ConsumeOptions{Window: w})
	must(t, first.Cancel(r.ctx))
	for _, i := range []int{3, 0, 2, 1} {
		must(t, held[i].Nack(streams.Requeue))
	}
	w.Flow(true)
	wantBodies(t, bodies(nextOf(r, others, 6)), upFrom(1, 6)...)
	r.wantCounts(q, 0, 6, 1)
}

// TestRequeue_OldPlaceAfterClose: what a session held goes back in order, whoever held it.
func TestRequeue_OldPlaceAfterClose(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 6)
	for n := range 3 {
		_, arrived := other.pushed(q, streams.ConsumeOptions{Prefetch: 1})
		wantBodies(t, bodies(nextOf(r, arrived, 1)), strconv.Itoa(n+1))
	}
	wantBodies(t, bodies([]*streams.Delivery{other.get(q)}), "4")
	must(t, other.Close(r.ctx))
	wantBodies(t, r.drain(q), upFrom(1, 6)...)
}

// TestRequeue_GoesToTheOther: of two consumers of a session the other one is next.
func TestRequeue_GoesToTheOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	_, first := r.pushed(q, streams.ConsumeOptions{Prefetch: 1})
	_, second := r.pushed(q, streams.ConsumeOptions{Prefetch: 1})
	r.publish("", q, "1")
	for range 3 {
		must(t, next(r, first).Nack(streams.Requeue))
		must(t, next(r, second).Nack(streams.Requeue))
	}
}

// TestRequeue_ReachesAnotherSession: a message that a session's only consumer does not want
// comes to that of another session.
func TestRequeue_ReachesAnotherSession(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(d *streams.Delivery) {
		if err := d.Nack(streams.Requeue); err != nil {
			t.Error(err)
		}
	}})
	r.publish("", q, "1")
	_, arrived := other.pushed(q, streams.ConsumeOptions{Prefetch: 1})
	if d := next(r, arrived); !d.Redelivered {
		t.Error("the message is not marked as redelivered")
	}
}

// TestRequeue_WaitsForNobody: what a session can give to none of its consumers goes to
// another session as soon as that one begins, whether it is of the same node or not.
func TestRequeue_WaitsForNobody(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	n := openNode(t, nc, streams.Config{})
	for name, other := range map[string]rig{"node": on(t, n, streams.SessionOptions{}), "other": newRig(t, nc, streams.Config{})} {
		r := on(t, n, streams.SessionOptions{})
		q := r.queue(streams.Queue{Name: name})
		r.number(q, 3)
		w := window(t, 3)
		_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w})
		held := nextOf(r, arrived, 3)
		w.Flow(false)
		for _, d := range slices.Backward(held) {
			must(t, d.Nack(streams.Requeue))
		}
		r.wantCounts(q, 3, 0, 1)
		other.wantCounts(q, 3, 0, 1)
		_, others := other.pushed(q, streams.ConsumeOptions{})
		wantBodies(t, bodies(nextOf(r, others, 3)), upFrom(1, 3)...)
	}
}

// TestRequeue_GetTakesItFirst, and a purge drops it.
func TestRequeue_GetTakesItFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 4)
	w := window(t, 3)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w})
	held := nextOf(r, arrived, 3)
	w.Flow(false)
	for _, d := range slices.Backward(held) {
		must(t, d.Nack(streams.Requeue))
	}
	d := r.get(q)
	if string(d.Body) != "1" || !d.Redelivered || d.MessageCount != 3 {
		t.Errorf("got %s, redelivered %t, before %d others", d.Body, d.Redelivered, d.MessageCount)
	}
	r.wantCounts(q, 3, 1, 1)
	must(t, d.Nack(streams.Requeue))
	wantBodies(t, bodies([]*streams.Delivery{r.get(q)}), "1")
	n, err := r.PurgeQueue(r.ctx, q)
	must(t, err)
	if n != 3 {
		t.Errorf("purged %d messages, want 3", n)
	}
	r.wantCounts(q, 0, 1, 1)
}

// TestRedelivered_NotUnlessShown: what was sent to a session and shown to nobody is not
// marked.
func TestRedelivered_NotUnlessShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 6)
	first := r.consume(q, streams.ConsumeOptions{Prefetch: 3})
	r.take(r.pull(first), 1)
	r.untilCounts(q, 3, 3, 1)
	w := window(t, 10)
	w.Flow(false)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w})
	must(t, first.Cancel(r.ctx)) // which nobody had shown 2 and 3
	w.Flow(true)
	for i, d := range nextOf(r, arrived, 5) {
		if string(d.Body) != strconv.Itoa(i+2) || d.Redelivered || d.DeliveryCount != 0 {
			t.Errorf("got %s, redelivered %t, count %d; want %d, false, 0", d.Body, d.Redelivered, d.DeliveryCount, i+2)
		}
	}
}

// TestTurns_Burst: of a burst two consumers of a node that have room get each the next.
func TestTurns_Burst(t *testing.T) {
	t.Parallel()
	const messages = 100
	for _, prefetch := range []int{1, 10, 100} {
		for what := range 4 {
			bound, same := what%2 == 1, what < 2
			t.Run(fmt.Sprintf("prefetch=%d/bound=%t/one_session=%t", prefetch, bound, same), func(t *testing.T) {
				t.Parallel()
				r, other := twoOf(t, same)
				q, exchange := r.queue(streams.Queue{Name: "q"}), ""
				if bound {
					exchange = "amq.fanout"
					r.bind(exchange, q, "")
				}
				turns := make(chan int, messages)
				for i, r := range []rig{r, other} {
					r.consume(q, streams.ConsumeOptions{Prefetch: prefetch, Push: func(d *streams.Delivery) {
						turns <- i
						if err := d.Ack(); err != nil {
							t.Error(err)
						}
					}})
				}
				ms := make([]streams.Message, messages)
				must(t, r.PublishAll(r.ctx, exchange, q, ms))
				last := -1
				for n := range messages {
					i := <-turns
					if i == last {
						t.Fatalf("message %d went to consumer %d, as the one before", n, i)
					}
					last = i
				}
			})
		}
	}
}

// TestTurns_TheFirstIsFirst: who has begun first has the first turn, whoever was there before.
func TestTurns_TheFirstIsFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 2)
	must(t, r.get(q).Ack()) // the session uses the queue from now on
	before, arrived := r.pushed(q, streams.ConsumeOptions{})
	must(t, next(r, arrived).Ack())
	must(t, before.Cancel(r.ctx))
	_, first := r.pushed(q, streams.ConsumeOptions{})
	_, second := r.pushed(q, streams.ConsumeOptions{})
	r.number(q, 1)
	wantBodies(t, bodies(nextOf(r, first, 1)), "1")
	_, third := r.pushed(q, streams.ConsumeOptions{})
	r.publish("", q, "2", "3", "4")
	wantBodies(t, bodies(nextOf(r, first, 1)), "3")
	wantBodies(t, bodies(nextOf(r, second, 1)), "2")
	wantBodies(t, bodies(nextOf(r, third, 1)), "4")
}

// TestWindow_FlowStopsNoAck: the flow of a window stops also who acknowledges nothing.
func TestWindow_FlowStopsNoAck(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	w := window(t, 0)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Window: w, AutoAck: true})
	r.publish("", q, "1")
	next(r, arrived)
	w.Flow(false)
	r.publish("", q, "2", "3")
	r.untilCounts(q, 2, 0, 1)
	wantBodies(t, bodies([]*streams.Delivery{r.get(q)}), "2")
	if len(arrived) != 0 {
		t.Errorf("%d messages came while the flow was stopped", len(arrived))
	}
	w.Flow(true)
	wantBodies(t, bodies(nextOf(r, arrived, 1)), "3")
}

// TestClose_AllIsBackBeforeTheNext: what a consumer held comes before what waits behind it.
func TestClose_AllIsBackBeforeTheNext(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 50)
	first := r.consume(q, streams.ConsumeOptions{Prefetch: 30})
	r.take(r.pull(first), 10)
	r.untilCounts(q, 20, 30, 1)
	_, arrived := r.pushed(q, streams.ConsumeOptions{Prefetch: 10})
	wantBodies(t, bodies(nextOf(r, arrived, 10)), upFrom(31, 40)...)
	must(t, first.Close(r.ctx))
	r.wantCounts(q, 40, 10, 1)
	w := window(t, 0)
	_, rest := r.pushed(q, streams.ConsumeOptions{Window: w})
	got := nextOf(r, rest, 40)
	wantBodies(t, bodies(got), append(upFrom(1, 30), upFrom(41, 50)...)...)
	for i, d := range got {
		if d.Redelivered != (i < 10) {
			t.Errorf("message %s: redelivered %t", d.Body, d.Redelivered)
		}
	}
}

// TestWindow_AsksForManyAtOnce: a window that consumers share costs no request a message,
// whether they are of one queue or of several.
func TestWindow_AsksForManyAtOnce(t *testing.T) {
	t.Parallel()
	const messages, prefetch, consumers = 1000, 100, 4
	for _, queues := range []int{1, 2} {
		nc := embeddedtest.Connect(t)
		r := newRig(t, nc, streams.Config{})
		for q := range queues {
			name := r.queue(streams.Queue{Name: strconv.Itoa(q)})
			must(t, r.PublishAll(r.ctx, "", name, make([]streams.Message, messages)))
		}
		w := window(t, prefetch)
		var seen atomic.Int64
		done := make(chan struct{})
		asked := requests(t, nc, func() {
			for i := range consumers {
				r.consume(strconv.Itoa(i%queues), streams.ConsumeOptions{Window: w, Push: func(d *streams.Delivery) {
					if err := d.Ack(); err != nil {
						t.Error(err)
					}
					if seen.Add(1) == int64(queues*messages) {
						close(done)
					}
				}})
			}
			<-done
		})
		pulls := slices.DeleteFunc(asked, func(request string) bool { return !strings.HasPrefix(request, "CONSUMER.MSG.NEXT") })
		if most := queues * messages / 4; len(pulls) > most {
			t.Errorf("%d queues: %d requests for %d messages, want at most %d", queues, len(pulls), queues*messages, most)
		}
	}
}

// TestRequeue_Many: thousands that go back at once, some of them before others that wait,
// take no time to speak of and keep their order.
func TestRequeue_Many(t *testing.T) {
	t.Parallel()
	const messages = 6000
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	ms := make([]streams.Message, messages)
	for i := range ms {
		ms[i].Body = []byte(strconv.Itoa(i))
	}
	for i := 0; i < messages; i += 1000 {
		must(t, r.PublishAll(r.ctx, "", q, ms[i:i+1000]))
	}
	first, arrived := r.pushed(q, streams.ConsumeOptions{Prefetch: messages / 2})
	nextOf(r, arrived, messages/2)
	second := r.consume(q, streams.ConsumeOptions{Prefetch: messages / 2})
	r.take(r.pull(second), 1)
	r.untilCounts(q, 0, messages, 2)
	w := window(t, 0)
	w.Flow(false)
	_, again := r.pushed(q, streams.ConsumeOptions{Window: w})
	must(t, second.Close(r.ctx))
	must(t, first.Close(r.ctx))
	r.wantCounts(q, messages, 0, 1)
	w.Flow(true)
	for i := range messages {
		if d := next(r, again); string(d.Body) != strconv.Itoa(i) {
			t.Fatalf("got %s at place %d", d.Body, i)
		}
	}
}

// TestCancel_WithoutAckAndUnseen: messages of a consumer with AutoAck that nobody has
// received go with it.
func TestCancel_WithoutAckAndUnseen(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	c := r.consume(q, streams.ConsumeOptions{AutoAck: true})
	r.number(q, 5)
	r.untilCounts(q, 0, 0, 1)
	must(t, c.Cancel(r.ctx))
	r.wantCounts(q, 0, 0, 0)
}
