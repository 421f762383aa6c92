package workers_test

import (
	"errors"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// Who waits for a task that is purged is told, and what stands behind it ends.
func TestPurgeRevokes(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := newShop(t)
	s.connect(nc, workers.Config{})
	r := apply(s, workers.Chain2(s.add.S(1, 1), s.add.P(1)))
	for range 30 {
		apply(s, s.add.S(1, 1))
	}
	if err := session(t, nc).Publish(s.ctx, "", "celery", streams.Message{Body: []byte("no task")}); err != nil {
		t.Fatal(err)
	}
	later := apply(s, s.add.S(1, 1), workers.Countdown(time.Hour))
	if n, err := s.Purge(s.ctx, ""); n != 32 || err != nil {
		t.Errorf("got %d, %v, want 32", n, err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
	is(s, r, workers.Revoked)
	is(s, later, workers.Pending)
	if n, err := s.Purge(s.ctx, ""); n != 0 || err != nil {
		t.Errorf("purged again: got %d, %v, want 0", n, err)
	}
	if _, err := s.Purge(s.ctx, "nowhere"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("got %v, want 404", err)
	}
}

// A queue of ordinary messages is not purged of them.
func TestPurge_OrdinaryMessages(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := newShop(t)
	s.connect(nc, workers.Config{})
	other := session(t, nc)
	if _, err := other.DeclareQueue(s.ctx, streams.Queue{Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := other.Publish(s.ctx, "", "hello", streams.Message{Body: []byte("no task")}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Purge(s.ctx, "hello"); n != 0 || !errors.Is(err, workers.ErrNoTask) {
		t.Errorf("got %d, %v, want ErrNoTask", n, err)
	}
	if info, err := other.InspectQueue(s.ctx, "hello"); err != nil || info.Ready != 3 {
		t.Errorf("got %+v, %v, want 3 messages", info, err)
	}
}

func TestScheduledTasksAreListed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	at := time.Now().Add(time.Hour)
	r := apply(s, s.add.S(3, 4), workers.ETA(at), workers.Queue("io"))
	apply(s, s.add.S(1, 1))
	var list []workers.ScheduledTask
	for task, err := range s.Scheduled(s.ctx) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, task)
	}
	if len(list) != 1 {
		t.Fatalf("got %+v, want one task", list)
	}
	if got := list[0]; got.ID != r.ID() || got.Name != "add" || got.Queue != "io" || got.ETA.Sub(at).Abs() > time.Second {
		t.Errorf("got %+v, want add[%s] in io at %v", got, r.ID(), at)
	}
}
