package streams_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkRestart kills a broker under publishers and consumers, each with a session
// of its own, and reports how long after its port was open again the last of them
// went on.
func BenchmarkRestart(b *testing.B) {
	const pairs = 3
	server := embeddedtest.Process(b, embedded.Config{})
	ctx, cancel := context.WithCancel(b.Context())
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer cancel()
	published, received := make([]mark, pairs), make([]mark, pairs)
	for i := range pairs {
		session := func() rig {
			return newRig(b, server.Connect(b, nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0)), streams.Config{})
		}
		p, c := session(), session()
		q := p.queue(streams.Queue{Name: strconv.Itoa(i), Durable: true})
		c.consume(q, streams.ConsumeOptions{Prefetch: 10, Push: func(d *streams.Delivery) {
			_ = d.Ack()
			received[i].pass()
		}})
		publishing.Go(func() { p.publishOn(ctx, q, &published[i]) })
	}
	var publishers, consumers time.Duration
	for b.Loop() {
		server.Kill(b)
		for i := range pairs {
			published[i].set()
			received[i].set()
		}
		opened := make(chan time.Time, 1)
		go func() { opened <- untilOpen(ctx, strings.TrimPrefix(server.URL(), "nats://")) }()
		server.Restart(b)
		since := <-opened
		publishers += last(published).Sub(since)
		consumers += last(received).Sub(since)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(publishers.Milliseconds())/float64(b.N), "publishers-ms")
	b.ReportMetric(float64(consumers.Milliseconds())/float64(b.N), "consumers-ms")
}

// publishOn publishes until the context ends, whatever becomes of it.
func (r rig) publishOn(ctx context.Context, q string, m *mark) {
	for ctx.Err() == nil {
		err := r.Publish(ctx, "", q, streams.Message{DeliveryMode: streams.Persistent, Body: make([]byte, 128)})
		if err == nil {
			m.pass()
		} else if !errors.Is(err, streams.ErrUnconfirmed) && ctx.Err() == nil {
			r.Error(err)
			return
		}
	}
}

// A mark notes when it is passed first after it was set.
type mark struct {
	mu     sync.Mutex
	passed chan time.Time
}

func (m *mark) set() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed = make(chan time.Time, 1)
}

func (m *mark) pass() {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case m.passed <- time.Now():
	default:
	}
}

// last is when the last of the marks was passed.
func last(marks []mark) (at time.Time) {
	for i := range marks {
		if passed := <-marks[i].passed; passed.After(at) {
			at = passed
		}
	}
	return at
}

// untilOpen waits for a port and says when it was open.
func untilOpen(ctx context.Context, address string) time.Time {
	for ctx.Err() == nil {
		if nc, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = nc.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	return time.Now()
}
