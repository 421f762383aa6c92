package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkGet takes and acknowledges waiting messages of 128 bytes one at a time, from a
// queue's home, and from a queue that an exchange fills, beside nats.go on the same
// consumer.
func BenchmarkGet(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, from := range []string{"home", "exchange"} {
			b.Run(transport.Name+"/"+from, func(b *testing.B) {
				q := newBenchQueue(b, transport.Connect(b))
				if from == "exchange" {
					q.bind(b)
				}
				embeddedtest.Versus(b, "msg", q.get, q.fetchOne)
			})
		}
	}
}

// bind has the queue filled through an exchange.
func (q *benchQueue) bind(b *testing.B) {
	b.Helper()
	if err := q.s.Bind(b.Context(), streams.Binding{Exchange: "amq.fanout", Queue: "bench"}); err != nil {
		b.Fatal(err)
	}
	q.exchange, q.stream = "amq.fanout", "warren~x~amq=2Efanout"
}

func (q *benchQueue) get(b *testing.B, n int) time.Duration {
	b.Helper()
	q.fill(b, n)
	start := time.Now()
	for range n {
		d, ok, err := q.s.Get(b.Context(), "bench")
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		if err := d.Ack(); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	if _, ok, err := q.s.Get(context.Background(), "bench"); ok || err != nil {
		b.Fatal("something is left", err)
	}
	return took
}

func (q *benchQueue) fetchOne(b *testing.B, n int) time.Duration {
	b.Helper()
	q.fill(b, n)
	consumer := q.consumer(b)
	start := time.Now()
	for got := 0; got < n; {
		batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			b.Fatal(err)
		}
		for msg := range batch.Messages() {
			_ = msg.Ack()
			got++
		}
	}
	took := time.Since(start)
	q.settle(b)
	return took
}
