package workers_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
)

// A load is an app under load: tasks, groups, chords and chains, whose results are
// known, and each of which notes how often it ran.
type load struct {
	testing.TB
	*workers.App
	ctx context.Context
	one workers.Task1[int, int]
	sum workers.Task1[[]int, int]

	sent     atomic.Int64 // calls that were applied
	refused  atomic.Int64 // that may not have been
	wrong    atomic.Int64 // that ended, and not as they should
	numbers  atomic.Int64
	progress chan int64

	mu   sync.Mutex
	runs map[int]int
}

func newLoad(t *testing.T, nc *nats.Conn, cfg workers.Config) *load {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	l := &load{TB: t, App: workers.New("load"), ctx: ctx, progress: make(chan int64, 1000), runs: make(map[int]int)}
	l.one = workers.Func1(l.App, "one", func(_ context.Context, n int) (int, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.runs[n]++
		return n, nil
	})
	l.sum = workers.Func1(l.App, "sum", func(_ context.Context, list []int) (int, error) {
		sum := 0
		for _, n := range list {
			sum += n
		}
		return sum, nil
	})
	if err := l.Connect(ctx, nc, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("close the app: %v", err)
		}
	})
	return l
}

// calls makes the i-th call, which results in a number.
func (l *load) call(i int) (sig workers.Sig[int], want int) {
	next := func() (workers.Sig[int], int) {
		n := int(l.numbers.Add(1))
		return l.one.S(n), n
	}
	a, x := next()
	b, y := next()
	c, z := next()
	switch i % 3 {
	case 0:
		return a, x
	case 1:
		return workers.Chord(workers.Group(a, b, c), l.sum.P()), x + y + z
	}
	return workers.Chain3(workers.Group(a, b), l.sum.P(), workers.Skip[int](c)), z
}

// run makes calls from several goroutines, and gets their results.
func (l *load) run(calls int) {
	var clients, waiting sync.WaitGroup
	const together = 4
	for client := range together {
		clients.Go(func() {
			for i := client; i < calls; i += together {
				sig, want := l.call(i)
				r, err := sig.Apply(l.ctx)
				l.progress <- l.sent.Add(1)
				if err != nil {
					l.refused.Add(1)
					continue
				}
				waiting.Go(func() { l.expect(r, want) })
			}
		})
	}
	clients.Wait()
	waiting.Wait()
}

func (l *load) expect(r *workers.Result[int], want int) {
	if got, err := r.Get(l.ctx); err != nil || got != want {
		l.wrong.Add(1)
		l.Errorf("call %s gave %d, %v; want %d", r.ID(), got, err, want)
	}
}

// after waits until so many calls were made.
func (l *load) after(n int64) {
	l.Helper()
	for {
		select {
		case sent := <-l.progress:
			if sent >= n {
				return
			}
		case <-l.ctx.Done():
			l.Fatalf("%d calls were made, want %d", l.sent.Load(), n)
		}
	}
}

func (l *load) report() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	twice := 0
	for _, n := range l.runs {
		if n > 1 {
			twice++
		}
	}
	return fmt.Sprintf("%d calls, %d of them not confirmed; lost or wrong %d; %d tasks, run twice %d",
		l.sent.Load(), l.refused.Load(), l.wrong.Load(), len(l.runs), twice)
}

// works starts a worker of the app, until the test ends.
func (l *load) works(name string) {
	l.Helper()
	(&shop{TB: l.TB, App: l.App}).work(workers.WorkerConfig{Name: name, Concurrency: 4})
}

// TestTasksOutliveTheBroker: what was accepted ends, and whoever waits for it gets
// it, when the broker is restarted, or killed, under load.
func TestTasksOutliveTheBroker(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*embeddedtest.Child, testing.TB){
		"restarted": (*embeddedtest.Child).Stop,
		"killed":    (*embeddedtest.Child).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := embeddedtest.Process(t, embedded.Config{})
			l := newLoad(t, broker.Connect(t), workers.Config{Lease: 2 * time.Second})
			l.works("one")
			l.works("other")
			const calls = 150
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.run(calls)
			}()
			for part := range int64(2) {
				l.after((part + 1) * calls / 3)
				end(broker, t)
				broker.Restart(t)
			}
			<-done
			t.Log(l.report())
		})
	}
}
