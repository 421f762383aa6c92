package streams_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkPublish publishes confirmed messages to a durable queue, one by one
// and with a window, beside nats.go publishing to the same stream.
func BenchmarkPublish(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, size := range []int{128, 1024} {
			for _, window := range []int{1, 16, 256, 1000} {
				b.Run(fmt.Sprintf("%s/%dB/window=%d", transport.Name, size, window), func(b *testing.B) {
					benchPublish(b, transport.Connect(b), size, window)
				})
			}
		}
	}
}

func benchPublish(b *testing.B, nc *nats.Conn, size, window int) {
	b.Helper()
	q := newBenchQueue(b, nc)
	body := make([]byte, size)
	if window == 1 {
		embeddedtest.Versus(b, "msg", q.publish(body), q.rawPublish(body))
		return
	}
	embeddedtest.Versus(b, "msg", q.publishWindow(body, window), q.rawPublishWindow(b, body, window))
}

func (q *benchQueue) empty(b *testing.B) {
	b.Helper()
	stream, err := q.js.Stream(b.Context(), q.stream)
	if err == nil {
		err = stream.Purge(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
}

func (q *benchQueue) publish(body []byte) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		ctx := context.Background()
		start := time.Now()
		for range n {
			if err := q.s.Publish(ctx, "", "bench", streams.Message{Body: body}); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
}

func (q *benchQueue) rawPublish(body []byte) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		ctx := context.Background()
		start := time.Now()
		for range n {
			if _, err := q.js.Publish(ctx, "warren.q.bench", body); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
}

func (q *benchQueue) publishWindow(body []byte, window int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		p, err := q.s.Publisher(streams.PublisherOptions{Window: window})
		if err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		start := time.Now()
		for range n {
			if _, err := p.Publish(ctx, "", "bench", streams.Message{Body: body}); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Flush(ctx); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
}

func (q *benchQueue) rawPublishWindow(b *testing.B, body []byte, window int) embeddedtest.Contender {
	b.Helper()
	js := rawPublisher(b, q.nc, window)
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		start := time.Now()
		for range n {
			if _, err := js.PublishAsync("warren.q.bench", body, jetstream.WithStallWait(30*time.Second)); err != nil {
				b.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
		return time.Since(start)
	}
}

// rawPublisher is nats.go's publisher with that window. It ends with its connection:
// a JetStream.CleanupPublisher right after a first publish can leave a goroutine.
func rawPublisher(b *testing.B, nc *nats.Conn, window int) jetstream.JetStream {
	b.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		b.Fatal(err)
	}
	return js
}

func (q *benchQueue) rawPublishBatches(body []byte, size int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		q.empty(b)
		start := time.Now()
		for sent := 0; sent < n; sent += size {
			q.rawPublishBatch(b, body, min(size, n-sent))
		}
		return time.Since(start)
	}
}

func (q *benchQueue) rawPublishBatch(b *testing.B, body []byte, size int) {
	b.Helper()
	id := []string{nats.NewInbox()}
	for i := 1; i <= size; i++ {
		msg := &nats.Msg{Subject: "warren.q.bench", Data: body, Header: nats.Header{
			"Nats-Batch-Id": id, "Nats-Batch-Sequence": []string{strconv.Itoa(i)},
		}}
		if i < size {
			if err := q.nc.PublishMsg(msg); err != nil {
				b.Fatal(err)
			}
			continue
		}
		msg.Header.Set("Nats-Batch-Commit", "1")
		answer, err := q.nc.RequestMsg(msg, 30*time.Second)
		if err != nil || strings.Contains(string(answer.Data), "error") {
			b.Fatalf("batch: %v", err)
		}
	}
}
