package streams_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkPublishAt publishes messages for later with a window, beside publishing
// them for now to the same queue.
func BenchmarkPublishAt(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, window := range []int{16, 256, 1000} {
			b.Run(fmt.Sprintf("%s/window=%d", transport.Name, window), func(b *testing.B) {
				q := newBenchQueueOf(b, transport.Connect(b), streams.Queue{Name: "bench", Durable: true, Schedules: true})
				body := make([]byte, 128)
				embeddedtest.Versus(b, "msg", q.publishAtWindow(body, window), q.publishWindow(body, window))
			})
		}
	}
}

func (q *benchQueue) publishAtWindow(body []byte, window int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		p, err := q.s.Publisher(streams.PublisherOptions{Window: window})
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		at := time.Now().Add(time.Hour)
		start := time.Now()
		for i := range n {
			if _, err := p.PublishAt(ctx, at, "bench", strconv.Itoa(i), streams.Message{Body: body}); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Flush(ctx); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
}

// BenchmarkConsumeSchedules consumes a queue with schedules, while so many wait,
// beside one without.
func BenchmarkConsumeSchedules(b *testing.B) {
	for _, prefetch := range []int{1, 16, 64, 256} {
		for _, waiting := range []int{0, 100_000} {
			b.Run(fmt.Sprintf("prefetch=%d/waiting=%d", prefetch, waiting), func(b *testing.B) {
				nc := embeddedtest.Transports[0].Connect(b)
				q := newBenchQueueOf(b, nc, streams.Queue{Name: "bench", Durable: true, Schedules: true})
				q.publishAtWindow(make([]byte, 128), 1000)(b, waiting)
				plain := newBenchQueue(b, embeddedtest.Transports[0].Connect(b))
				embeddedtest.Versus(b, "msg", q.ours(prefetch), plain.ours(prefetch))
			})
		}
	}
}
