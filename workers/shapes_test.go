package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestTasks_OfAllShapes: functions of three and four parameters, of one struct, and
// those without a result, sent, called here and put behind others.
func TestTasks_OfAllShapes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	three := workers.Func3(s.App, "three", func(_ context.Context, a, b string, n int) (string, error) { return strings.Repeat(a+b, n), nil })
	four := workers.Func4(s.App, "four", func(_ context.Context, a, b, c, d int) (int, error) { return a*1000 + b*100 + c*10 + d, nil })
	area := workers.Task(s.App, "area", func(_ context.Context, a Area) (int, error) { return a.Width * a.Height, nil })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	wantOf(t, "Func3", "ababab")(three.S("a", "b", 3).Run(s.ctx))
	wantOf(t, "Func3 here", "abab")(three.Call(s.ctx, "a", "b", 2))
	wantOf(t, "Func4", 1234)(four.S(1, 2, 3, 4).Run(s.ctx))
	wantOf(t, "Func4 here", 1234)(four.Call(s.ctx, 1, 2, 3, 4))
	wantOf(t, "Func4 behind", 3234)(workers.Chain2(s.add.S(1, 2), four.P(2, 3, 4)).Run(s.ctx))
	wantOf(t, "a struct", 12)(area.S(Area{3, 4}).Run(s.ctx))
	wantOf(t, "a struct here", 12)(area.Call(s.ctx, Area{3, 4}))
	sent, err := area.Delay(s.ctx, Area{Width: 2, Height: 3})
	if err != nil {
		t.Fatal(err)
	}
	wantOf(t, "a struct, sent", 6)(sent.Get(s.ctx))
	if got, want := fmt.Sprint(sent), "task "+sent.ID(); got != want {
		t.Errorf("a result prints as %q, want %q", got, want)
	}
	text, err := three.Delay(s.ctx, "x", "y", 1)
	if err != nil {
		t.Fatal(err)
	}
	wantOf(t, "Func3, sent", "xy")(text.Get(s.ctx))
	r, err := four.Delay(s.ctx, 4, 3, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	wantOf(t, "Func4, sent", 4321)(r.Get(s.ctx))
}

func wantOf[R comparable](t *testing.T, what string, want R) func(R, error) {
	t.Helper()
	return func(got R, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", what, got, err, want)
		}
	}
}

// TestChains_OfAllLengths: each step is given what the one before came to.
func TestChains_OfAllLengths(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, next := s.add.S(1, 0), s.add.P
	wantOf(t, "Chain4", 1234+1-1)(workers.Chain4(one, next(33), next(200), next(1000)).Run(s.ctx))
	wantOf(t, "Chain5", 24)(workers.Chain5(one, next(1), next(1), next(1), s.mul.P(6)).Run(s.ctx))
	wantOf(t, "Chain6", 26)(workers.Chain6(one, next(1), next(1), next(1), s.mul.P(6), next(2)).Run(s.ctx))
}

// TestDo_TasksWithoutAResult succeed with none, or fail.
func TestDo_TasksWithoutAResult(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	note := func(args ...any) { s.say("%s", fmt.Sprint(args...)) }
	do0 := workers.Do0(s.App, "do0", func(context.Context) error { note(0); return nil })
	do1 := workers.Do1(s.App, "do1", func(_ context.Context, a int) error { note(a); return nil })
	do2 := workers.Do2(s.App, "do2", func(_ context.Context, a, b int) error { note(a, b); return nil })
	do3 := workers.Do3(s.App, "do3", func(_ context.Context, a, b, c int) error { note(a, b, c); return nil })
	do4 := workers.Do4(s.App, "do4", func(_ context.Context, a, b, c, d int) error { note(a, b, c, d); return nil })
	fails := workers.Do0(s.App, "do_fails", func(context.Context) error { return errKnown })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	for _, call := range []workers.Sig[workers.None]{do0.S(), do1.S(1), do2.S(1, 2), do3.S(1, 2, 3), do4.S(1, 2, 3, 4)} {
		run(s, call)
	}
	wantNotes(s, "0", "1", "1 2", "1 2 3", "1 2 3 4")
	if err := failing(s, fails.S()); !errors.Is(err, errKnown) {
		t.Errorf("got %v, want %v", err, errKnown)
	}
}

// TestCallOptions_CanBeSet by who makes a signature by hand.
func TestCallOptions_CanBeSet(t *testing.T) {
	t.Parallel()
	s := open(t)
	raw := func(args ...string) (list []json.RawMessage) {
		for _, arg := range args {
			list = append(list, json.RawMessage(arg))
		}
		return list
	}
	sig := workers.Signature{Kind: workers.KindTask, Task: "add", Args: raw("1", "2"), Options: workers.CallOptions{
		Expires: &workers.Expiry{After: time.Hour}, Countdown: workers.Seconds(time.Millisecond), HardLimit: workers.Seconds(time.Minute),
		Headers: map[string]string{"from": "here"},
		Link:    []workers.Signature{{Kind: workers.KindTask, Task: "show", Args: raw(`"linked"`)}},
	}}
	apply := func() error {
		r, err := s.Canvas(sig).Apply(s.ctx)
		if err != nil {
			return err
		}
		got, err := r.Get(s.ctx)
		if string(got) != "3" {
			t.Errorf("got %s, want 3", got)
		}
		return err
	}
	if err := apply(); err != nil {
		t.Error(err)
	}
	s.await(1)
	wantNotes(s, "3 linked")
	sig.Options.Expires.At = time.Now()
	if err := apply(); err == nil || !strings.Contains(err.Error(), "a moment and a duration") {
		t.Errorf("got %v, want an expiry of two kinds refused", err)
	}
	sig.Options.Expires, sig.Options.ETA = nil, &workers.Moment{Time: time.Now()}
	if err := apply(); err == nil || !strings.Contains(err.Error(), "countdown") {
		t.Errorf("got %v, want both a countdown and an ETA refused", err)
	}
	if got := fmt.Sprint(workers.Stats{Uptime: workers.Seconds(90 * time.Second)}.Uptime); got != "1m30s" {
		t.Errorf("an uptime of 90 s prints as %s", got)
	}
}
