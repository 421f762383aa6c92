package streams_test

import (
	"strings"
	"sync"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestExplain_Deliveries: each delivery says which message of which stream it is, and each
// verdict where it is published.
func TestExplain_Deliveries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	r := newRig(t, embeddedtest.Connect(t), streams.Config{Explain: func(step streams.Step) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, step.AMQP+": "+strings.Join(step.NATS, "; "))
	}})
	// wantTold checks what was told since the last time, in its order.
	wantTold := func(wants ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		list := told
		told = nil
		all := list
		for _, want := range wants {
			for len(list) > 0 && !strings.HasPrefix(list[0], want) {
				list = list[1:]
			}
			if len(list) == 0 {
				t.Fatalf("nothing more says %q of\n%s", want, strings.Join(all, "\n"))
			}
			list = list[1:]
		}
	}
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 3)
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 2})
	next := r.pull(c)
	held := r.take(next, 2)
	wantTold("basic.consume queue=q prefetch=2 ack=manual: pull requests to consumer q on stream warren~q~q; while a message is held, +WPI",
		"basic.deliver queue=q delivery_tag=1 redelivered=false: message 1 of stream warren~q~q, from consumer q, delivery 1 of it",
		"basic.deliver queue=q delivery_tag=2 redelivered=false: message 2 of stream warren~q~q")
	must(t, held[0].Ack())
	must(t, held[1].Nack(streams.Requeue))
	again := r.take(next, 2)
	must(t, again[0].Reject())
	must(t, c.Close(r.ctx))
	wantTold("basic.ack delivery_tag=1 multiple=false: publish +ACK to $JS.ACK.warren~q~q.q.1.1.",
		"basic.nack delivery_tag=2 multiple=false requeue=true: publish -NAK to $JS.ACK.warren~q~q.q.1.2.",
		"basic.nack delivery_tag=", // of the rejected one
		"basic.nack delivery_tag=4 multiple=true requeue=true: publish -NAK to $JS.ACK.warren~q~q.q.")
	r.drain(q)
	wantTold("basic.get queue=q delivery_tag=1 redelivered=true: message ", "basic.ack delivery_tag=1 multiple=false: publish +ACK")
	r.number(q, 1)
	r.take(r.pull(r.consume(q, streams.ConsumeOptions{AutoAck: true})), 1)
	wantTold("basic.consume queue=q prefetch=0 ack=automatic: pull requests",
		"basic.deliver queue=q delivery_tag=1 redelivered=false: message 4 of stream warren~q~q, from consumer q, delivery 1 of it; publish +ACK to $JS.ACK.")
}
