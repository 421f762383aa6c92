package workers_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// reads counts how often the store of tasks is read: several keys at once, and one.
type reads struct{ many, one atomic.Int64 }

func countReads(t *testing.T, nc *nats.Conn) *reads {
	t.Helper()
	r := new(reads)
	for subject, n := range map[string]*atomic.Int64{"$JS.API.DIRECT.GET.>": &r.many, "$JS.API.STREAM.MSG.GET.>": &r.one} {
		if _, err := nc.Subscribe(subject, func(*nats.Msg) { n.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *reads) reset() {
	r.many.Store(0)
	r.one.Store(0)
}

// Who wants to know whether a member of a chord is done does not read what it has come
// to: results are read once, for the body.
func TestChord_ResultsAreReadOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page := workers.Func1(s.App, "page", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	sizes := workers.Func1(s.App, "sizes", func(_ context.Context, list []string) (int, error) { return len(strings.Join(list, "")), nil })
	nested := workers.Func1(s.App, "nested", func(_ context.Context, lists [][]string) (int, error) {
		n := 0
		for _, list := range lists {
			n += len(strings.Join(list, ""))
		}
		return n, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 4})
	r := countReads(t, s.conn)
	pages := func(n int) workers.Sig[[]string] {
		var calls []workers.Sig[string]
		for range n {
			calls = append(calls, page.S(200_000))
		}
		return workers.Group(calls...)
	}
	// A read of all results may be done by two who come to the end together.
	if n, err := workers.Chord(pages(12), sizes.P()).Run(s.ctx); err != nil || n != 12*200_000 {
		t.Errorf("got %d, %v", n, err)
	}
	if many, one := r.many.Load(), r.one.Load(); many > 4 || one > 24 {
		t.Errorf("%d reads of several slots and %d of one, want 4 and 24 at most", many, one)
	}
	r.reset()
	groups := workers.Group(pages(6), pages(6), pages(6))
	if n, err := workers.Chord(groups, nested.P()).Run(s.ctx); err != nil || n != 18*200_000 {
		t.Errorf("nested groups: got %d, %v", n, err)
	}
	if many, one := r.many.Load(), r.one.Load(); many > 10 || one > 48 {
		t.Errorf("nested groups: %d reads of several slots and %d of one, want 10 and 48 at most", many, one)
	}
}

// A group of more members than are counted at once keeps results of more than a
// thousand bytes apart, and its slots small.
func TestChord_SlotsOfALargeGroupAreSmall(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page := workers.Func1(s.App, "page", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	sizes := workers.Func1(s.App, "sizes", func(_ context.Context, list []string) (int, error) { return len(strings.Join(list, "")), nil })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 4})
	var largest atomic.Int64
	if _, err := s.conn.Subscribe("*.v.tasks.join.>", func(m *nats.Msg) {
		if n := int64(len(m.Data)); strings.Contains(m.Subject, ".0.") && n > largest.Load() {
			largest.Store(n)
		}
	}); err != nil {
		t.Fatal(err)
	}
	var calls []workers.Sig[string]
	for range 140 {
		calls = append(calls, page.S(10_000))
	}
	if n, err := workers.Chord(workers.Group(calls...), sizes.P()).Run(s.ctx); err != nil || n != 140*10_000 {
		t.Errorf("got %d, %v", n, err)
	}
	if n := largest.Load(); n == 0 || n > 2000 {
		t.Errorf("the largest slot has %d bytes, want no more than a thousand and its frame", n)
	}
}
