package workers_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// late is how much later than its time the broker may send what waits.
const late = 300 * time.Millisecond

// trier adds a task that fails as often as it is told, and notes when it ran.
func (s *shop) trier(name string, fail func(attempt int) error, times *[]time.Time, opts ...workers.Option) workers.Task0[int] {
	return workers.Func0(s.App, name, func(ctx context.Context) (int, error) {
		r, _ := workers.RequestOf(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		*times = append(*times, time.Now())
		return r.Retries, fail(r.Retries)
	}, opts...)
}

// wantGaps checks how long after one another a task ran.
func wantGaps(s *shop, what string, times []time.Time, want ...time.Duration) {
	s.Helper()
	if len(times) != len(want)+1 {
		s.Errorf("%s: %d runs, want %d", what, len(times), len(want)+1)
		return
	}
	for i := range want {
		if got := times[i+1].Sub(times[i]); got < want[i] || got > want[i]+late {
			s.Errorf("%s: retry %d came after %v, want %v", what, i+1, got, want[i])
		}
	}
}

func TestRetriesFollowThePolicy(t *testing.T) {
	always := func(int) error { return errKnown }
	until := func(n int, err error) func(int) error {
		return func(attempt int) error {
			if attempt < n {
				return err
			}
			return nil
		}
	}
	for _, test := range []struct {
		name   string
		fail   func(int) error
		policy *workers.RetryPolicy
		gaps   []time.Duration
		want   error
	}{
		{"none", always, nil, nil, errKnown},
		{"at once", always, &workers.RetryPolicy{Max: 2}, []time.Duration{0, 0}, errKnown},
		{"delay", until(2, errKnown), &workers.RetryPolicy{Max: 5, Delay: time.Minute}, []time.Duration{time.Minute, time.Minute}, nil},
		{"backoff", always, &workers.RetryPolicy{Max: 4, Delay: time.Minute, Backoff: 2, MaxDelay: 5 * time.Minute},
			[]time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute}, errKnown},
		{"asked for", until(2, workers.RetryIn(3*time.Minute, errKnown)), nil, []time.Duration{3 * time.Minute, 3 * time.Minute}, nil},
		{"asked for too often", until(9, workers.RetryIn(time.Second, errKnown)), nil, []time.Duration{time.Second, time.Second, time.Second}, errKnown},
		{"rejected", until(9, workers.Reject(errKnown)), &workers.RetryPolicy{Max: 5}, nil, errKnown},
	} {
		t.Run(test.name, func(t *testing.T) {
			var times []time.Time
			var task workers.Task0[int]
			bubble(t, func(s *shop) {
				var opts []workers.Option
				if test.policy != nil {
					opts = append(opts, workers.Retry(*test.policy))
				}
				task = s.trier("trier", test.fail, &times, opts...)
			}, func(s *shop) {
				s.work(workers.WorkerConfig{})
				r := apply(s, task.S())
				got, err := r.Get(s.ctx)
				if test.want == nil && (err != nil || got != len(test.gaps)) {
					s.Errorf("got %d, %v; want success in attempt %d", got, err, len(test.gaps))
				}
				if !errors.Is(err, test.want) {
					s.Errorf("got %v, want %v", err, test.want)
				}
				var f *workers.Failure
				if errors.As(err, &f) && f.Attempt != len(test.gaps)+1 {
					s.Errorf("it failed in attempt %d, want %d", f.Attempt, len(test.gaps)+1)
				}
				wantGaps(s, test.name, times, test.gaps...)
			})
		})
	}
}

func TestJitterStaysBelowTheDelay(t *testing.T) {
	var times []time.Time
	var task workers.Task0[int]
	bubble(t, func(s *shop) {
		policy := workers.RetryPolicy{Max: 20, Delay: time.Minute, Jitter: true}
		task = s.trier("trier", func(int) error { return errKnown }, &times, workers.Retry(policy))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		_ = failing(s, task.S())
		var all, longest time.Duration
		for i := range 20 {
			gap := times[i+1].Sub(times[i])
			longest, all = max(longest, gap), all+gap
		}
		if longest > time.Minute+late || all < time.Minute || all > 19*time.Minute {
			t.Errorf("retries came after %v at most, %v together; want random moments up to a minute", longest, all)
		}
	})
}

// TestAnIgnoredTaskEndsWithoutATrace: nothing is recorded, and nothing follows.
func TestAnIgnoredTaskEndsWithoutATrace(t *testing.T) {
	var times []time.Time
	var task workers.Task0[int]
	bubble(t, func(s *shop) {
		task = s.trier("trier", func(int) error { return workers.ErrIgnore }, &times, workers.Retry(workers.RetryPolicy{}))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		r := apply(s, task.S().Link(s.show.P("never")))
		ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
		defer cancel()
		if _, err := r.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want nothing in a minute", err)
		}
		is(s, r, workers.Pending)
		wantGaps(s, "ignored", times)
		wantNotes(s)
	})
}

func TestNothingBeginsBeforeItsTime(t *testing.T) {
	began := make(map[string]time.Time)
	var note workers.Task1[string, workers.None]
	bubble(t, func(s *shop) {
		note = workers.Func1(s.App, "when", func(_ context.Context, what string) (workers.None, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			began[what] = time.Now()
			return workers.None{}, nil
		})
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		start := time.Now()
		want := map[string]time.Duration{"in a moment": 50 * time.Millisecond, "in a minute": 61*time.Second + time.Millisecond, "in a while": 10 * time.Minute}
		var waiting []*workers.Result[workers.None]
		for what, in := range want {
			waiting = append(waiting,
				apply(s, note.S(what), workers.Countdown(in)),
				apply(s, note.S(what+", exactly"), workers.ETA(start.Add(in))))
		}
		for _, r := range waiting {
			if _, err := r.Get(s.ctx); err != nil {
				t.Error(err)
			}
		}
		for what, in := range want {
			for _, what := range []string{what, what + ", exactly"} {
				if got := began[what].Sub(start); got < in || got > in+late {
					t.Errorf("%q began after %v, want %v", what, got, in)
				}
			}
		}
	})
}

// TestTasksForMuchLaterRunOnce: an ETA of a hundred leases is no trouble, and until
// then they are the broker's and in no worker.
func TestTasksForMuchLaterRunOnce(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		s.ctx = ctx
		const tasks, lease = 20, 3 * time.Second
		s.connect(embeddedtest.Connect(t), workers.Config{Lease: lease})
		s.work(workers.WorkerConfig{})
		eta := time.Now().Add(100 * lease)
		var waiting []*workers.Result[workers.None]
		for i := range tasks {
			waiting = append(waiting, apply(s, s.note.S("ran", fmt.Sprint(i)), workers.ETA(eta)))
		}
		time.Sleep(50 * lease)
		session, err := streams.Open(s.ctx, s.conn, streams.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = session.Close(s.ctx) }()
		q, err := session.InspectQueue(s.ctx, "warren.later")
		if err != nil || q.Scheduled != tasks || q.Unacked != 0 {
			t.Errorf("half way there are %d scheduled and %d in workers, %v; want %d and none", q.Scheduled, q.Unacked, err, tasks)
		}
		wantNotes(s)
		for _, r := range waiting {
			is(s, r, workers.Pending)
		}
		for _, r := range waiting {
			if _, err := r.Get(s.ctx); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * lease)
		if notes := s.notes(); len(notes) != tasks {
			t.Errorf("%d runs of %d tasks: %q", len(notes), tasks, notes)
		}
	})
}

// Tasks that fail again and again, more of them than there are places, do not keep
// fresh ones from running: those that wait for another attempt hold no place, and
// get no turn before who was there first.
func TestAStormOfRetriesStarvesNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var attempts atomic.Int64
	stormy := workers.Func0(s.App, "stormy", func(context.Context) (int, error) {
		attempts.Add(1)
		return 0, errBroken
	}, workers.Retry(workers.RetryPolicy{Max: 1_000_000, Delay: time.Millisecond}))
	s.connect(embeddedtest.Connect(t), workers.Config{Logger: slog.New(slog.DiscardHandler)})
	s.work(workers.WorkerConfig{Concurrency: 2})
	const storm = 50
	for range storm {
		apply(s, stormy.S())
	}
	for range 20 {
		before := attempts.Load()
		if got := run(s, s.add.S(1, 1)); got != 2 {
			t.Fatalf("got %d, want 2", got)
		}
		for attempts.Load() == before { // the storm goes on
			pause(s.ctx, t)
		}
	}
}

func pause(ctx context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
		t.Fatal("nothing goes on")
	}
}

// TestRetryPolicy_LongDelayIsObeyed: in an hour, when an hour was asked for, and the
// same where it is refused what a bound would cut.
func TestRetryPolicy_LongDelayIsObeyed(t *testing.T) {
	var late workers.Task0[int]
	bubble(t, func(s *shop) {
		late = workers.Func0(s.App, "late", func(context.Context) (int, error) { s.say("tried"); return 0, errBroken },
			workers.Retry(workers.RetryPolicy{Max: 2, Delay: time.Hour}))
	}, func(s *shop) {
		s.work(workers.WorkerConfig{})
		start := time.Now()
		_ = failing(s, late.S())
		if took := time.Since(start).Round(time.Minute); took != 2*time.Hour {
			t.Errorf("two retries came within %v, want 2h", took)
		}
		for what, p := range map[string]workers.RetryPolicy{
			"longer than its bound": {Delay: time.Hour, MaxDelay: time.Minute},
			"set MaxDelay":          {Delay: 20 * time.Minute, Backoff: 2},
		} {
			if _, err := late.S().Apply(s.ctx, workers.Retry(p)); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("got %v, want an error with %q", err, what)
			}
		}
		for _, p := range []workers.RetryPolicy{
			{Delay: 20 * time.Minute, Backoff: 2, MaxDelay: time.Hour}, {Delay: 20 * time.Minute, Backoff: 1}, {Delay: time.Minute, Backoff: 2},
		} {
			if _, err := late.S().Apply(s.ctx, workers.Retry(p)); err != nil {
				t.Errorf("%+v: %v", p, err)
			}
		}
	})
}
