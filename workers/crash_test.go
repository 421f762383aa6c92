package workers_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
	"warren/workers/beat"
	"warren/workers/internal/beattest"
)

// stored are the subjects of what the stores of tasks and of beat have, markers
// among it.
func stored(t *testing.T, nc *nats.Conn) []string {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	var subjects []string
	for _, name := range []string{"warren~v~tasks", "warren~v~beat"} {
		stream, err := js.Stream(t.Context(), name)
		must(t, err)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		must(t, err)
		for subject := range info.State.Subjects {
			subjects = append(subjects, subject)
		}
	}
	slices.Sort(subjects)
	return subjects
}

// until asks again and again, until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for !so() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: it was not so within a minute", what)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A grave is what an app has had and has no more: of each kind of record at least
// one, most of them written several times.
type grave struct {
	*shop
	forgotten, expired string
}

// dig has the app write and lose its records.
func (s *shop) dig(t *testing.T) grave {
	t.Helper()
	g := grave{shop: s}
	stop := s.work(workers.WorkerConfig{Name: "ended"})
	store, err := s.session().DeclareStore(s.ctx, "tasks", streams.StoreOptions{})
	must(t, err)
	for range 3 {
		must(t, s.Pause(s.ctx, "celery"))
		rewrite(t, store, "worker.>")
	}
	_, err = s.Resume(s.ctx, "celery")
	must(t, err)
	if got := run(s, workers.Chord(workers.Group(s.add.S(1, 2), s.add.S(3, 4)), s.xsum.P())); got != 10 {
		t.Errorf("the chord gave %d, want 10", got)
	}
	if got := run(s, workers.Repeat(s.add.S(0, 0), s.add.P(1), 40)); got != 40 {
		t.Errorf("the chain gave %d, want 40", got)
	}
	for range 2 { // of which the second is sent when the first key has expired
		r := apply(s, s.add.S(1, 1), workers.Unique("key", time.Second))
		_, err = r.Get(s.ctx)
		must(t, err)
		until(t, "the key expires", func() bool { return !has(stored(t, s.conn), ".unique.") })
		must(t, r.Forget(s.ctx))
	}
	r := apply(s, s.add.S(2, 2))
	_, err = r.Get(s.ctx)
	must(t, err)
	must(t, r.Forget(s.ctx))
	g.forgotten = r.ID()
	r = apply(s, s.add.S(3, 3), workers.ResultExpires(time.Second))
	_, err = r.Get(s.ctx)
	must(t, err)
	g.expired = r.ID()
	for _, every := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour} {
		must(t, beat.Put(s.ctx, s.App, beat.Entry{Name: "removed", Schedule: beat.Every(every), Call: s.add.S(1, 1), AtStart: true}))
	}
	must(t, beat.Delete(s.ctx, s.App, "removed"))
	stop()
	return g
}

// rewrite writes what matches once more.
func rewrite(t *testing.T, store *streams.Store, pattern string) {
	t.Helper()
	var puts []streams.Put
	must(t, store.Range(t.Context(), pattern, func(e streams.Entry) bool {
		puts = append(puts, streams.Put{Key: e.Key, Value: e.Value, TTL: 15 * time.Second})
		return true
	}))
	for _, p := range puts {
		_, err := store.Put(t.Context(), p)
		must(t, err)
	}
}

func has(subjects []string, part string) bool {
	return slices.ContainsFunc(subjects, func(subject string) bool { return strings.Contains(subject, part) })
}

// TestCrash_WhatIsGoneStaysGone: beat entries, pauses, workers that ended, the lease of a
// scheduler that was killed, unique keys, what a chord needed, results that were
// forgotten or expired, when the broker is killed after their markers have gone.
func TestCrash_WhatIsGoneStaysGone(t *testing.T) {
	t.Parallel()
	broker := embeddedtest.Process(t, embedded.Config{})
	s := newShop(t)
	s.connect(broker.Connect(t, nats.ReconnectWait(20*time.Millisecond)), workers.Config{Lease: beattest.Lease}.MarkersLive(time.Second))
	scheduler := beattest.Start(t, broker.URL())
	<-scheduler.Leads
	must(t, beat.Put(s.ctx, s.App, beat.Entry{Name: "kept", Schedule: beat.Every(time.Hour), Call: s.add.S(1, 1)}))
	g := s.dig(t)
	scheduler.Kill()
	gone := []string{".control.", ".worker.", ".unique.", ".launch.", ".join.", ".page.", ".removed", ".leader", g.forgotten, g.expired}
	var before []string
	until(t, "everything is gone", func() bool {
		before = stored(t, s.conn)
		return !slices.ContainsFunc(gone, func(part string) bool { return has(before, part) })
	})
	broker.Restart(t)
	for range 2 { // elsewhere in both stores
		must(t, beat.Put(s.ctx, s.App, beat.Entry{Name: "other", Schedule: beat.Every(time.Hour), Call: s.add.S(1, 1)}))
		_, err := s.add.Delay(s.ctx, 1, 1)
		must(t, err)
	}
	broker.Kill(t)
	broker.Restart(t)
	until(t, "the broker is there", func() bool { _, err := s.Paused(s.ctx); return err == nil })
	for _, part := range gone {
		if after := stored(t, s.conn); has(after, part) {
			t.Errorf("%s came back: before the kill there was %q, then %q", part, before, after)
		}
	}
	g.wantGone(t)
	next := beattest.Start(t, broker.URL())
	select {
	case <-next.Leads:
	case <-s.ctx.Done():
		t.Error("no scheduler leads any more")
	}
}

// wantGone looks at what an app says of its records.
func (g grave) wantGone(t *testing.T) {
	t.Helper()
	if paused, err := g.Paused(g.ctx); err != nil || len(paused) > 0 {
		t.Errorf("paused: got %q, %v; want none", paused, err)
	}
	entries, err := beat.Entries(g.ctx, g.App)
	must(t, err)
	for _, e := range entries {
		if e.Name == "removed" {
			t.Error("the removed entry came back")
		}
	}
	ctx, cancel := context.WithTimeout(g.ctx, time.Minute)
	defer cancel()
	if there, err := g.Control().Ping(ctx); err != nil || len(there) > 0 {
		t.Errorf("workers: got %v, %v; want none", there, err)
	}
	for _, id := range []string{g.forgotten, g.expired} {
		r, err := workers.ResultOf[int](g.App, id)
		must(t, err)
		if state, err := r.State(g.ctx); state != workers.Unknown || err != nil {
			t.Errorf("task %s is %s, %v; want %s", id, state, err, workers.Unknown)
		}
	}
	g.work(workers.WorkerConfig{Name: "new"})
	if got := run(g.shop, g.add.S(20, 22)); got != 42 {
		t.Errorf("the new worker gave %d, want 42", got)
	}
}
