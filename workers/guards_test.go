package workers_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// aroundSend is an app's middleware that is called before each sending.
func aroundSend(before func(m *workers.Message) error) workers.Config {
	return workers.Config{Middleware: []workers.Middleware{{Send: func(next workers.SendFunc) workers.SendFunc {
		return func(ctx context.Context, m *workers.Message) error {
			if err := before(m); err != nil {
				return err
			}
			return next(ctx, m)
		}
	}}}}
}

// A key whose task could not be sent is free for the next one.
func TestUnique_AFailedSendingFreesTheKey(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var failed atomic.Bool
	s.connect(embeddedtest.Connect(t), aroundSend(func(*workers.Message) error {
		if !failed.Swap(true) {
			return errBroken
		}
		return nil
	}))
	s.work(workers.WorkerConfig{})
	single := s.add.S(1, 1).With(workers.Unique("key", time.Hour))
	if _, err := single.Apply(s.ctx); !errors.Is(err, errBroken) {
		t.Fatalf("got %v, want the middleware's error", err)
	}
	soon, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	if n, err := single.Run(soon); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
}

// Who sends a canvas stops where somebody else has taken the rest over.
func TestLaunch_StopsWhereAnotherTookOver(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var store *streams.Store
	s.connect(embeddedtest.Connect(t), aroundSend(func(m *workers.Message) error {
		if m.Queue != "celery" {
			return nil
		}
		keys, err := store.Keys(s.ctx, "launch.>")
		for _, key := range keys {
			e, getErr := store.Get(s.ctx, key)
			_, putErr := store.Put(s.ctx, streams.Put{Key: key, Value: e.Value})
			err = errors.Join(err, getErr, putErr)
		}
		return err
	}))
	session := s.session()
	var err error
	if store, err = session.DeclareStore(s.ctx, "tasks", streams.StoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.DeclareQueue(s.ctx, streams.Queue{Name: "elsewhere", Durable: true}); err != nil {
		t.Fatal(err)
	}
	apply(s, workers.Group(s.add.S(1, 1), s.add.S(2, 2).With(workers.Queue("elsewhere"))))
	if q, err := session.InspectQueue(s.ctx, "elsewhere"); q.Ready != 0 || err != nil {
		t.Errorf("%d tasks were sent after another one had taken over (%v), want none", q.Ready, err)
	}
	if list := plans(s); len(list) != 1 {
		t.Errorf("got plans %q, want the other one's", list)
	}
}

// A run that nobody has told that its task was revoked finds out when it records what
// the task came to.
func TestRevoke_EndsARunThatWasNotTold(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.put(workers.StateKey("revoked"), `{"status":"REVOKED","task_id":"revoked","name":"show","failure":{"task_id":"revoked","exc_type":"TaskRevokedError","exc_message":"the task was revoked"}}`)
	s.send(time.Time{}, fields{"id": "revoked", "task": "show"}, []any{1, "ran"}, fields{}, fields{"callbacks": []any{
		fields{"task": "show", "args": []any{2, "called back"}, "kwargs": fields{}, "immutable": true, "options": fields{"task_id": "callback"}},
	}})
	s.await(1)
	s.until("it has left its queue", func() bool {
		q, err := s.session.InspectQueue(s.ctx, "celery")
		return err == nil && q.Ready+q.Unacked == 0
	})
	r, err := workers.ResultOf[int](s.App, "revoked")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
	if notes := fmt.Sprint(s.notes()); notes != "[1 ran]" {
		t.Errorf("noted %s, want the run, and nothing that follows a success", notes)
	}
}
