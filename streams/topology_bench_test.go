package streams_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkQueues lists that many queues, and reports what one listing takes. An empty
// queue is one that nobody has published to; the others have a message and a binding.
func BenchmarkQueues(b *testing.B) {
	for _, n := range []int{300, 3000} {
		for _, filled := range []bool{false, true} {
			b.Run(fmt.Sprintf("queues=%d/filled=%t", n, filled), func(b *testing.B) {
				r := newRig(b, embeddedtest.Connect(b), streams.Config{})
				for i := range n {
					q := r.queue(streams.Queue{Name: "q" + strconv.Itoa(i)})
					if filled {
						r.bind("amq.direct", q, q)
						r.publish("", q, "1")
					}
				}
				for b.Loop() {
					list, err := r.Queues(r.ctx)
					if err != nil || len(list) != n {
						b.Fatalf("listed %d queues: %v", len(list), err)
					}
				}
			})
		}
	}
}

// BenchmarkTopology changes the topology as programs do, and reports the medians of what
// each operation takes: a durable queue that is declared, bound and deleted, and a
// temporary one.
func BenchmarkTopology(b *testing.B) {
	r := newRig(b, embeddedtest.Connect(b), streams.Config{})
	took := make(map[string][]time.Duration)
	step := func(what string, do func() error) {
		start := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took[what] = append(took[what], time.Since(start))
	}
	life := func(prefix string, q streams.Queue) {
		start := time.Now()
		step(prefix+"declare", func() error { _, err := r.DeclareQueue(r.ctx, q); return err })
		step(prefix+"bind", func() error {
			return r.Bind(r.ctx, streams.Binding{Exchange: "amq.topic", Queue: q.Name, Key: "a." + q.Name})
		})
		step(prefix+"delete", func() error { _, err := r.DeleteQueue(r.ctx, q.Name); return err })
		took[prefix+"life"] = append(took[prefix+"life"], time.Since(start))
	}
	for i := 0; b.Loop(); i++ {
		life("", streams.Queue{Name: "durable" + strconv.Itoa(i), Durable: true})
		life("exclusive-", streams.Queue{Name: "exclusive" + strconv.Itoa(i), Exclusive: true})
	}
	b.ReportMetric(0, "ns/op")
	for what, times := range took {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds()), what+"-µs")
	}
}
