package workers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// bubble is a shop with one worker of four places, under fake time.
func bubble(t *testing.T, register func(*shop), test func(*shop)) {
	t.Helper()
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		defer cancel()
		s.ctx = ctx
		register(s)
		s.connect(embeddedtest.Connect(t), workers.Config{})
		test(s)
	})
}

func TestTheSoftLimitIsTheCause(t *testing.T) {
	var held workers.Task1[string, string]
	bubble(t, func(s *shop) { held = s.held(workers.SoftLimit(time.Minute)) }, func(s *shop) {
		s.work(workers.WorkerConfig{})
		start := time.Now()
		err := failing(s, held.S("it"))
		if took := time.Since(start).Round(100 * time.Millisecond); took != time.Minute {
			t.Errorf("it ended after %v, want the limit of a minute", took)
		}
		if !errors.Is(err, workers.ErrSoftTimeLimit) {
			t.Errorf("got %v, want %v", err, workers.ErrSoftTimeLimit)
		}
		wantNotes(s, "it begins", "it: "+workers.ErrSoftTimeLimit.Error())
	})
}

// The limits of a call are stronger than those of its task, and each chooses its
// own.
func TestLimitsOfACall(t *testing.T) {
	var held workers.Task1[string, string]
	bubble(t, func(s *shop) {
		held = s.held(workers.SoftLimit(time.Hour), workers.HardLimit(2*time.Hour))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		for _, test := range []struct {
			limits []workers.Option
			after  time.Duration
			want   error
		}{
			{[]workers.Option{workers.SoftLimit(time.Minute)}, time.Minute, workers.ErrSoftTimeLimit},
			{[]workers.Option{workers.HardLimit(3 * time.Minute), workers.SoftLimit(2 * time.Minute)}, 2 * time.Minute, workers.ErrSoftTimeLimit},
			{[]workers.Option{workers.HardLimit(time.Minute)}, time.Minute, workers.ErrTimeLimit},
			{nil, time.Hour, workers.ErrSoftTimeLimit},
		} {
			start := time.Now()
			_, err := apply(s, held.S("it"), test.limits...).Get(s.ctx)
			if took := time.Since(start).Round(100 * time.Millisecond); took != test.after || !errors.Is(err, test.want) {
				t.Errorf("got %v after %v, want %v after %v", err, took, test.want, test.after)
			}
		}
		_, err := held.S("it").Apply(s.ctx, workers.SoftLimit(time.Minute), workers.HardLimit(time.Second))
		if err == nil || !strings.Contains(err.Error(), "the soft limit is longer than the hard one") {
			t.Errorf("got %v, want the limits refused", err)
		}
	})
}

// TestTheHardLimitFreesThePlace: of a task that does not care, which is counted for
// as long as it runs.
func TestTheHardLimitFreesThePlace(t *testing.T) {
	var stubborn workers.Task0[int]
	leave, left := make(chan struct{}), make(chan struct{})
	bubble(t, func(s *shop) {
		leave, left = make(chan struct{}), make(chan struct{})
		stubborn = workers.Func0(s.App, "stubborn", func(context.Context) (int, error) {
			defer close(left)
			<-leave
			return 1, nil
		}, workers.HardLimit(time.Minute))
	}, func(s *shop) {
		w, end, ended := s.begin(workers.WorkerConfig{Concurrency: 1})
		start := time.Now()
		r := apply(s, stubborn.S())
		next := apply(s, s.add.S(1, 1))
		if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrTimeLimit) {
			t.Errorf("got %v, want %v", err, workers.ErrTimeLimit)
		}
		is(s, r, workers.Failed)
		if got, err := next.Get(s.ctx); got != 2 || err != nil {
			t.Errorf("the next task gave %d, %v", got, err)
		}
		if took := time.Since(start).Round(100 * time.Millisecond); took != time.Minute {
			t.Errorf("both ended after %v, want the limit of a minute", took)
		}
		if got := w.Leaked(); got != 1 {
			t.Errorf("%d tasks leaked, want 1", got)
		}
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		close(leave)
		<-left
		is(s, r, workers.Failed)
	})
}

func TestAPanicHasItsTraceback(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	panics := workers.Func0(s.App, "panics", func(context.Context) (int, error) { panic("at the disco") })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	var f *workers.Failure
	err := failing(s, panics.S())
	if !errors.As(err, &f) || f.Type != "panic" || f.Message != "panic: at the disco" || !strings.Contains(f.Traceback, "limits_test.go") {
		t.Errorf("got %#v, want the panic with the stack of this file", err)
	}
	if got := run(s, s.add.S(1, 1)); got != 2 {
		t.Errorf("the next task gave %d, want 2", got)
	}
}

func TestTasksThatExpireAreRevoked(t *testing.T) {
	bubble(t, func(*shop) {}, func(s *shop) {
		late := apply(s, s.note.S("it", "ran"), workers.Expires(time.Minute))
		soon := apply(s, s.note.S("it", "ran in time"), workers.Expires(time.Hour))
		time.Sleep(2 * time.Minute) // no worker is there
		s.work(workers.WorkerConfig{})
		if _, err := late.Get(s.ctx); !errors.Is(err, workers.ErrExpired) {
			t.Errorf("got %v, want %v", err, workers.ErrExpired)
		}
		is(s, late, workers.Revoked)
		if _, err := soon.Get(s.ctx); err != nil {
			t.Error(err)
		}
		wantNotes(s, "it ran in time")
	})
}

// TestATaskMayOutlastItsRecord: that it has begun is known for as long as it runs,
// and what follows it comes, however soon its result is to be forgotten.
func TestATaskMayOutlastItsRecord(t *testing.T) {
	var long workers.Task0[int]
	bubble(t, func(s *shop) {
		long = workers.Func0(s.App, "long", func(context.Context) (int, error) {
			s.say("begins")
			time.Sleep(time.Minute)
			return 7, nil
		}, workers.ResultExpires(1500*time.Millisecond))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		r := apply(s, long.S().Link(s.show.P("followed")))
		s.await(1)
		time.Sleep(30 * time.Second)
		is(s, r, workers.Started)
		if got, err := r.Get(s.ctx); got != 7 || err != nil {
			t.Errorf("got %d, %v; want 7", got, err)
		}
		wantNotes(s, "begins", "7 followed")
		time.Sleep(5 * time.Second)
		is(s, r, workers.Unknown)
	})
}
