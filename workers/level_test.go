package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// backlog waits until so many tasks wait in each of the queues, the server has
// counted them for its consumers, and so many workers take from each.
func (s *shop) backlog(workers int, want map[string]int) {
	s.Helper()
	js, err := jetstream.New(s.conn)
	if err != nil {
		s.Fatal(err)
	}
	broker := session(s.TB, s.conn)
	for queue, n := range want {
		subject := streams.DefaultVHost + ".q." + strings.ReplaceAll(queue, ".", "=2E")
		s.until(fmt.Sprintf("%d tasks wait in %s", n, queue), func() bool {
			info, err := broker.InspectQueue(s.ctx, queue)
			if errors.Is(err, streams.ErrNotFound) {
				return false // it is declared with its first task
			}
			if err != nil {
				s.Fatal(err)
			}
			return info.Consumers == workers && info.Ready == n && s.counted(js, subject) == n
		})
	}
}

// counted is how many messages the server has counted for the consumers of a stream.
func (s *shop) counted(js jetstream.JetStream, subject string) (n int) {
	s.Helper()
	name, err := js.StreamNameBySubject(s.ctx, subject)
	if err != nil {
		s.Fatal(err)
	}
	stream, err := js.Stream(s.ctx, name)
	if err != nil {
		s.Fatal(err)
	}
	for info := range stream.ListConsumers(s.ctx).Info() {
		n += int(info.NumPending)
	}
	return n
}

const highQueue, lowQueue = "warren.high.celery", "warren.low.celery"

// send sends notes of all levels, in an order that is not theirs.
func (s *shop) send(n int) {
	s.Helper()
	for i := range n {
		for _, l := range []workers.Level{workers.Low, workers.High, workers.Normal} {
			apply(s, s.note.S(l.String(), fmt.Sprint(i)), workers.Priority(l))
		}
	}
}

// TestTheMoreUrgentBeginsFirst sends tasks of levels that the worker does not know
// yet when it begins.
func TestTheMoreUrgentBeginsFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1})
	apply(s, g.S(1))
	s.begins(g)
	s.send(4)
	s.backlog(1, map[string]int{highQueue: 4, "celery": 4, lowQueue: 4})
	close(g.open)
	want := []string{
		"high 0", "high 1", "high 2", "high 3", "normal 0", "normal 1", "normal 2", "normal 3",
		"low 0", "low 1", "low 2", "low 3",
	}
	if got := s.await(12); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of two workers neither begins a task while a more urgent one waits: how far apart
// they are is a matter of which of them the processor runs.
func TestTwoWorkersKeepTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	who := workers.Func1(s.App, "who", func(ctx context.Context, rank int) (workers.None, error) {
		r, _ := workers.RequestOf(ctx)
		s.say("%s %d", r.Worker, rank)
		return workers.None{}, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	for _, name := range []string{"one", "two"} {
		s.work(workers.WorkerConfig{Name: name, Concurrency: 1})
		apply(s, g.S(1))
		s.begins(g)
	}
	const each = 10
	for range each {
		for rank, l := range []workers.Level{workers.High, workers.Normal, workers.Low} {
			apply(s, who.S(rank), workers.Priority(l))
		}
	}
	s.backlog(2, map[string]int{highQueue: each, "celery": each, lowQueue: each})
	close(g.open)
	last := make(map[string]string)
	for _, note := range s.await(3 * each) {
		worker, rank, _ := strings.Cut(note, " ")
		if rank < last[worker] {
			t.Errorf("%s ran rank %s behind %s", worker, rank, last[worker])
		}
		last[worker] = rank
	}
}

// A retry keeps the level, and so does what waited for its time.
func TestWhatWasForLaterKeepsItsLevel(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate(workers.Priority(workers.High))
	var attempts atomic.Int32
	flaky := workers.Func0(s.App, "flaky", func(ctx context.Context) (workers.None, error) {
		r, _ := workers.RequestOf(ctx)
		if attempts.Add(1) == 1 {
			return workers.None{}, workers.RetryIn(300*time.Millisecond, errKnown)
		}
		s.say("flaky, %s, %d", r.Priority, r.Retries)
		return workers.None{}, nil
	}, workers.Priority(workers.High))
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1})
	apply(s, flaky.S())
	s.until("the first attempt has failed", func() bool { return attempts.Load() == 1 })
	apply(s, g.S(1))
	s.begins(g)
	for n := range 3 {
		apply(s, s.note.S("normal", fmt.Sprint(n)))
	}
	apply(s, s.note.S("low", "later"), workers.Countdown(10*time.Millisecond), workers.Priority(workers.Low))
	s.backlog(1, map[string]int{highQueue: 1, "celery": 3, lowQueue: 1})
	close(g.open)
	want := []string{"flaky, high, 1", "normal 0", "normal 1", "normal 2", "low later"}
	if got := s.await(5); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Queues are paused, cancelled and purged with all of their levels.
func TestAQueueIsAllOfItsLevels(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one"})
	s.send(1)
	s.await(3)
	if err := s.Pause(s.ctx, "celery"); err != nil {
		t.Fatal(err)
	}
	s.until("the queue is paused", func() bool {
		list, err := s.Control().Stats(s.ctx)
		return slices.Equal(answers(s, list, err)["celery@one"].Paused, []string{"celery"})
	})
	s.send(2)
	s.backlog(0, map[string]int{highQueue: 2, "celery": 2, lowQueue: 2})
	if n, err := s.Purge(s.ctx, "celery"); n != 6 || err != nil {
		t.Errorf("purged %d, %v; want 6", n, err)
	}
	r := apply(s, s.add.S(1, 1), workers.Priority(workers.Low))
	if was, err := s.Resume(s.ctx, "celery"); !was || err != nil {
		t.Errorf("got %v, %v, want that it was paused", was, err)
	}
	if n, err := r.Get(s.ctx); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	list, err := s.Control().CancelQueue(s.ctx, "celery")
	answers(s, list, err)
	r = apply(s, s.add.S(1, 1), workers.Priority(workers.High))
	s.backlog(0, map[string]int{highQueue: 1})
	is(s, r, workers.Pending)
	if err := r.Revoke(s.ctx); err != nil {
		t.Fatal(err)
	}
	list, err = s.Control().AddQueue(s.ctx, "celery")
	answers(s, list, err)
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
}

// What is given up has its level when it is replayed.
func TestAReplayKeepsItsLevel(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var heard atomic.Int32
	once := workers.Func0(s.App, "once", func(ctx context.Context) (int, error) {
		r, _ := workers.RequestOf(ctx)
		if heard.Add(1) == 1 {
			return 0, errKnown
		}
		return int(r.Priority), nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	r := apply(s, once.S(), workers.Priority(workers.Low))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	replay(s, r.ID())
	if l, err := again(s, r.ID()); workers.Level(l) != workers.Low || err != nil {
		t.Errorf("got %s, %v; want low", workers.Level(l), err)
	}
}

// What another program sent with a low priority waits behind what is normal.
func TestThePriorityOfOtherProgramsCounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1})
	apply(s, g.S(1))
	s.begins(g)
	broker := session(t, s.conn)
	for n, priority := range []uint8{2, 0, 5, 3} {
		m := streams.Message{
			ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: streams.Persistent, Priority: priority,
			Headers: streams.Table{"lang": "py", "task": "note", "id": fmt.Sprint("celery-", n)},
			Body:    fmt.Appendf(nil, `[["priority", "%d"], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`, priority),
		}
		if err := broker.Publish(s.ctx, "", "celery", m); err != nil {
			t.Fatal(err)
		}
	}
	s.backlog(1, map[string]int{"celery": 4})
	close(g.open)
	want := []string{"priority 0", "priority 5", "priority 2", "priority 3"}
	if got := s.await(4); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQueuesAreServedInAStrictOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1, Queues: []string{"second", "celery", "first"}, Strict: true})
	apply(s, g.S(1))
	s.begins(g)
	for n := range 3 {
		for _, queue := range []string{"celery", "first", "second"} {
			apply(s, s.note.S(queue, fmt.Sprint(n)), workers.Queue(queue))
		}
	}
	apply(s, s.note.S("first", "high"), workers.Queue("first"), workers.Priority(workers.High))
	s.backlog(1, map[string]int{"first": 3, "second": 3, "celery": 3, "warren.high.first": 1})
	close(g.open)
	want := []string{
		"second 0", "second 1", "second 2", "celery 0", "celery 1", "celery 2", "first high", "first 0", "first 1", "first 2",
	}
	if got := s.await(10); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Queues get their shares, and none starves, with what is urgent in another one
// neither.
func TestQueuesAreServedByWeight(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := s.gate()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1, Queues: []string{"celery", "a", "b", "c"}, Weights: map[string]int{"a": 6, "b": 3}})
	apply(s, g.S(1))
	s.begins(g)
	const each = 30
	for range each {
		apply(s, s.note.S("a", ""), workers.Queue("a"), workers.Priority(workers.High))
		apply(s, s.note.S("b", ""), workers.Queue("b"))
		apply(s, s.note.S("c", ""), workers.Queue("c"), workers.Priority(workers.Low))
	}
	s.backlog(1, map[string]int{"warren.high.a": each, "b": each, "warren.low.c": each})
	close(g.open)
	s.await(3 * each)
	got := strings.Join(s.notes()[:40], "")
	for queue, want := range map[string]int{"a": 24, "b": 12, "c": 4} {
		if n := strings.Count(got, queue); n < want-1 || n > want+1 {
			t.Errorf("%d of 40 were of queue %s, want %d: %s", n, queue, want, got)
		}
	}
}

func TestOrdersOfQueuesAreChecked(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	for _, test := range []struct {
		cfg  workers.WorkerConfig
		want string
	}{
		{workers.WorkerConfig{Weights: map[string]int{"io": 2}}, `queue "io" has a weight and is not among the queues ["celery"]`},
		{workers.WorkerConfig{Weights: map[string]int{"celery": 0}}, `weight of queue "celery" is 0; use a positive number`},
		{workers.WorkerConfig{Weights: map[string]int{"celery": 2}, Strict: true}, "use one"},
		{workers.WorkerConfig{Queues: []string{"warren.high.celery"}}, "are Warren's own"},
	} {
		if err := s.Worker(test.cfg).Run(s.ctx); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.cfg, err, test.want)
		}
	}
	if _, err := s.add.Delay(s.ctx, 1, 1, workers.Priority(2)); err == nil || !strings.Contains(err.Error(), "use Low, Normal or High") {
		t.Errorf("got %v, want that there is no level 2", err)
	}
	if _, err := s.add.Delay(s.ctx, 1, 1, workers.Queue("warren.low.celery")); err == nil || !strings.Contains(err.Error(), "use another") {
		t.Errorf("got %v, want that the name is taken", err)
	}
}

// What a killed worker ran comes back before what is less urgent and has waited for
// as long.
func TestWhatAKilledWorkerRanKeepsItsLevel(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: 2 * time.Second})
	var back atomic.Bool
	var busy workers.Task1[int, workers.None]
	busy = workers.Func1(y.crew.App, "busy", func(ctx context.Context, n int) (workers.None, error) {
		if back.Load() {
			return workers.None{}, nil
		}
		_, err := busy.Delay(ctx, n+1) // so that one waits always
		return workers.None{}, err
	})
	victim := y.hire(order{Name: "victim", Concurrency: 1})
	r := apply(&y.shop, y.hold.S("held"), workers.Priority(workers.High))
	y.until("held", "victim")
	apply(&y.shop, busy.S(0))
	apply(&y.shop, busy.S(0))
	victim.kill()
	y.work(workers.WorkerConfig{Name: "heir", Concurrency: 1})
	y.until("held", "home")
	back.Store(true)
	y.release("home")
	if got, err := r.Get(y.ctx); got != "home" || err != nil {
		t.Errorf("got %q, %v; want that the heir ran it", got, err)
	}
}
