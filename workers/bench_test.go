package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// bench is an app to measure, and what raw nats.go needs for the same work: a
// work queue and a stream of results, file storage with an fsync every second.
type bench struct {
	*shop
	nc *nats.Conn
	js jetstream.JetStream

	counted workers.Task1[int, int]
	count   func() // a counted task has run
}

func newBench(b *testing.B, nc *nats.Conn) *bench {
	b.Helper()
	s := newShop(b)
	s.connect(nc, workers.Config{})
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	r := &bench{shop: s, nc: nc, js: js}
	r.counted = workers.Func1(s.App, "counted", func(_ context.Context, x int) (int, error) {
		r.count()
		return x, nil
	})
	r.stream(b, jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw"}, Retention: jetstream.WorkQueuePolicy})
	r.stream(b, jetstream.StreamConfig{
		Name: "DONE", Subjects: []string{"done.>"}, MaxMsgsPerSubject: 1, AllowDirect: true,
		RePublish: &jetstream.RePublish{Source: "done.>", Destination: "told.>"},
	})
	return r
}

func (r *bench) stream(b *testing.B, cfg jetstream.StreamConfig) {
	b.Helper()
	if _, err := r.js.CreateStream(b.Context(), cfg); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkEnqueue sends tasks: one by one, and many at once, which is what a
// group is. The raw way publishes one message a task, ours a task and its record.
func BenchmarkEnqueue(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		b.Run(transport.Name+"/single", func(b *testing.B) {
			r := newBench(b, transport.Connect(b))
			embeddedtest.Versus(b, "task", r.delay, r.publish)
		})
		b.Run(transport.Name+"/bulk", func(b *testing.B) {
			r := newBench(b, transport.Connect(b))
			embeddedtest.Versus(b, "task", r.group, r.publishAsync)
		})
	}
}

func (r *bench) delay(b *testing.B, n int) time.Duration {
	b.Helper()
	start := time.Now()
	for range n {
		if _, err := r.add.Delay(b.Context(), 1, 1); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func (r *bench) group(b *testing.B, n int) time.Duration {
	b.Helper()
	start := time.Now()
	for list := range slices.Chunk(sigs(r.shop, n), 1000) {
		if _, err := workers.Group(list...).Apply(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// task is what a raw task has in it.
var task, _ = json.Marshal([]any{[]int{1, 1}, map[string]int{}, map[string]any{"callbacks": nil}})

func (r *bench) publish(b *testing.B, n int) time.Duration {
	b.Helper()
	start := time.Now()
	for range n {
		if _, err := r.js.Publish(b.Context(), "raw", task); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func (r *bench) publishAsync(b *testing.B, n int) time.Duration {
	b.Helper()
	start := time.Now()
	r.fill(b, n)
	return time.Since(start)
}

func (r *bench) fill(b *testing.B, n int) {
	b.Helper()
	for range n {
		if _, err := r.js.PublishAsync("raw", task); err != nil {
			b.Fatal(err)
		}
	}
	select {
	case <-r.js.PublishAsyncComplete():
	case <-b.Context().Done():
	}
}

// BenchmarkDrain runs tasks that do nothing and record their results, beside a
// loop that consumes, publishes a result, waits for its confirm, and acks.
func BenchmarkDrain(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, concurrency := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/concurrency=%d", transport.Name, concurrency), func(b *testing.B) {
				r := newBench(b, transport.Connect(b))
				embeddedtest.Versus(b, "task", r.drain(concurrency), r.drainRaw(concurrency))
			})
		}
	}
}

// drain is timed from the first task to the end of the last, when all are recorded.
func (r *bench) drain(concurrency int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		r.delayMany(b, n)
		var start time.Time
		var once sync.Once
		left := atomic.Int64{}
		left.Store(int64(n))
		done := make(chan struct{})
		r.count = func() {
			once.Do(func() { start = time.Now() })
			if left.Add(-1) == 0 {
				close(done)
			}
		}
		stop := r.work(workers.WorkerConfig{Concurrency: concurrency})
		<-done
		stop()
		return time.Since(start)
	}
}

// delayMany sends n tasks, many at a time.
func (r *bench) delayMany(b *testing.B, n int) {
	b.Helper()
	r.sendMany(b, n, func() error {
		_, err := r.counted.Delay(b.Context(), 1)
		return err
	})
}

func (r *bench) sendMany(b *testing.B, n int, send func() error) {
	b.Helper()
	var senders sync.WaitGroup
	left := atomic.Int64{}
	left.Store(int64(n))
	for range 64 {
		senders.Go(func() {
			for left.Add(-1) >= 0 {
				if err := send(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
}

func (r *bench) drainRaw(concurrency int) embeddedtest.Contender {
	return func(b *testing.B, n int) time.Duration {
		b.Helper()
		r.fill(b, n)
		consumer, err := r.js.CreateOrUpdateConsumer(b.Context(), "RAW", jetstream.ConsumerConfig{
			Durable: "raw", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: concurrency,
		})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		msgs := make(chan jetstream.Msg, concurrency)
		var loops sync.WaitGroup
		for range concurrency {
			loops.Go(func() {
				for m := range msgs {
					r.finish(b, m)
				}
			})
		}
		seen := make(chan struct{})
		left := n
		cc, err := consumer.Consume(func(m jetstream.Msg) {
			if left == 0 {
				return
			}
			msgs <- m
			if left--; left == 0 {
				close(seen)
			}
		}, jetstream.PullMaxMessages(max(concurrency, 2)))
		if err != nil {
			b.Fatal(err)
		}
		<-seen
		close(msgs)
		loops.Wait()
		took := time.Since(start)
		cc.Stop()
		<-cc.Closed()
		return took
	}
}

// finish is what a raw task comes to.
func (r *bench) finish(b *testing.B, m jetstream.Msg) {
	b.Helper()
	meta, err := m.Metadata()
	if err != nil {
		b.Error(err)
		return
	}
	if _, err := r.js.Publish(b.Context(), fmt.Sprintf("done.%d", meta.Sequence.Stream), []byte("2")); err != nil {
		b.Error(err)
	}
	if err := m.Ack(); err != nil {
		b.Error(err)
	}
}

// BenchmarkRoundTrip is Delay, then Get, one after another: beside a publish, a
// consumer that publishes a result, and a subscription that receives it.
func BenchmarkRoundTrip(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		b.Run(transport.Name, func(b *testing.B) {
			r := newBench(b, transport.Connect(b))
			r.work(workers.WorkerConfig{})
			r.workRaw(b)
			ours, raw := r.trips(b, r.trip), r.trips(b, r.tripRaw)
			b.ReportMetric(0, "ns/op")
			for name, list := range map[string][]time.Duration{"": ours, "raw-": raw} {
				b.ReportMetric(float64(quantile(list, 0.50).Microseconds()), name+"p50-µs")
				b.ReportMetric(float64(quantile(list, 0.99).Microseconds()), name+"p99-µs")
			}
		})
	}
}

func (r *bench) trips(b *testing.B, trip func(*testing.B)) []time.Duration {
	b.Helper()
	list := make([]time.Duration, 0, b.N)
	for range b.N {
		start := time.Now()
		trip(b)
		list = append(list, time.Since(start))
	}
	slices.Sort(list)
	return list
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (r *bench) trip(b *testing.B) {
	b.Helper()
	result, err := r.add.Delay(b.Context(), 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := result.Get(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// workRaw answers raw tasks.
func (r *bench) workRaw(b *testing.B) {
	b.Helper()
	consumer, err := r.js.CreateOrUpdateConsumer(b.Context(), "RAW", jetstream.ConsumerConfig{
		Durable: "raw", AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		b.Fatal(err)
	}
	cc, err := consumer.Consume(func(m jetstream.Msg) { r.finish(b, m) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cc.Stop()
		<-cc.Closed()
	})
}

func (r *bench) tripRaw(b *testing.B) {
	b.Helper()
	sub, err := r.nc.SubscribeSync("told.>")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if _, err := r.js.Publish(b.Context(), "raw", task); err != nil {
		b.Fatal(err)
	}
	if _, err := sub.NextMsgWithContext(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCanvas is how long a group, a chord and a chain take from Apply to
// their result.
func BenchmarkCanvas(b *testing.B) {
	r := newBench(b, embeddedtest.Connect(b))
	r.work(workers.WorkerConfig{Concurrency: 16})
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("group=%d", n), func(b *testing.B) {
			for b.Loop() {
				run(r.shop, workers.Group(sigs(r.shop, n)...))
			}
		})
		b.Run(fmt.Sprintf("chord=%d", n), func(b *testing.B) {
			for b.Loop() {
				run(r.shop, workers.Chord(workers.Group(sigs(r.shop, n)...), r.xsum.P()))
			}
		})
	}
	b.Run("chain=50", func(b *testing.B) {
		for b.Loop() {
			run(r.shop, workers.Repeat(r.add.S(0, 0), r.add.P(1), 49))
		}
	})
}

// BenchmarkLongChain is how long chains take from Apply to their result, and each of
// their steps: one that nothing is kept of, and ones whose rest is kept once. So much as
// a step of 800 takes, one of 100 takes.
func BenchmarkLongChain(b *testing.B) {
	r := newBench(b, embeddedtest.Connect(b))
	r.work(workers.WorkerConfig{})
	for _, steps := range []int{10, 100, 800} {
		b.Run(fmt.Sprintf("steps=%d", steps), func(b *testing.B) {
			for b.Loop() {
				run(r.shop, workers.Repeat(r.add.S(0, 0), r.add.P(1), steps-1))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*steps), "µs/step")
		})
	}
	for _, chords := range []int{10, 100} {
		b.Run(fmt.Sprintf("chords=%d", chords), func(b *testing.B) {
			for b.Loop() {
				run(r.shop, chordsInARow(r.shop, chords))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*chords), "µs/chord")
		})
	}
}

// chordsInARow is a chain of chords, each of three tasks, of which one is given what the
// chord before came to, and of their sum: n of them come to 3 n.
func chordsInARow(s *shop, n int) workers.Sig[int] {
	chord := workers.Pipe(workers.GroupOf(s.add.P(1), s.mul.P(0), s.mul.P(0)), s.xsum.P())
	return workers.Repeat(s.add.S(0, 0), workers.Pipe(chord, s.add.P(2)), n)
}

// BenchmarkChordOfLargeResults is how long a chord of n results of 200 kB takes.
func BenchmarkChordOfLargeResults(b *testing.B) {
	r := newBench(b, embeddedtest.Connect(b))
	page := workers.Func1(r.App, "page", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	sizes := workers.Func1(r.App, "sizes", func(_ context.Context, list []string) (int, error) { return len(strings.Join(list, "")), nil })
	r.work(workers.WorkerConfig{})
	for _, n := range []int{4, 32} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			calls := make([]workers.Sig[string], n)
			for i := range calls {
				calls[i] = page.S(200_000)
			}
			for b.Loop() {
				run(r.shop, workers.Chord(workers.Group(calls...), sizes.P()))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/member")
		})
	}
}
