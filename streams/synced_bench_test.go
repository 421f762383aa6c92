package streams_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// syncedTransports are ways to a broker that syncs every message to disk before it
// confirms it.
func syncedTransports() []embeddedtest.Transport {
	always := embedded.Config{SyncAlways: true}
	return []embeddedtest.Transport{
		{Name: "inproc", Connect: func(tb testing.TB) *nats.Conn {
			tb.Helper()
			return embeddedtest.Start(tb, always).Connect(tb)
		}},
		{Name: "tcp", Connect: func(tb testing.TB) *nats.Conn {
			tb.Helper()
			return embeddedtest.Process(tb, always).Connect(tb)
		}},
	}
}

// BenchmarkPublishSynced is BenchmarkPublish where the broker syncs every message to
// disk before it confirms it, beside nats.go publishing one by one, and beside atomic
// batches as large as the window, one after the other.
func BenchmarkPublishSynced(b *testing.B) {
	for _, transport := range syncedTransports() {
		for _, window := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/128B/window=%d", transport.Name, window), func(b *testing.B) {
				benchPublish(b, transport.Connect(b), 128, window)
			})
			if window == 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s/128B/window=%d/batches", transport.Name, window), func(b *testing.B) {
				q := newBenchQueue(b, transport.Connect(b))
				body := make([]byte, 128)
				embeddedtest.Versus(b, "msg", q.publishWindow(body, window), q.rawPublishBatches(body, window))
			})
		}
	}
}

// BenchmarkPublishTogether publishes to such a broker in many goroutines of one session,
// each of which waits for its confirm, beside one that does.
func BenchmarkPublishTogether(b *testing.B) {
	for _, transport := range syncedTransports() {
		for _, publishers := range []int{16, 100} {
			b.Run(fmt.Sprintf("%s/128B/publishers=%d", transport.Name, publishers), func(b *testing.B) {
				q := newBenchQueue(b, transport.Connect(b))
				body := make([]byte, 128)
				embeddedtest.Versus(b, "msg", q.publishTogether(body, publishers), q.publish(body))
			})
		}
	}
}

// publishTogether publishes in that many goroutines, each of which waits for its confirm.
func (q *benchQueue) publishTogether(body []byte, publishers int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		ctx := context.Background()
		var group sync.WaitGroup
		start := time.Now()
		for i := range publishers {
			group.Go(func() {
				for sent := i; sent < n; sent += publishers {
					if err := q.s.Publish(ctx, "", "bench", streams.Message{Body: body}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		return time.Since(start)
	}
}
