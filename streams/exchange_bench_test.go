package streams_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkExchange publishes 128 bytes to an exchange while all its queues
// are consumed with a prefetch of 100, and counts deliveries, beside nats.go
// on the same stream and consumers.
func BenchmarkExchange(b *testing.B) {
	for _, kind := range []streams.Kind{streams.Fanout, streams.Direct} {
		for _, queues := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/queues=%d", kind, queues), func(b *testing.B) {
				x := newBenchExchange(b, kind, queues)
				embeddedtest.Versus(b, "msg", x.ours, x.raw)
			})
		}
	}
}

// BenchmarkBindings consumes one queue with that many bindings to one topic
// exchange, every message matching one of them.
func BenchmarkBindings(b *testing.B) {
	for _, bindings := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("bindings=%d", bindings), func(b *testing.B) {
			x := newBenchExchange(b, streams.Topic, 1)
			for i := range bindings {
				x.bind(b, 0, "k."+strconv.Itoa(i))
			}
			x.key = func(i int) string { return "k." + strconv.Itoa(i%bindings) }
			embeddedtest.Versus(b, "msg", x.ours, x.raw)
		})
	}
}

type benchExchange struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	s      *streams.Session
	kind   streams.Kind
	queues []string
	key    func(i int) string
}

func newBenchExchange(b *testing.B, kind streams.Kind, queues int) *benchExchange {
	b.Helper()
	nc := embeddedtest.Connect(b)
	s, err := streams.Open(b.Context(), nc, streams.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	ctx := context.Background()
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "x", Kind: kind, Durable: true}); err != nil {
		b.Fatal(err)
	}
	x := &benchExchange{nc: nc, js: rawPublisher(b, nc, 1000), s: s, kind: kind, key: func(i int) string { return strconv.Itoa(i % queues) }}
	for i := range queues {
		name := "q" + strconv.Itoa(i)
		if _, err := s.DeclareQueue(ctx, streams.Queue{Name: name, Durable: true}); err != nil {
			b.Fatal(err)
		}
		x.queues = append(x.queues, name)
		if kind != streams.Topic {
			x.bind(b, i, strconv.Itoa(i))
		}
	}
	return x
}

func (x *benchExchange) bind(b *testing.B, queue int, key string) {
	b.Helper()
	err := x.s.Bind(context.Background(), streams.Binding{Exchange: "x", Queue: x.queues[queue], Key: key})
	if err != nil {
		b.Fatal(err)
	}
}

// messages is how many to publish for n deliveries, and how many come of them.
func (x *benchExchange) messages(n int) (publish int, deliver int64) {
	if x.kind == streams.Fanout {
		publish = max(n/len(x.queues), 1)
		return publish, int64(publish * len(x.queues))
	}
	return n, int64(n)
}

// tally is closed when that many deliveries have come.
type tally struct {
	seen, want atomic.Int64
	done       chan struct{}
}

func newTally(want int64) *tally {
	t := &tally{done: make(chan struct{})}
	t.want.Store(want)
	return t
}

func (t *tally) one() {
	if t.seen.Add(1) == t.want.Load() {
		close(t.done)
	}
}

func (x *benchExchange) ours(b *testing.B, n int) time.Duration {
	b.Helper()
	publish, deliver := x.messages(n)
	seen := newTally(deliver)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, queue := range x.queues {
		c, err := x.s.Consume(ctx, queue, streams.ConsumeOptions{Prefetch: 100})
		if err != nil {
			b.Fatal(err)
		}
		running.Go(func() {
			err := c.Run(ctx, func(d *streams.Delivery) {
				if err := d.Ack(); err != nil {
					b.Error(err)
				}
				seen.one()
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	p, err := x.s.Publisher(streams.PublisherOptions{Window: 1000})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 128)
	start := time.Now()
	for i := range publish {
		if _, err := p.Publish(ctx, "x", x.key(i), streams.Message{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	<-seen.done
	took := scale(time.Since(start), n, deliver)
	cancel()
	running.Wait()
	return took
}

func (x *benchExchange) raw(b *testing.B, n int) time.Duration {
	b.Helper()
	publish, deliver := x.messages(n)
	seen := newTally(deliver)
	ctx := context.Background()
	var running []jetstream.ConsumeContext
	for _, queue := range x.queues {
		consumer, err := x.js.Consumer(ctx, "warren~x~x", queue)
		if err != nil {
			b.Fatal(err)
		}
		cc, err := consumer.Consume(func(m jetstream.Msg) {
			_ = m.Ack()
			seen.one()
		}, jetstream.PullMaxMessages(100))
		if err != nil {
			b.Fatal(err)
		}
		running = append(running, cc)
	}
	body := make([]byte, 128)
	start := time.Now()
	for i := range publish {
		if _, err := x.js.PublishAsync("warren.x.x."+x.key(i), body, jetstream.WithStallWait(30*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	<-seen.done
	took := scale(time.Since(start), n, deliver)
	for _, cc := range running {
		cc.Stop()
		<-cc.Closed()
	}
	if err := x.nc.Flush(); err != nil {
		b.Fatal(err)
	}
	return took
}

// scale counts time by deliveries: a fan-out does not divide evenly.
func scale(took time.Duration, n int, delivered int64) time.Duration {
	return time.Duration(float64(took) * float64(n) / float64(delivered))
}
