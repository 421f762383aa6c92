package streams_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkLatency publishes 1000 messages of 128 bytes a second, at fixed
// times whatever the broker does, and reports the time from when a message was
// due until its handler ran, beside nats.go on the same queue. A message that
// could not be sent in time counts as late.
func BenchmarkLatency(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		b.Run(transport.Name, func(b *testing.B) {
			q := newBenchQueue(b, transport.Connect(b))
			ours := q.latency(b, b.N)
			raw := q.rawLatency(b, b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.at(50), "p50-µs")
			b.ReportMetric(ours.at(99), "p99-µs")
			b.ReportMetric(raw.at(50), "raw-p50-µs")
			b.ReportMetric(raw.at(99), "raw-p99-µs")
		})
	}
}

type latencies []time.Duration

// at is a percentile in microseconds.
func (l latencies) at(percentile int) float64 {
	sorted := slices.Sorted(slices.Values(l))
	return float64(sorted[(len(sorted)-1)*percentile/100]) / float64(time.Microsecond)
}

// pace calls send n times, a millisecond apart, with the time it was due.
func pace(n int, send func(due time.Duration)) {
	start := time.Now()
	for i := range n {
		due := time.Duration(i) * time.Millisecond
		time.Sleep(due - time.Since(start))
		send(due)
	}
}

func stamp(due time.Duration) []byte {
	body := make([]byte, 128)
	binary.BigEndian.PutUint64(body, uint64(due))
	return body
}

func age(start time.Time, body []byte) time.Duration {
	return time.Since(start) - time.Duration(binary.BigEndian.Uint64(body))
}

func (q *benchQueue) latency(b *testing.B, n int) latencies {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := q.s.Consume(ctx, "bench", streams.ConsumeOptions{Prefetch: 100})
	if err != nil {
		b.Fatal(err)
	}
	p, err := q.s.Publisher(streams.PublisherOptions{Window: 1000})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	go pace(n, func(due time.Duration) {
		if _, err := p.Publish(ctx, "", "bench", streams.Message{Body: stamp(due)}); err != nil {
			b.Error(err)
		}
	})
	var seen latencies
	err = c.Run(ctx, func(d *streams.Delivery) {
		seen = append(seen, age(start, d.Body))
		if err := d.Ack(); err != nil {
			b.Error(err)
		}
		if len(seen) == n {
			cancel()
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return seen
}

func (q *benchQueue) rawLatency(b *testing.B, n int) latencies {
	b.Helper()
	start := time.Now()
	var seen latencies
	done := make(chan struct{})
	cc, err := q.consumer(b).Consume(func(m jetstream.Msg) {
		seen = append(seen, age(start, m.Data()))
		_ = m.Ack()
		if len(seen) == n {
			close(done)
		}
	}, jetstream.PullMaxMessages(100))
	if err != nil {
		b.Fatal(err)
	}
	go pace(n, func(due time.Duration) {
		if _, err := q.js.PublishAsync("warren.q.bench", stamp(due)); err != nil {
			b.Error(err)
		}
	})
	<-done
	cc.Stop()
	<-cc.Closed()
	return seen
}
