package workers_test

import (
	"sync"
	"testing"
	"time"

	"warren/workers"
)

func TestOneTaskOfAKey(t *testing.T) {
	t.Parallel()
	s := open(t)
	const callers = 16
	ids := make(chan string, callers)
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			r := apply(s, s.show.S(1, "once"), workers.Unique("a key / with anything.in *it>", time.Minute))
			if _, err := r.Get(s.ctx); err != nil {
				t.Error(err)
			}
			ids <- r.ID()
		})
	}
	calls.Wait()
	close(ids)
	want := <-ids
	for id := range ids {
		if id != want {
			t.Errorf("got a handle on task %s, want the first one, %s", id, want)
		}
	}
	run(s, s.show.S(2, "done"))
	if got := s.await(2); len(got) != 2 {
		t.Errorf("noted %q, want the unique task once", got)
	}
	if other := apply(s, s.show.S(3, "other"), workers.Unique("another key", time.Minute+time.Second/2)); other.ID() == want {
		t.Error("another key gave the same task")
	}
}

func TestUniqueTasksAreSingle(t *testing.T) {
	t.Parallel()
	s := open(t)
	single := s.add.S(1, 1).With(workers.Unique("key", time.Minute))
	for name, sig := range map[string]workers.Sig[int]{
		"in a chain": workers.Chain2(single, s.mul.P(2)),
		"a chain":    workers.Chain2(s.add.S(1, 1), s.mul.P(2)).With(workers.Unique("key", time.Minute)),
		"no key":     s.add.S(1, 1).With(workers.Unique("", time.Minute)),
		"no time":    s.add.S(1, 1).With(workers.Unique("key", time.Millisecond)),
	} {
		if _, err := sig.Apply(s.ctx); err == nil {
			t.Errorf("%s: it was sent", name)
		}
	}
}
