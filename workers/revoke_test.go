package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
	for _, r := range []*workers.Result[workers.None]{waits, later} { // at once
		if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
			t.Errorf("before there is a worker: got %v, want %v", err, workers.ErrRevoked)
		}
	}
	s.work(workers.WorkerConfig{})
	for _, r := range []*workers.Result[workers.None]{waits, later} {
		if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrRevoked) {
			t.Errorf("got %v, want %v", err, workers.ErrRevoked)
		}
		is(s, r, workers.Revoked)
	}
	wantNotes(s)
}

// What waits for another attempt does not get it.
func TestARevokedRetryDoesNotRun(t *testing.T) {
	var fails workers.Task0[int]
	bubble(t, func(s *shop) {
		fails = workers.Func0(s.App, "fails once more", func(context.Context) (int, error) {
			s.say("an attempt")
			return 0, errKnown
		}, workers.Retry(workers.RetryPolicy{Delay: time.Hour}))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		r := apply(s, fails.S())
		time.Sleep(time.Minute)
		is(s, r, workers.Retrying)
		if err := s.Revoke(s.ctx, r.ID()); err != nil {
			t.Fatal(err)
		}
		is(s, r, workers.Revoked)
		time.Sleep(2 * time.Hour)
		wantNotes(s, "an attempt")
		is(s, r, workers.Revoked)
	})
}

// That a task is revoked is remembered for as long as it waits.
func TestARevocationOutlastsTheWait(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	const wait = 60 * 24 * time.Hour
	r := apply(s, s.add.S(1, 1), workers.Countdown(wait))
	if err := s.Revoke(s.ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(s.ctx, tasksStream)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(s.ctx, "warren.v.tasks.revoked."+r.ID())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := time.ParseDuration(msg.Header.Get(jetstream.MsgTTLHeader)); err != nil || kept < wait {
		t.Errorf("it is kept for %v, %v; want %v at least", kept, err, wait)
	}
}

// TestATaskIsRevokedOrDone: however far a task is when it is revoked, nothing follows
// it unless it was done before.
func TestATaskIsRevokedOrDone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	stop := s.work(workers.WorkerConfig{Concurrency: 4})
	const n = 300
	var calls sync.WaitGroup
	states := make([]workers.State, n)
	for i := range n {
		calls.Go(func() {
			r := apply(s, s.ident.S(i).Link(s.show.P("followed")))
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			if err := r.Revoke(s.ctx); err != nil {
				t.Error(err)
			}
			_, err := r.Get(s.ctx)
			states[i] = workers.Succeeded
			if err != nil {
				states[i] = workers.Revoked
			}
			if err != nil && !errors.Is(err, workers.ErrRevoked) {
				t.Error(err)
			}
			is(s, r, states[i])
		})
	}
	calls.Wait()
	run(s, s.add.S(1, 1)) // behind all that followed
	stop()
	done := 0
	for i, state := range states {
		followed := slices.Contains(s.notes(), strconv.Itoa(i)+" followed")
		if followed && state != workers.Succeeded {
			t.Errorf("task %d is %s, and its callback has run", i, state)
		}
		if state == workers.Succeeded {
			done++
		}
	}
	t.Logf("%d were done, and %d callbacks ran", done, len(s.notes()))
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
