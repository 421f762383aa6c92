package workers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// session opens the broker of a shop beside its app.
func (s *shop) session() *streams.Session {
	s.Helper()
	session, err := streams.Open(s.ctx, s.conn, streams.Config{})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = session.Close(context.Background()) })
	return session
}

// plans are the sendings that are not at their end.
func plans(s *shop) []string {
	s.Helper()
	store, err := s.session().DeclareStore(s.ctx, "tasks", streams.StoreOptions{})
	if err != nil {
		s.Fatal(err)
	}
	list, err := store.Keys(s.ctx, "launch.>")
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// A client that is killed while it sends groups has sent each of them whole, or
// not at all.
func TestAGroupIsSentWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const size, groups = 400, 3
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{})
	session := y.session()
	for round := 1; round <= 3; round++ {
		queue := fmt.Sprint("queue-", round)
		if _, err := session.DeclareQueue(y.ctx, streams.Queue{Name: queue, Durable: true}); err != nil {
			t.Fatal(err)
		}
		client := y.hire(order{Name: "client", Sends: size, Queues: []string{queue}})
		y.untilQueue(queue, "filled", func(q streams.QueueInfo) bool { return q.Ready >= groups*size })
		client.kill()
		// What the broker has still to read may make it more, by whole groups.
		y.untilQueue(queue, "of whole groups", func(q streams.QueueInfo) bool { return q.Ready%size == 0 })
	}
	if list := plans(&y.shop); len(list) > 0 {
		t.Errorf("plans are left: %q; one transaction needs none", list)
	}
}

// What takes more than one transaction is sent to its end by a worker, when its
// client dies in between: each task once.
func TestAWorkerSendsWhatADeadClientLeft(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what   string
		sends  int
		queues []string
	}{
		{"more than one transaction takes", 1100, []string{"celery"}},
		{"to two queues", 20, []string{"celery", "elsewhere"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: 2 * time.Second})
			client := y.hire(order{Name: "client", Sends: test.sends, Queues: test.queues, Point: workers.PointPiece})
			client.await(y.ctx)
			if got := plans(&y.shop); len(got) != 1 {
				t.Fatalf("plans are %q, want one", got)
			}
			y.work(workers.WorkerConfig{Queues: test.queues})
			r, err := workers.ResultOf[int](y.shop.App, "chord-1")
			if err != nil {
				t.Fatal(err)
			}
			for state := workers.Unknown; !state.Ready() && y.ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
				state, _ = r.State(y.ctx)
			}
			if got, err := r.Get(y.ctx); got != test.sends || err != nil {
				t.Errorf("the chord gave %d, %v; want %d", got, err, test.sends)
			}
			y.wantEffects(map[string]int{"member": test.sends, "body": 1})
			for len(plans(&y.shop)) > 0 && y.ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			if y.ctx.Err() != nil {
				t.Error("the plan is left")
			}
		})
	}
}

// A group of several transactions, and to several queues, of a client that lives
// leaves no plan.
func TestALargeGroupLeavesNoPlan(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.work(workers.WorkerConfig{Name: "elsewhere", Queues: []string{"elsewhere"}})
	calls := make([]workers.Sig[int], 1001)
	for i := range calls {
		calls[i] = s.ident.S(1)
	}
	calls[0] = calls[0].With(workers.Queue("elsewhere"))
	calls[1] = calls[1].With(workers.Countdown(100 * time.Millisecond))
	if got := run(s, workers.Chord(workers.Group(calls...), s.xsum.P())); got != len(calls) {
		t.Errorf("got %d, want %d", got, len(calls))
	}
	if list := plans(s); len(list) > 0 {
		t.Errorf("plans are left: %q", list)
	}
}

// A group with a task in it that was sent before sends the others.
func TestAGroupWithATaskThatWasSentBefore(t *testing.T) {
	t.Parallel()
	s := open(t)
	if got := run(s, s.add.S(1, 1).With(workers.ID("before"))); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	got := run(s, workers.Group(s.add.S(1, 2), s.add.S(5, 5).With(workers.ID("before")), s.add.S(2, 2)))
	if fmt.Sprint(got) != "[3 2 4]" {
		t.Errorf("got %v, want [3 2 4]", got)
	}
	if list := plans(s); len(list) > 0 {
		t.Errorf("plans are left: %q", list)
	}
}

// A group whose queue was deleted since the last one declares it again.
func TestAGroupDeclaresAQueueThatWasDeleted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	two := workers.Group(s.add.S(1, 2), s.add.S(2, 2))
	apply(s, two)
	if _, err := s.session().DeleteQueue(s.ctx, "celery"); err != nil {
		t.Fatal(err)
	}
	r := apply(s, two)
	s.work(workers.WorkerConfig{})
	if got, err := r.Get(s.ctx); fmt.Sprint(got) != "[3 4]" || err != nil {
		t.Errorf("got %v, %v; want [3 4]", got, err)
	}
}
