package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// listen hears events until the test ends, and returns when workers tell them.
func (s *shop) listen() <-chan workers.Event {
	s.Helper()
	heard := make(chan workers.Event, 100)
	s.listenWith(func(e workers.Event) { heard <- e })
	return heard
}

// listenWith calls f with events until the test ends, and returns with the first.
func (s *shop) listenWith(f func(workers.Event)) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	first, done := make(chan struct{}), make(chan error, 1)
	begun := sync.OnceFunc(func() { close(first) })
	go func() {
		done <- s.Events(ctx, func(e workers.Event) {
			begun()
			f(e)
		})
	}()
	s.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("events ended with %v, want no error", err)
		}
	})
	select {
	case <-first:
	case <-s.ctx.Done():
		s.Fatal("heard nothing")
	}
}

// hear waits for an event of a type.
func (s *shop) hear(heard <-chan workers.Event, kind string) workers.Event {
	s.Helper()
	for {
		select {
		case e := <-heard:
			if e.Type == kind {
				return e
			}
		case <-s.ctx.Done():
			s.Fatalf("heard no %s", kind)
		}
	}
}

func TestEventsTellOfATask(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{Name: "celery@one"})
	heard := s.listen()
	r := apply(s, s.add.S(3, 4))
	e := s.hear(heard, workers.TaskReceived)
	if e.UUID != r.ID() || e.Name != "add" || e.Args != "[3,4]" || e.Hostname != "celery@one" || e.Queue != "celery" {
		t.Errorf("got %+v, want that celery@one received add(3, 4)[%s]", e, r.ID())
	}
	if d := time.Since(e.Timestamp.Time); d < -time.Second || d > time.Minute || e.PID == 0 {
		t.Errorf("got time %v and pid %d, want now and a pid", e.Timestamp, e.PID)
	}
	s.hear(heard, workers.TaskStarted)
	if e = s.hear(heard, workers.TaskSucceeded); e.Result != "7" || e.Runtime <= 0 {
		t.Errorf("got result %q after %v, want 7 and a runtime", e.Result, time.Duration(e.Runtime))
	}
	_ = failing(s, s.fails.S(5))
	if e = s.hear(heard, workers.TaskFailed); e.Exception != "Known: 5: a known error" {
		t.Errorf("got exception %q, want Known: 5: a known error", e.Exception)
	}
	_ = failing(s, s.add.S(1, 1).With(workers.ExpiresAt(time.Unix(1, 0))))
	if e = s.hear(heard, workers.TaskRevoked); !e.Expired {
		t.Errorf("got %+v, want that it expired", e)
	}
	_ = failing(s, s.broken.S().With(workers.Retry(workers.RetryPolicy{Max: 1})))
	if e = s.hear(heard, workers.TaskRetried); !strings.Contains(e.Exception, "failed") {
		t.Errorf("got exception %q, want why it is retried", e.Exception)
	}
	stop()
	if e = s.hear(heard, workers.WorkerOffline); e.Processed != 4 || e.Active != 0 {
		t.Errorf("got %d processed and %d active, want 4 and 0", e.Processed, e.Active)
	}
}

// A worker that is started later tells from its first moment on.
func TestEventsOfALaterWorker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{})
	heard := s.listen()
	stop()
	s.work(workers.WorkerConfig{Name: "celery@later"})
	if e := s.hear(heard, workers.WorkerOnline); e.Hostname != "celery@later" {
		t.Errorf("got %q online, want celery@later", e.Hostname)
	}
}

// Nobody is told anything that did not ask, and again when it has gone.
func TestWithoutAListenerNothingIsTold(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := newShop(t)
	s.connect(nc, workers.Config{})
	s.work(workers.WorkerConfig{})
	wire, err := nc.SubscribeSync("warren.celeryev.>")
	if err != nil {
		t.Fatal(err)
	}
	run(s, s.add.S(1, 1))
	if msg, err := wire.NextMsg(0); err == nil {
		t.Errorf("got %s, want nothing", msg.Data)
	}
}

func TestEventsAreCelerysOnTheWire(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := newShop(t)
	s.connect(nc, workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one"})
	heard := s.listen()
	wire, err := nc.SubscribeSync("warren.celeryev.task.succeeded")
	if err != nil {
		t.Fatal(err)
	}
	run(s, s.add.S(1, 1))
	s.hear(heard, workers.TaskSucceeded)
	msg, err := wire.NextMsgWithContext(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(msg.Data, &fields); err != nil {
		t.Fatal(err)
	}
	at, _ := fields["timestamp"].(float64)
	if fields["type"] != "task-succeeded" || fields["hostname"] != "celery@one" || fields["result"] != "2" || at < 1e9 {
		t.Errorf("got %s, want Celery's fields", msg.Data)
	}
}

func TestWhatIsNoTaskIsRejected(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := newShop(t)
	s.connect(nc, workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@one"})
	heard := s.listen()
	session := session(t, nc)
	if err := session.Publish(s.ctx, "", "celery", streams.Message{Body: []byte("no task")}); err != nil {
		t.Fatal(err)
	}
	e := s.hear(heard, workers.TaskRejected)
	list := dead(s)
	if len(list) != 1 || list[0].ID != e.UUID || string(list[0].Message.Body) != "no task" || list[0].Worker != "celery@one" {
		t.Fatalf("got dead letters %+v, want the message %s", list, e.UUID)
	}
	if err := s.Replay(s.ctx, e.UUID); err != nil {
		t.Fatal(err)
	}
	again := s.hear(heard, workers.TaskRejected)
	if list := dead(s); len(list) != 1 || list[0].ID != again.UUID {
		t.Errorf("got dead letters %+v, want the message once, as %s", list, again.UUID)
	}
}

func TestEventsNeedAConnection(t *testing.T) {
	t.Parallel()
	if err := newShop(t).Events(t.Context(), nil); !errors.Is(err, workers.ErrNotConnected) {
		t.Errorf("got %v, want ErrNotConnected", err)
	}
}
