package beat_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
	"warren/workers/internal/beattest"
)

// ledger notes the runs of an entry that is due every second.
type ledger struct {
	mu   sync.Mutex
	runs map[time.Time]int
	news chan struct{}
}

func newLedger() *ledger {
	return &ledger{runs: make(map[time.Time]int), news: make(chan struct{}, 1)}
}

func (l *ledger) note(r workers.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[r.Scheduled]++
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// newest is the time of the last run so far.
func (l *ledger) newest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var newest time.Time
	for due := range l.runs {
		if due.After(newest) {
			newest = due
		}
	}
	return newest
}

// await waits until there is a run that was due after a time.
func (l *ledger) await(t *testing.T, after time.Time) {
	t.Helper()
	patience := time.After(time.Minute)
	for !l.newest().After(after) {
		select {
		case <-l.news:
		case <-patience:
			t.Fatalf("no run is due after %v; the last was at %v", after, l.newest())
		}
	}
}

// gaps says what is missing of the runs, and what ran twice.
func (l *ledger) gaps() (missing, twice []time.Time) {
	newest := l.newest()
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := newest
	for due, n := range l.runs {
		if n > 1 {
			twice = append(twice, due)
		}
		if due.Before(oldest) {
			oldest = due
		}
	}
	for due := oldest; due.Before(newest); due = due.Add(time.Second) {
		if l.runs[due] == 0 {
			missing = append(missing, due)
		}
	}
	return missing, twice
}

// Three schedulers in processes of their own, of which the one that leads is
// killed, twice, and a broker that is killed too: every second has its run, and one
// only.
func TestSchedulersAreKilled(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Process(t, embedded.Config{})
	l := newLedger()
	app, _ := beattest.Seconds(l.note)
	if err := app.Connect(t.Context(), server.Connect(t), workers.Config{Lease: beattest.Lease}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close(context.Background()) })
	w := app.Worker(workers.WorkerConfig{})
	beattest.Background(t, "the worker", w.Run)
	<-w.Ready()

	first := beattest.Start(t, server.URL())
	<-first.Leads
	second, third := beattest.Start(t, server.URL()), beattest.Start(t, server.URL())
	l.await(t, time.Now())
	first.Kill()
	next := second
	select {
	case <-second.Leads:
	case <-third.Leads:
		next = third
	}
	l.await(t, time.Now())
	server.Kill(t)
	cut := l.newest() // its end may not have been recorded
	server.Restart(t)
	l.await(t, time.Now())
	next.Kill()
	l.await(t, time.Now().Add(time.Second))
	// What the last leader was about to send, the next one has sent first.
	missing, twice := l.gaps()
	twice = slices.DeleteFunc(twice, func(due time.Time) bool { return due.Equal(cut) })
	if len(missing)+len(twice) > 0 {
		t.Errorf("missing are the runs of %v, twice ran those of %v", missing, twice)
	}
}
