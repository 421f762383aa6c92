package workers_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// gate is a task that waits until it is let go.
type gate struct {
	workers.Task1[int, int]
	begun chan int
	open  chan struct{}
}

func (s *shop) gate(opts ...workers.Option) gate {
	g := gate{begun: make(chan int, 100), open: make(chan struct{})}
	g.Task1 = workers.Func1(s.App, "gate", func(_ context.Context, n int) (int, error) {
		g.begun <- n
		select { // and not the task's context: it hangs
		case <-g.open:
		case <-s.TB.Context().Done():
		}
		return n, nil
	}, opts...)
	return g
}

// begins waits until the gate's task runs.
func (s *shop) begins(g gate) {
	s.Helper()
	select {
	case <-g.begun:
	case <-s.ctx.Done():
		s.Fatal("the task has not begun")
	}
}

// answers gives what workers answered, by their names.
func answers[T any](s *shop, list []workers.Answer[T], err error) map[string]T {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	by := make(map[string]T)
	for _, a := range list {
		if a.Err != nil {
			s.Errorf("%s: %v", a.Worker, a.Err)
		}
		by[a.Worker] = a.Value
	}
	return by
}

// until waits until it is so: what workers do is seen from outside a little later.
func (s *shop) until(what string, so func() bool) {
	s.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			s.Fatalf("never: %s", what)
		}
	}
}

func TestEveryWorkerAnswers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	if list, err := s.Control().Ping(s.ctx); err != nil || len(list) != 0 {
		t.Errorf("without workers: got %v, %v, want none", list, err)
	}
	s.work(workers.WorkerConfig{Name: "celery@one", Concurrency: 3})
	s.work(workers.WorkerConfig{Name: "celery@two", Queues: []string{"io"}})
	run(s, s.add.S(1, 1))
	list, err := s.Control().Stats(s.ctx)
	stats := answers(s, list, err)
	one, two := stats["celery@one"], stats["celery@two"]
	if one.Total["add"] != 1 || one.Concurrency != 3 || !slices.Equal(one.Queues, []string{"celery"}) || one.States[workers.Succeeded] != 1 {
		t.Errorf("got %+v, want one add in three places of queue celery", one)
	}
	if len(two.Total) != 0 || two.Concurrency != 8 || !slices.Equal(two.Queues, []string{"io"}) {
		t.Errorf("got %+v, want nothing done in eight places of queue io", two)
	}
	pings, err := s.Control("celery@two").Ping(s.ctx)
	if got := answers(s, pings, err); len(got) != 1 || got["celery@two"] != "pong" {
		t.Errorf("got %v, want pong of celery@two alone", got)
	}
	names, err := s.Control("celery@one").Registered(s.ctx)
	if got := answers(s, names, err)["celery@one"]; !slices.Equal(got, s.Registered()) {
		t.Errorf("got %v, want %v", got, s.Registered())
	}
	if _, err := s.Control("celery@tow").Ping(s.ctx); !errors.Is(err, workers.ErrNoWorker) {
		t.Errorf("got %v, want ErrNoWorker", err)
	}
}

// A worker whose tasks hang answers, and says so.
func TestAWedgedWorkerIsToldFromADeadOne(t *testing.T) {
	t.Parallel()
	broker := embeddedtest.Listen(t)
	s := newShop(t)
	g := s.gate()
	s.connect(broker.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@wedged", Concurrency: 1})
	r := apply(s, g.S(1))
	s.begins(g)
	defer close(g.open)
	if err := r.Revoke(s.ctx); err != nil {
		t.Fatal(err)
	}

	// One dies without a word: its connection goes, and its record stays.
	nc := broker.Connect(t)
	other := newShop(t)
	if err := other.Connect(s.ctx, nc, workers.Config{}); err != nil {
		t.Fatal(err)
	}
	w := other.Worker(workers.WorkerConfig{Name: "celery@dead", Queues: []string{"other"}})
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case <-w.Ready():
	case err := <-ended:
		t.Fatalf("the worker ended: %v", err)
	}
	nc.Close()
	if err := <-ended; err == nil {
		t.Error("it ended without an error, want that its connection has gone")
	}
	_ = other.Close(s.ctx)

	var list []workers.Answer[[]workers.ActiveTask]
	s.until("the revoked task is cancelled", func() bool {
		soon, cancel := context.WithTimeout(s.ctx, time.Second) // for the dead one
		defer cancel()
		var err error
		if list, err = s.Control().Active(soon); err != nil {
			t.Fatal(err)
		}
		return len(list) == 2 && len(list[1].Value) == 1 && list[1].Value[0].Cancelled != ""
	})
	if list[0].Worker != "celery@dead" || !errors.Is(list[0].Err, workers.ErrNoAnswer) {
		t.Errorf("got %+v, want no answer of celery@dead", list[0])
	}
	task := list[1].Value[0]
	if task.ID != r.ID() || task.Age <= 0 || task.Cancelled != workers.ErrRevoked.Error() {
		t.Errorf("got %+v, want the task that hangs, its age, and that it was revoked", task)
	}
}

func TestConcurrencyIsChangedAtRunTime(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one", Concurrency: 1})
	r := apply(s, workers.Group(g.S(1), g.S(2), g.S(3)))
	s.begins(g)
	list, err := s.Control().SetConcurrency(s.ctx, 3)
	if got := answers(s, list, err)["celery@one"]; got != 3 {
		t.Errorf("got concurrency %d, want 3", got)
	}
	s.begins(g)
	s.begins(g)
	close(g.open)
	if _, err := r.Get(s.ctx); err != nil {
		t.Error(err)
	}
	if list, err = s.Control().SetConcurrency(s.ctx, 0); err != nil || len(list) != 1 || list[0].Err == nil {
		t.Errorf("got %v, %v, want that the worker refuses 0", list, err)
	}
}

// Shutdown waits for what runs, as Celery's warm one does.
func TestShutdownIsWarm(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	w := s.Worker(workers.WorkerConfig{Name: "celery@one"})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(s.ctx) }()
	<-w.Ready()
	r := apply(s, g.S(1))
	s.begins(g)
	list, err := s.Control("celery@one").Shutdown(s.ctx)
	answers(s, list, err)
	select {
	case err := <-ended:
		t.Fatalf("it ended with %v while a task was running", err)
	default:
	}
	close(g.open)
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v, want no error", err)
	}
	if n, err := r.Get(s.ctx); n != 1 || err != nil {
		t.Errorf("got %d, %v, want the result of the task that ran", n, err)
	}
	if list, err := s.Control().Ping(s.ctx); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v, want nobody", list, err)
	}
}

func TestQueuesAreAddedAndCancelled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one"})
	r := apply(s, s.add.S(1, 1), workers.Queue("io"))
	list, err := s.Control().AddQueue(s.ctx, "io")
	answers(s, list, err)
	if n, err := r.Get(s.ctx); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	list, err = s.Control().CancelQueue(s.ctx, "io")
	answers(s, list, err)
	r = apply(s, s.add.S(1, 1), workers.Queue("io"))
	run(s, s.add.S(1, 1)) // the other queue goes on
	is(s, r, workers.Pending)
}

func TestAPausedQueueWaits(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one", Queues: []string{"celery", "io"}})
	pause := func() {
		t.Helper()
		if err := s.Pause(s.ctx, "io"); err != nil {
			t.Fatal(err)
		}
	}
	pause()
	s.until("both know that the queue is paused", func() bool {
		list, err := s.Control().Stats(s.ctx)
		return slices.Equal(answers(s, list, err)["celery@one"].Paused, []string{"io"})
	})
	// One that is started later obeys.
	s.work(workers.WorkerConfig{Name: "celery@two", Queues: []string{"io"}})
	r := apply(s, s.add.S(1, 1), workers.Queue("io"))
	run(s, s.add.S(1, 1))
	is(s, r, workers.Pending)
	if got, err := s.Paused(s.ctx); err != nil || !slices.Equal(got, []string{"io"}) {
		t.Errorf("got %v, %v, want io", got, err)
	}
	if was, err := s.Resume(s.ctx, "io"); !was || err != nil {
		t.Errorf("got %v, %v, want that it was paused", was, err)
	}
	if n, err := r.Get(s.ctx); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	if was, err := s.Resume(s.ctx, "io"); was || err != nil {
		t.Errorf("got %v, %v, want that it was not paused", was, err)
	}
	pause() // and once more
	s.until("the queue is paused again", func() bool {
		list, err := s.Control("celery@two").Stats(s.ctx)
		return len(answers(s, list, err)["celery@two"].Paused) == 1
	})
}
