package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

func session(tb testing.TB, nc *nats.Conn) *streams.Session {
	tb.Helper()
	session, err := streams.Open(context.Background(), nc, streams.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = session.Close(context.Background()) })
	return session
}

func dead(s *shop) []workers.DeadLetter {
	s.Helper()
	var list []workers.DeadLetter
	for l, err := range s.DeadLetters(s.ctx) {
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// moody is a task that fails until it is told not to.
func (s *shop) moody() (workers.Task1[int, int], *atomic.Bool) {
	var mended atomic.Bool
	return workers.Func1(s.App, "moody", func(_ context.Context, x int) (int, error) {
		if !mended.Load() {
			return 0, errKnown
		}
		return 10 * x, nil
	}), &mended
}

// again gives the result of an id, as somebody who asks only now.
func again(s *shop, id string) (int, error) {
	s.Helper()
	app := workers.New("asks")
	if err := app.Connect(s.ctx, s.conn, workers.Config{}); err != nil {
		s.Fatal(err)
	}
	defer func() { _ = app.Close(context.Background()) }()
	r, err := workers.ResultOf[int](app, id)
	if err != nil {
		s.Fatal(err)
	}
	return r.Get(s.ctx)
}

// replay replays what has failed, once it is kept and all that followed is done.
func replay(s *shop, id string) {
	s.Helper()
	var queue string
	s.until("it is kept", func() bool {
		list := dead(s)
		i := slices.IndexFunc(list, func(l workers.DeadLetter) bool { return l.ID == id })
		if i >= 0 {
			queue = list[i].Queue
		}
		return i >= 0
	})
	settled(s, queue)
	if err := s.Replay(s.ctx, id); err != nil {
		s.Fatal(err)
	}
}

// settled waits until workers have settled all that a queue gave them. A dead
// letter is kept before its group, and what stood behind it, know of the failure.
func settled(s *shop, queue string) {
	s.Helper()
	asks := session(s.TB, s.conn)
	s.until("all is settled", func() bool {
		info, err := asks.InspectQueue(s.ctx, queue)
		if err != nil {
			s.Fatal(err)
		}
		return info.Unacked == 0
	})
}

// TestDeadLetter_OfATaskThatIsReplayed has gone: to drop it is nothing to do.
func TestDeadLetter_OfATaskThatIsReplayed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{})
	r := apply(s, s.fails.S(5))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	s.until("it is kept", func() bool { return len(dead(s)) > 0 })
	stop()
	if err := s.Replay(s.ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	if err := s.DropDeadLetter(s.ctx, r.ID()); err != nil {
		t.Errorf("got %v, want nothing to do", err)
	}
	if err := s.DropDeadLetter(s.ctx, "unknown"); !errors.Is(err, workers.ErrNoDeadLetter) {
		t.Errorf("of a task that nobody knows: got %v, want ErrNoDeadLetter", err)
	}
}

func TestWhatIsGivenUpIsKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := apply(s, s.fails.S(5), workers.Retry(workers.RetryPolicy{Max: 1}))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	_ = failing(s, s.add.S(1, 1).With(workers.ExpiresAt(time.Unix(1, 0)))) // revoked, and not given up
	s.until("it is kept", func() bool { return len(dead(s)) > 0 })
	list := dead(s)
	if len(list) != 1 {
		t.Fatalf("got %d dead letters, want 1: %+v", len(list), list)
	}
	l := list[0]
	if l.ID != r.ID() || l.Task != "fails" || l.Attempt != 2 || l.Queue != "celery" || l.Failure.Type != "Known" || l.Date.IsZero() {
		t.Errorf("got %+v, want the second attempt of %s", l, r.ID())
	}
	var body []any
	if err := json.Unmarshal(l.Message.Body, &body); err != nil || len(body) != 3 {
		t.Errorf("got body %s, want the whole message", l.Message.Body)
	}
	if err := s.DropDeadLetter(s.ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	if err := s.DropDeadLetter(s.ctx, r.ID()); !errors.Is(err, workers.ErrNoDeadLetter) {
		t.Errorf("dropped twice: got %v, want ErrNoDeadLetter", err)
	}
	if err := s.Replay(s.ctx, r.ID()); !errors.Is(err, workers.ErrNoDeadLetter) {
		t.Errorf("replayed what was dropped: got %v, want ErrNoDeadLetter", err)
	}
	is(s, r, workers.Failed)
}

func TestAnUnknownTaskIsGivenUpAndReplayed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{})
	r, err := s.Signature("coming", 7).Apply(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrNotRegistered) {
		t.Fatalf("got %v, want ErrNotRegistered", err)
	}
	stop()
	workers.Func1(s.App, "coming", func(_ context.Context, x int) (int, error) { return x, nil })
	s.work(workers.WorkerConfig{})
	replay(s, r.ID())
	if n, err := again(s, r.ID()); n != 7 || err != nil {
		t.Errorf("got %d, %v, want 7", n, err)
	}
	if list := dead(s); len(list) != 0 {
		t.Errorf("got dead letters %+v, want none", list)
	}
}

// What ended with a task follows when it succeeds at last.
func TestReplayGoesOnWithTheChain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	r := apply(s, workers.Chain3(moody.S(4), s.add.P(2), s.ident.P()))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	id := r.Parent().Parent().ID()
	replay(s, id) // in vain
	s.until("it is given up again", func() bool { list := dead(s); return len(list) == 1 && list[0].Attempt == 2 })
	mended.Store(true)
	replay(s, id)
	if n, err := again(s, r.ID()); n != 42 || err != nil {
		t.Errorf("got %d, %v, want 42", n, err)
	}
}

func TestReplayGoesOnWithTheChord(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	body := workers.Chain2(workers.Chord(workers.Group(moody.S(1), s.ident.S(5), moody.S(2)), s.xsum.P()), s.add.P(1))
	r := apply(s, body)
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	s.until("both members are given up", func() bool { return len(dead(s)) == 2 })
	mended.Store(true)
	list := dead(s)
	replay(s, list[0].ID)
	if n, err := again(s, list[0].ID); err != nil || n == 0 {
		t.Errorf("the first member: got %d, %v, want a result", n, err)
	}
	is(s, r, workers.Failed) // of the other one
	replay(s, list[1].ID)
	if n, err := again(s, r.ID()); n != 36 || err != nil {
		t.Errorf("got %d, %v, want 36", n, err)
	}
}

// Slots of a large group are counted in blocks, some of which were full before.
func TestReplayFillsTheLastSlotOfALargeGroup(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	members := append(sigs(s, 70), moody.S(1))
	r := apply(s, workers.Chord(workers.Group(members...), s.xsum.P()))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	s.until("the others have ended", func() bool {
		state, err := r.Parent().Members()[69].State(s.ctx)
		return err == nil && state == workers.Succeeded
	})
	mended.Store(true)
	replay(s, r.Parent().Members()[70].ID())
	if n, err := again(s, r.ID()); n != 70*69+10 || err != nil {
		t.Errorf("got %d, %v, want %d", n, err, 70*69+10)
	}
}

func TestWhatHasGoneOnIsNotReplayed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	moody, mended := s.moody()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{})
	r := apply(s, moody.S(1))
	_, _ = r.Get(s.ctx)
	mended.Store(true)
	stop()
	replay(s, r.ID())
	if state, err := r.State(s.ctx); state != workers.Retrying || err != nil {
		t.Errorf("got %s, %v, want RETRY", state, err)
	}
	s.work(workers.WorkerConfig{})
	if n, err := again(s, r.ID()); n != 10 || err != nil {
		t.Errorf("got %d, %v, want 10", n, err)
	}
}

func TestDropDeadLetters(t *testing.T) {
	t.Parallel()
	s := open(t)
	for range 3 {
		_ = failing(s, s.broken.S())
	}
	s.until("all are kept", func() bool { return len(dead(s)) == 3 })
	if n, err := s.DropDeadLetters(s.ctx); n != 3 || err != nil {
		t.Errorf("got %d, %v, want 3", n, err)
	}
	if list := dead(s); len(list) != 0 {
		t.Errorf("got %+v, want none", list)
	}
}

// What is too large for one message is kept too.
func TestALargeDeadLetter(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var mended atomic.Bool
	weigh := workers.Func2(s.App, "weigh", func(_ context.Context, a, b string) (int, error) {
		if !mended.Load() {
			return 0, errKnown
		}
		return len(a) + len(b), nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	big := strings.Repeat("x", 900<<10)
	r := apply(s, weigh.S(big, big))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v, want the known error", err)
	}
	mended.Store(true)
	replay(s, r.ID())
	if n, err := again(s, r.ID()); n != 2*len(big) || err != nil {
		t.Errorf("got %d, %v, want %d", n, err, 2*len(big))
	}
}

// A worker that is killed between the two leaves what it gave up to another one.
func TestADeadLetterOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: time.Second})
	victim := y.hire(order{Name: "victim", Concurrency: 1, Point: workers.PointRecorded})
	r, err := y.shop.Signature("nobody's").Apply(y.ctx)
	if err != nil {
		t.Fatal(err)
	}
	victim.await(y.ctx)
	if list := dead(&y.shop); len(list) != 0 {
		t.Errorf("got %+v, want none before another worker is there", list)
	}
	y.work(workers.WorkerConfig{Name: "heir"})
	y.shop.until("it is kept", func() bool { return len(dead(&y.shop)) > 0 })
	if l := dead(&y.shop)[0]; l.ID != r.ID() || l.Worker != "victim" {
		t.Errorf("got %+v, want what the victim gave up", l)
	}
}
