package streams_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// Consumers that all have room take strict turns, and go on to when their first
// requests are used up. The bubble waits until everybody has asked again.
func TestConsumersTakeTurns(t *testing.T) {
	for _, o := range []streams.ConsumeOptions{
		{AutoAck: true}, {}, {Prefetch: 1}, {Prefetch: 2}, {Prefetch: 3}, {Prefetch: 10},
	} {
		for _, through := range []string{"home", "exchange"} {
			t.Run(fmt.Sprintf("auto_ack=%t,prefetch=%d,%s", o.AutoAck, o.Prefetch, through), func(t *testing.T) {
				embeddedtest.Bubble(t, func(t *testing.T) { takeTurns(t, o, through == "exchange") })
			})
		}
	}
}

func takeTurns(t *testing.T, o streams.ConsumeOptions, bound bool) {
	t.Helper()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.ctx = t.Context()
	q, exchange := r.queue(streams.Queue{Name: "q"}), ""
	if bound {
		exchange = "amq.fanout"
		r.bind(exchange, q, "")
	}
	const consumers, messages = 3, 1700
	turns := make(chan int, messages)
	for i := range consumers {
		turnsOf(newRig(t, nc, streams.Config{}), q, o, func() { turns <- i })
		synctest.Wait()
	}
	for n := range messages {
		r.publish(exchange, q, "")
		synctest.Wait()
		if got := <-turns; got != n%consumers {
			t.Fatalf("message %d went to consumer %d, want %d", n, got, n%consumers)
		}
	}
}

// turnsOf consumes in a session of its own, and tells of each message.
func turnsOf(r rig, q string, o streams.ConsumeOptions, took func()) {
	r.Helper()
	o.Push = func(d *streams.Delivery) {
		if !o.AutoAck {
			if err := d.Ack(); err != nil {
				r.Error(err)
			}
		}
		took()
	}
	r.consume(q, o)
}

// A handler may keep what it is given until it has as many as the prefetch
// allows: they come without delay.
func TestAWindowIsFilledAtOnce(t *testing.T) {
	for _, through := range []string{"home", "exchange"} {
		t.Run(through, func(t *testing.T) {
			embeddedtest.Bubble(t, func(t *testing.T) { fillWindow(t, embeddedtest.Connect(t), through == "exchange") })
		})
	}
}

func fillWindow(t *testing.T, nc *nats.Conn, bound bool) {
	t.Helper()
	r := newRig(t, nc, streams.Config{})
	r.ctx = t.Context()
	q, exchange := r.queue(streams.Queue{Name: "q"}), ""
	if bound {
		exchange = "amq.fanout"
		r.bind(exchange, q, "")
	}
	const prefetch = 10
	for range 70 {
		r.publish(exchange, q, "")
	}
	start := time.Now()
	next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: prefetch}))
	held := r.take(next, prefetch)
	for settled := 1; settled <= prefetch; settled++ {
		for _, d := range held[:settled] {
			must(t, d.Ack())
		}
		held = append(held[settled:], r.take(next, settled)...)
	}
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Errorf("filling the window ten times took %v, want no time to speak of", took)
	}
	must(t, held[prefetch-1].Ack(streams.Multiple))
}
