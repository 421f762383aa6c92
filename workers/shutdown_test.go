package workers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// A door is a task that waits until it is opened, or its context ends.
func (s *shop) door() (task workers.Task1[int, string], open func()) {
	opened := make(chan struct{})
	task = workers.Func1(s.App, "gate", func(ctx context.Context, n int) (string, error) {
		r, _ := workers.RequestOf(ctx)
		s.say("%d in %s", n, r.Worker)
		select {
		case <-opened:
			return r.Worker, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	return task, func() { close(opened) }
}

func TestAWorkerWaitsForItsTasks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gate, open := s.door()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	_, end, ended := s.begin(workers.WorkerConfig{Name: "old"})
	r := apply(s, gate.S(1))
	s.await(1)
	end()
	late := apply(s, s.add.S(1, 1))
	s.work(workers.WorkerConfig{Name: "new"})
	if got, err := late.Get(s.ctx); got != 2 || err != nil { // the old one takes nothing any more, or hands it back
		t.Errorf("the late task gave %d, %v; want 2", got, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the worker ended with a task running: %v", err)
	default:
	}
	open()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got, err := r.Get(s.ctx); got != "old" || err != nil {
		t.Errorf("the task gave %q, %v; want the worker that waited for it", got, err)
	}
}

// begin starts a worker that the test ends.
func (s *shop) begin(cfg workers.WorkerConfig) (w *workers.Worker, end func(), ended chan error) {
	s.Helper()
	w = s.Worker(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	ended = make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case <-w.Ready():
	case err := <-ended:
		s.Fatalf("the worker ended: %v", err)
	}
	return w, cancel, ended
}

// TestWhatIsHandedBackIsNotLost: of more workers in a row than a task may take with
// it, each hands it back, and the next one runs it.
func TestWhatIsHandedBackIsNotLost(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]workers.WorkerConfig{
		"by Stop":        {},
		"after a moment": {Grace: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			gate, open := s.door()
			s.connect(embeddedtest.Connect(t), workers.Config{})
			r := apply(s, gate.S(1))
			const hands = 5
			for i := range hands {
				cfg.Name = fmt.Sprint("old-", i)
				w, end, ended := s.begin(cfg)
				s.await(i + 1)
				end()
				if cfg.Grace == 0 {
					w.Stop()
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
				is(s, r, workers.Received)
			}
			open()
			s.work(workers.WorkerConfig{Name: "new"})
			if got, err := r.Get(s.ctx); got != "new" || err != nil {
				t.Errorf("the task gave %q, %v; want the last worker", got, err)
			}
			if notes := s.notes(); len(notes) != hands+1 {
				t.Errorf("noted %q, want one run in each of %d workers", notes, hands+1)
			}
		})
	}
}

// TestALongTaskHoldsNoneUp: of two workers with one place each, the one that is
// free runs what comes.
func TestALongTaskHoldsNoneUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gate, open := s.door()
	where := workers.Func1(s.App, "where", func(ctx context.Context, _ int) (string, error) {
		r, _ := workers.RequestOf(ctx)
		return r.Worker, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "one", Concurrency: 1})
	s.work(workers.WorkerConfig{Name: "other", Concurrency: 1})
	long := apply(s, gate.S(1))
	s.await(1)
	var calls []workers.Sig[string]
	for i := range 20 {
		calls = append(calls, where.S(i))
	}
	short := run(s, workers.Group(calls...))
	open()
	busy, err := long.Get(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, worker := range short {
		if worker == busy || worker == "" {
			t.Errorf("task %d ran in %q, want the worker that was free", i, worker)
		}
	}
}
