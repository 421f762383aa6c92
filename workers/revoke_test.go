package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// held adds a task to a shop that runs until its context ends, and says why it did.
func (s *shop) held(opts ...workers.Option) workers.Task1[string, string] {
	return workers.Func1(s.App, "held", func(ctx context.Context, what string) (string, error) {
		s.say("%s begins", what)
		<-ctx.Done()
		s.say("%s: %v", what, context.Cause(ctx))
		return "", ctx.Err()
	}, opts...)
}

func wantNotes(s *shop, want ...string) {
	s.Helper()
	got := s.await(len(want))
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			s.Errorf("noted %q, want %q", got, want)
			return
		}
	}
}

func TestWhatIsRevokedDoesNotRunInALaterWorker(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	first := s.work(workers.WorkerConfig{Queues: []string{"elsewhere"}})
	waits := apply(s, s.note.S("it", "ran"))
	later := apply(s, s.note.S("it", "ran later"), workers.Countdown(time.Second))
	for _, r := range []*workers.Result[workers.None]{waits, later} {
		if err := r.Revoke(s.ctx); err != nil {
			t.Fatal(err)
		}
	}
	first()
	s.work(workers.WorkerConfig{})
	for _, r := range []*workers.Result[workers.None]{waits, later} {
		if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
			t.Errorf("got %v, want %v", err, workers.ErrRevoked)
		}
		is(s, r, workers.Revoked)
	}
	wantNotes(s)
}

func TestARevokedTaskIsCancelled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	held := s.held()
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	r := apply(s, held.S("it"))
	s.await(1)
	if err := s.Revoke(s.ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want %v", err, workers.ErrRevoked)
	}
	is(s, r, workers.Revoked)
	wantNotes(s, "it begins", "it: "+workers.ErrRevoked.Error())
	if got := run(s, s.add.S(1, 1)); got != 2 {
		t.Errorf("the next task gave %d, want 2", got)
	}
}

// TestAllOfACanvasIsRevoked: what runs of it, what waits, and what comes later.
func TestAllOfACanvasIsRevoked(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	held := s.held()
	after := workers.Func1(s.App, "after", func(_ context.Context, list []string) (int, error) {
		s.say("after ran")
		return len(list), nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1})
	members := workers.Group(held.S("first"), held.S("second"), held.S("third"))
	r := apply(s, workers.Chain3(members, after.P(), s.ident.P()).LinkError(s.onFail.P("failed")))
	s.await(1)
	if err := r.Revoke(s.ctx); err != nil {
		t.Fatal(err)
	}
	for h := r.Parent(); h != nil; h = h.Parent() {
		handles := h.Members()
		if len(handles) == 0 {
			handles = []*workers.Result[json.RawMessage]{h}
		}
		for _, h := range handles {
			if _, err := h.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
				t.Errorf("task %s: got %v, want %v", h.ID(), err, workers.ErrRevoked)
			}
			is(s, h, workers.Revoked)
		}
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
		t.Errorf("got %v, want %v", err, workers.ErrRevoked)
	}
	is(s, r, workers.Revoked)
	notes := s.await(2)
	if len(notes) != 2 || notes[1] != notes[0][:len(notes[0])-len(" begins")]+": "+workers.ErrRevoked.Error() {
		t.Errorf("noted %q, want one member, cancelled", notes)
	}
}
