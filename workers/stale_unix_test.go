//go:build unix

package workers_test

import (
	"syscall"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

func (m *mate) signal(s syscall.Signal) {
	m.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.Fatal(err)
	}
}

// held is a chord whose only member is a task that is held, and calls back.
func (y *yard) held() *workers.Result[[]string] {
	y.Helper()
	note := workers.Skip[string](y.tell.S(0, "callback"))
	return apply(&y.shop, workers.Chord(workers.Group(y.hold.S("held").Link(note)), y.gather.P()))
}

// stalled is a worker that holds a task, and is stopped for longer than its lease.
func (y *yard) stalled() *mate {
	y.Helper()
	m := y.hire(order{Name: "stale", Concurrency: 1})
	y.until("held", m.name)
	m.signal(syscall.SIGSTOP)
	return m
}

// TestAStaleWorkerChangesNothing: one that wakes up after another has run its task
// leaves the record, the callbacks and the chord as that one made them.
func TestAStaleWorkerChangesNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: time.Second})
	ends := y.watchEnds()
	r := y.held()
	stale := y.stalled()
	newer := y.hire(order{Name: "newer", Concurrency: 1})
	y.until("held", newer.name)
	y.release(newer.name)
	wantGathered(t, y, r, "newer")
	y.until("callback", newer.name)
	stale.signal(syscall.SIGCONT)
	y.release(stale.name)
	stale.stop()
	newer.stop()
	wantGathered(t, y, r, "newer")
	y.wantEffects(map[string]int{"held": 2, "callback": 1, "gathered": 1})
	y.untilEmpty("celery")
	for id, states := range ends.await(3) {
		if len(states) != 1 {
			t.Errorf("task %s ended as %v, want one end", id, states)
		}
	}
}

// TestAStaleWorkerTakesNothingAway: what it acknowledges late is not lost with the
// worker that runs it by then.
func TestAStaleWorkerTakesNothingAway(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: time.Second})
	r := y.held()
	stale := y.stalled()
	newer := y.hire(order{Name: "newer", Concurrency: 1})
	y.until("held", newer.name)
	stale.signal(syscall.SIGCONT)
	y.release(stale.name)
	stale.stop()
	newer.kill()
	last := y.hire(order{Name: "last", Concurrency: 1})
	y.until("held", last.name)
	y.release(last.name)
	wantGathered(t, y, r, "last")
	y.untilEmpty("celery")
	last.stop()
	y.wantEffects(map[string]int{"held": 3, "callback": 1, "gathered": 1})
}

// TestAWorkerThatGetsItsOwnTaskAgain, because it was away for longer than the
// lease, runs it once, and loses it no more for that.
func TestAWorkerThatGetsItsOwnTaskAgain(t *testing.T) {
	t.Parallel()
	y := newYard(t, embeddedtest.Listen(t).Connect(t), workers.Config{Lease: time.Second})
	r := y.held()
	stale := y.hire(order{Name: "stale", Concurrency: 4})
	y.until("held", stale.name)
	stale.signal(syscall.SIGSTOP)
	y.untilUnheld("celery")
	stale.signal(syscall.SIGCONT)
	y.untilHeld("celery")
	stale.kill()
	heir := y.hire(order{Name: "heir", Concurrency: 4})
	y.until("held", heir.name)
	y.release(heir.name)
	wantGathered(t, y, r, "heir")
	y.untilEmpty("celery")
	heir.stop()
	y.wantEffects(map[string]int{"held": 2, "callback": 1, "gathered": 1})
}

func wantGathered(t *testing.T, y *yard, r *workers.Result[[]string], worker string) {
	t.Helper()
	if got, err := r.Get(y.ctx); err != nil || len(got) != 1 || got[0] != worker {
		t.Fatalf("the chord gave %v, %v; want the run of %s", got, err, worker)
	}
}
