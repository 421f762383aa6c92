package streams_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

var prefetches = []int{1, 2, 3, 4, 8, 16, 64, 256, 1000}

// BenchmarkConsume consumes and acknowledges a queue of waiting messages of
// 128 bytes, file storage, beside the three ways nats.go has.
func BenchmarkConsume(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, prefetch := range prefetches {
			b.Run(fmt.Sprintf("%s/prefetch=%d", transport.Name, prefetch), func(b *testing.B) {
				benchConsume(b, transport.Connect(b), prefetch)
			})
		}
	}
}

// BenchmarkBacklog is BenchmarkConsume with 100,000 messages waiting.
func BenchmarkBacklog(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, prefetch := range []int{1, 2, 64} {
			b.Run(fmt.Sprintf("%s/prefetch=%d", transport.Name, prefetch), func(b *testing.B) {
				// A embeddedtest.Contender takes some more than it is asked to before it stops.
				benchBacklog(b, transport.Connect(b), prefetch, min(100_000, 10*b.N+1000))
			})
		}
	}
}

func benchConsume(b *testing.B, nc *nats.Conn, prefetch int) {
	b.Helper()
	q := newBenchQueue(b, nc)
	embeddedtest.Versus(b, "msg", q.ours(prefetch), q.bounded(prefetch, q.consume), q.bounded(prefetch, q.messages), q.fetch(prefetch))
}

func benchBacklog(b *testing.B, nc *nats.Conn, prefetch, backlog int) {
	b.Helper()
	q := newBenchQueue(b, nc)
	q.fill(b, backlog)
	q.keep = true
	embeddedtest.Versus(b, "msg", q.ours(prefetch), q.consume(prefetch))
}

// benchQueue is one durable queue that all contenders drain in turn.
type benchQueue struct {
	s      *streams.Session
	nc     *nats.Conn
	js     jetstream.JetStream
	keep   bool // it is filled already
	stream string
	// exchange is what it is filled through.
	exchange string
}

func newBenchQueue(b *testing.B, nc *nats.Conn) *benchQueue {
	b.Helper()
	return newBenchQueueOf(b, nc, streams.Queue{Name: "bench", Durable: true})
}

func newBenchQueueOf(b *testing.B, nc *nats.Conn, queue streams.Queue) *benchQueue {
	b.Helper()
	// What one contender was sent and left, when it stopped, the next one waits
	// for: no longer than this.
	s, err := streams.Open(b.Context(), nc, streams.Config{Lease: 500 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	if _, err := s.DeclareQueue(b.Context(), queue); err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	return &benchQueue{s: s, nc: nc, js: js, stream: "warren~q~bench"}
}

func (q *benchQueue) fill(b *testing.B, n int) {
	b.Helper()
	if q.keep {
		return
	}
	p, err := q.s.Publisher(streams.PublisherOptions{Window: 1000})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 128)
	for range n {
		if _, err := p.Publish(b.Context(), q.exchange, "bench", streams.Message{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (q *benchQueue) ours(prefetch int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.fill(b, n)
		ctx, cancel := context.WithCancel(b.Context())
		c, err := q.s.Consume(ctx, "bench", streams.ConsumeOptions{Prefetch: prefetch})
		if err != nil {
			b.Fatal(err)
		}
		var m meter
		err = c.Run(ctx, func(d *streams.Delivery) {
			if err := d.Ack(); err != nil {
				b.Error(err)
			}
			if m.count() == n {
				cancel()
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		return m.took
	}
}

func (q *benchQueue) consumer(b *testing.B) jetstream.Consumer {
	b.Helper()
	consumer, err := q.js.Consumer(b.Context(), q.stream, "bench")
	if err != nil {
		b.Fatal(err)
	}
	return consumer
}

// bounded gives a way of nats.go the bound a prefetch is: PullMaxMessages(N) alone
// bounds what is buffered, and has more than N unacknowledged.
func (q *benchQueue) bounded(prefetch int, way func(int) embeddedtest.Contender) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.limit(b, prefetch)
		defer q.limit(b, -1)
		return way(prefetch)(b, n)
	}
}

func (q *benchQueue) limit(b *testing.B, unacknowledged int) {
	b.Helper()
	config := q.consumer(b).CachedInfo().Config
	config.MaxAckPending = unacknowledged
	if _, err := q.js.UpdateConsumer(b.Context(), q.stream, config); err != nil {
		b.Fatal(err)
	}
}

func (q *benchQueue) consume(prefetch int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.fill(b, n)
		var m meter
		done := make(chan time.Duration, 1)
		cc, err := q.consumer(b).Consume(func(msg jetstream.Msg) {
			_ = msg.Ack()
			if m.count() == n {
				done <- m.took
			}
		}, jetstream.PullMaxMessages(prefetch), jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(500*time.Millisecond))
		if err != nil {
			b.Fatal(err)
		}
		took := <-done
		cc.Stop()
		<-cc.Closed()
		q.settle(b)
		return took
	}
}

func (q *benchQueue) messages(prefetch int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.fill(b, n)
		var m meter
		it, err := q.consumer(b).Messages(jetstream.PullMaxMessages(prefetch), jetstream.PullExpiry(2*time.Second),
			jetstream.PullHeartbeat(500*time.Millisecond), jetstream.WithMessagesErrOnMissingHeartbeat(false))
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			msg, err := it.Next()
			if err != nil {
				b.Fatal(err)
			}
			_ = msg.Ack()
			m.count()
		}
		it.Stop()
		q.settle(b)
		return m.took
	}
}

func (q *benchQueue) fetch(prefetch int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.fill(b, n)
		var m meter
		consumer := q.consumer(b)
		for m.seen < n {
			batch, err := consumer.Fetch(min(prefetch, n-m.seen), jetstream.FetchMaxWait(2*time.Second))
			if err != nil {
				b.Fatal(err)
			}
			for msg := range batch.Messages() {
				_ = msg.Ack()
				m.count()
			}
		}
		q.settle(b)
		return m.took
	}
}

// meter times messages from the first one on: what it takes to become a consumer
// is none of theirs.
type meter struct {
	seen  int
	start time.Time
	took  time.Duration
}

func (m *meter) count() int {
	if m.seen++; m.seen == 1 {
		m.start = time.Now()
	}
	m.took = time.Since(m.start)
	return m.seen
}

// settle waits until what was acknowledged is settled, before the next one
// counts.
func (q *benchQueue) settle(b *testing.B) {
	b.Helper()
	if err := q.nc.Flush(); err != nil {
		b.Fatal(err)
	}
}
