package workers_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestAPlaceIsFreeWhenTheCodeIsDone: the next task begins while what the last one came
// to is recorded. When no end can be recorded, no more than the worker runs at once
// are begun in place of others.
func TestAPlaceIsFreeWhenTheCodeIsDone(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		s := newShop(t)
		s.ctx = t.Context()
		s.connect(nc, workers.Config{})
		line.Lose(func(subject string) bool { return strings.HasSuffix(subject, ".state") })
		var results []*workers.Result[workers.None]
		for range 6 {
			results = append(results, apply(s, s.note.S("a", "task")))
		}
		s.work(workers.WorkerConfig{Concurrency: 2})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(s.notes()); got != 4 {
			t.Errorf("%d tasks were begun by a worker of 2 that could record none, want 4", got)
		}
		if list, err := s.Control().Stats(s.ctx); err != nil || list[0].Value.Running != 2 {
			t.Errorf("the worker answers %+v, %v; want 2 places taken", list, err)
		}
		line.Lose(nil)
		for _, r := range results {
			if _, err := r.Get(s.ctx); err != nil {
				t.Error(err)
			}
		}
		if got := len(s.notes()); got != len(results) {
			t.Errorf("%d tasks were begun, want %d, each once", got, len(results))
		}
	})
}

// TestNoMoreRunThanThereArePlaces counts the tasks whose code runs.
func TestNoMoreRunThanThereArePlaces(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var running, most atomic.Int32
	busy := workers.Func0(s.App, "busy", func(context.Context) (int, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		time.Sleep(time.Millisecond)
		return 0, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	sigs := make([]workers.Sig[int], 200)
	for i := range sigs {
		sigs[i] = busy.S()
	}
	s.work(workers.WorkerConfig{Concurrency: 3})
	if _, err := workers.Group(sigs...).Run(s.ctx); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 3 {
		t.Errorf("%d ran at once in a worker of 3", most.Load())
	}
}
