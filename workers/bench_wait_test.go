package workers_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// waits are how long after they were due tasks have begun.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
	done sync.WaitGroup
}

// task is told when it was due, in microseconds, and takes that long.
func (w *waits) task(r *bench, name string, takes time.Duration) workers.Task1[int64, workers.None] {
	return workers.Func1(r.App, name, func(_ context.Context, due int64) (workers.None, error) {
		late := time.Since(time.UnixMicro(due))
		w.mu.Lock()
		w.list = append(w.list, late)
		w.mu.Unlock()
		time.Sleep(takes)
		w.done.Done()
		return workers.None{}, nil
	})
}

func (w *waits) report(b *testing.B) {
	b.Helper()
	slices.Sort(w.list)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(quantile(w.list, 0.50).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(quantile(w.list, 0.99).Microseconds())/1000, "p99-ms")
}

// every calls f n times, evenly.
func every(each time.Duration, n int, f func(i int, due time.Time)) {
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(i) * each)
		time.Sleep(time.Until(due))
		f(i, due)
	}
}

// BenchmarkScheduled has b.N tasks wait for an hour: what this process, with the
// broker and a worker in it, keeps of each in memory; and how late other tasks begin
// meanwhile, of which 200 a second are due.
func BenchmarkScheduled(b *testing.B) {
	r := newBench(b, embeddedtest.Connect(b))
	var w waits
	soon := w.task(r, "soon", 0)
	r.work(workers.WorkerConfig{Concurrency: 100})
	before := heap()
	later := time.Now().Add(time.Hour)
	r.sendMany(b, b.N, func() error {
		_, err := r.counted.S(1).Apply(b.Context(), workers.ETA(later))
		return err
	})
	b.ReportMetric(float64(heap()-before)/float64(b.N), "B/task")
	const due, ahead = 1000, time.Second
	w.done.Add(due)
	every(5*time.Millisecond, due, func(_ int, now time.Time) {
		at := now.Add(ahead)
		if _, err := soon.S(at.UnixMicro()).Apply(b.Context(), workers.ETA(at)); err != nil {
			b.Error(err)
			w.done.Done()
		}
	})
	w.done.Wait()
	w.report(b)
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkLongAmongShort sends b.N short tasks, 200 a second, of which the worker
// can run four at once: how long they wait alone, and when every tenth is followed by
// one of 50 ms.
func BenchmarkLongAmongShort(b *testing.B) {
	for name, tenth := range map[string]bool{"short": false, "mixed": true} {
		b.Run(name, func(b *testing.B) {
			r := newBench(b, embeddedtest.Connect(b))
			var w, aside waits
			short, long := w.task(r, "short", 0), aside.task(r, "long", 50*time.Millisecond)
			r.work(workers.WorkerConfig{Concurrency: 4})
			every(5*time.Millisecond, b.N, func(i int, due time.Time) {
				w.done.Add(1)
				if _, err := short.Delay(b.Context(), due.UnixMicro()); err != nil {
					b.Fatal(err)
				}
				if tenth && i%10 == 0 {
					aside.done.Add(1)
					if _, err := long.Delay(b.Context(), due.UnixMicro()); err != nil {
						b.Fatal(err)
					}
				}
			})
			w.done.Wait()
			aside.done.Wait()
			w.report(b)
		})
	}
}
