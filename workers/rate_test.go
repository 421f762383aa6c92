package workers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// A limited task of a test notes when it began.
func beginnings(t *testing.T, s *shop, limit workers.Option) (workers.Task1[int, int], func() []time.Time) {
	t.Helper()
	var mu sync.Mutex
	var list []time.Time
	task := workers.Func1(s.App, "limited", func(_ context.Context, n int) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, time.Now())
		return n, nil
	}, limit)
	return task, func() []time.Time {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// Twelve tasks of which four may begin in a second take two seconds, in fake time:
// four at once, the others one by one. Tasks of other names are not held up.
func TestRateLimits(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared=%v", shared), func(t *testing.T) {
			embeddedtest.Bubble(t, func(t *testing.T) { testRateLimit(t, shared) })
		})
	}
}

func testRateLimit(t *testing.T, shared bool) {
	t.Helper()
	s := newShop(t)
	limit := workers.RateLimit(4, time.Second)
	if shared {
		limit = workers.SharedRateLimit(4, time.Second)
	}
	limited, times := beginnings(t, s, limit)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "one", Concurrency: 2})
	if shared {
		s.work(workers.WorkerConfig{Name: "other", Concurrency: 2})
	}
	began := time.Now()
	var calls []workers.Sig[int]
	for i := range 12 {
		calls = append(calls, limited.S(i))
	}
	r := apply(s, workers.Group(calls...))
	if got := run(s, s.add.S(1, 1)); got != 2 || time.Since(began) > 200*time.Millisecond {
		t.Errorf("another task gave %d after %v", got, time.Since(began))
	}
	if _, err := r.Get(s.ctx); err != nil {
		t.Fatal(err)
	}
	all := times()
	slices.SortFunc(all, time.Time.Compare)
	if len(all) != 12 {
		t.Fatalf("%d tasks began, want 12", len(all))
	}
	// The server is up to a quarter of a second late.
	if took := all[11].Sub(began); took < 1900*time.Millisecond || took > 2500*time.Millisecond {
		t.Errorf("the last one began after %v, want 2s", took)
	}
	for i := 5; i < len(all); i++ {
		if apart := all[i].Sub(all[i-5]); apart < 200*time.Millisecond {
			t.Errorf("six began within %v, want no more than four and those that were late", apart)
		}
	}
}

func TestARateLimitIsOfTheTask(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.add.Delay(s.ctx, 1, 1, workers.RateLimit(1, time.Second)); err == nil {
		t.Error("a call had a rate limit of its own")
	}
	other := newShop(t)
	workers.Func0(other.App, "never", func(context.Context) (int, error) { return 0, nil }, workers.RateLimit(0, time.Second))
	if err := other.Connect(other.ctx, embeddedtest.Connect(t), workers.Config{}); err == nil {
		t.Error("a limit of none in a second was taken")
	}
}
