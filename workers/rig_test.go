package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// shop is an app of a test, with the lecture's tasks and some that misbehave.
// What tasks do is noted, in order.
type shop struct {
	testing.TB
	*workers.App
	ctx  context.Context
	conn *nats.Conn

	add    workers.Task2[int, int, int]
	mul    workers.Task2[int, int, int]
	xsum   workers.Task1[[]int, int]
	ident  workers.Task1[int, int]
	broken workers.Task0[int]
	fails  workers.Task1[int, int] // with what comes before it
	note   workers.Task2[string, string, workers.None]
	show   workers.Task2[int, string, workers.None]
	flat   workers.Task1[[][]int, []int]
	onFail workers.Task2[workers.Failure, string, workers.None]

	mu    sync.Mutex
	noted []string
	news  chan struct{}
}

var (
	errBroken = errors.New("failed")
	errKnown  = errors.New("a known error")
)

// newShop makes an app on a broker of its own; connect connects it.
func newShop(tb testing.TB) *shop {
	tb.Helper()
	s := &shop{TB: tb, App: workers.New("shop"), news: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	tb.Cleanup(cancel)
	s.ctx = ctx
	s.add = workers.Func2(s.App, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	s.mul = workers.Func2(s.App, "mul", func(_ context.Context, x, y int) (int, error) { return x * y, nil })
	s.xsum = workers.Func1(s.App, "xsum", func(_ context.Context, list []int) (int, error) {
		sum := 0
		for _, x := range list {
			sum += x
		}
		return sum, nil
	})
	s.ident = workers.Func1(s.App, "ident", func(_ context.Context, x int) (int, error) { return x, nil })
	s.broken = workers.Func0(s.App, "broken", func(context.Context) (int, error) { return 0, errBroken })
	s.fails = workers.Func1(s.App, "fails", func(_ context.Context, x int) (int, error) {
		return 0, fmt.Errorf("%d: %w", x, errKnown)
	})
	s.note = workers.Func2(s.App, "note", func(_ context.Context, first, second string) (workers.None, error) {
		s.say("%s %s", first, second)
		return workers.None{}, nil
	})
	s.show = workers.Func2(s.App, "show", func(_ context.Context, n int, text string) (workers.None, error) {
		s.say("%d %s", n, text)
		return workers.None{}, nil
	})
	s.flat = workers.Func1(s.App, "flat", func(_ context.Context, lists [][]int) ([]int, error) {
		return slices.Concat(lists...), nil
	})
	s.onFail = workers.Func2(s.App, "on_fail", func(_ context.Context, f workers.Failure, about string) (workers.None, error) {
		s.say("%s: %s %s", about, f.Task, f.Message)
		return workers.None{}, nil
	})
	s.RegisterError("Known", errKnown)
	return s
}

func (s *shop) connect(nc *nats.Conn, cfg workers.Config) {
	s.Helper()
	s.conn = nc
	if cfg.Queue == "" {
		cfg.Queue = "celery" // as that of the lecture's app, and of Celery's
	}
	if err := s.Connect(s.ctx, nc, cfg); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			s.Errorf("close the app: %v", err)
		}
	})
}

// work starts a worker, which ends with the test or when it is told.
func (s *shop) work(cfg workers.WorkerConfig) (stop func()) {
	s.Helper()
	w := s.Worker(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-w.Ready():
	case err := <-done:
		s.Fatalf("the worker ended: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("the worker ended: %v", err)
		}
	})
	s.Cleanup(stop)
	return stop
}

// open is a shop with one worker.
func open(tb testing.TB) *shop {
	tb.Helper()
	s := newShop(tb)
	s.connect(embeddedtest.Connect(tb), workers.Config{})
	s.work(workers.WorkerConfig{})
	return s
}

func (s *shop) say(format string, args ...any) {
	s.mu.Lock()
	s.noted = append(s.noted, fmt.Sprintf(format, args...))
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *shop) notes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.noted...)
}

// await waits until so much was noted.
func (s *shop) await(n int) []string {
	s.Helper()
	for {
		if notes := s.notes(); len(notes) >= n {
			return notes
		}
		select {
		case <-s.news:
		case <-s.ctx.Done():
			s.Fatalf("noted %q, want %d of them", s.notes(), n)
		}
	}
}

// run applies a call and gets its result.
func run[R any](s *shop, sig workers.Sig[R]) R {
	s.Helper()
	r, err := sig.Run(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// apply applies a call.
func apply[R any](s *shop, sig workers.Sig[R], opts ...workers.Option) *workers.Result[R] {
	s.Helper()
	r, err := sig.Apply(s.ctx, opts...)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// failing applies a call and gets its error.
func failing[R any](s *shop, sig workers.Sig[R]) error {
	s.Helper()
	r, err := sig.Run(s.ctx)
	if err == nil {
		s.Fatalf("got %v, want an error", r)
	}
	if s.ctx.Err() != nil {
		s.Fatalf("nothing came: %v", err)
	}
	return err
}

// is checks that a task is in a state.
func is[R any](s *shop, r *workers.Result[R], want workers.State) {
	s.Helper()
	got, err := r.State(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	if got != want {
		s.Errorf("task %s is %s, want %s", r.ID(), got, want)
	}
}
