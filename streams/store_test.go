package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

func declareStore(tb testing.TB, s *streams.Session, o streams.StoreOptions) *streams.Store {
	tb.Helper()
	store, err := s.DeclareStore(tb.Context(), "store", o)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

func put(tb testing.TB, store *streams.Store, p streams.Put) uint64 {
	tb.Helper()
	revision, err := store.Put(tb.Context(), p)
	if err != nil {
		tb.Fatal(err)
	}
	return revision
}

func value(key, value string) streams.Put { return streams.Put{Key: key, Value: []byte(value)} }

func show(e streams.Entry) string {
	if e.Gone != streams.Present {
		return e.Key + " " + e.Gone.String()
	}
	return e.Key + "=" + string(e.Value)
}

func TestAStoreKeepsTheLastValueOfEachKey(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ours, theirs := declareStore(t, a, streams.StoreOptions{}), declareStore(t, b, streams.StoreOptions{})
	first := put(t, ours, value("a.b", "1"))
	second := put(t, theirs, value("a.b", "2"))
	if second <= first {
		t.Errorf("the second write has revision %d, the first %d; want it to grow", second, first)
	}
	got, err := ours.Get(t.Context(), "a.b")
	must(t, err)
	if show(got) != "a.b=2" || got.Revision != second || time.Since(got.Time).Abs() > time.Minute {
		t.Errorf("got %+v, want value 2 at revision %d", got, second)
	}
	if got, err := ours.Get(t.Context(), "c"); !errors.Is(err, streams.ErrNoEntry) || got.Revision != 0 {
		t.Errorf("a key that is not there: got %+v, %v; want %v", got, err, streams.ErrNoEntry)
	}
	must(t, ours.Delete(t.Context(), "a.b"))
	if got, err := theirs.Get(t.Context(), "a.b"); !errors.Is(err, streams.ErrNoEntry) || got.Gone != streams.Deleted {
		t.Errorf("a deleted key: got %+v, %v; want a marker and %v", got, err, streams.ErrNoEntry)
	}
}

func TestAStoreListsAndPurgesByPattern(t *testing.T) {
	t.Parallel()
	store := declareStore(t, one(t), streams.StoreOptions{})
	for _, key := range []string{"a.1", "a.2", "a.2.x", "b", "*.1"} {
		put(t, store, value(key, "v"))
	}
	must(t, store.Delete(t.Context(), "a.2"))
	for pattern, want := range map[string][]string{
		">": {"*.1", "a.1", "a.2.x", "b"}, "a.*": {"a.1"}, "a.>": {"a.1", "a.2.x"}, "*.1": {"*.1", "a.1"}, "b": {"b"}, "c.>": nil,
	} {
		keys, err := store.Keys(t.Context(), pattern)
		must(t, err)
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			t.Errorf("keys %q: got %q, want %q", pattern, keys, want)
		}
	}
	seen := 0
	must(t, store.Range(t.Context(), ">", func(e streams.Entry) bool {
		if seen++; string(e.Value) != "v" {
			t.Errorf("got %+v, want value v", e)
		}
		return seen < 2
	}))
	if seen != 2 {
		t.Errorf("range went on to %d entries, want it to stop at 2", seen)
	}
	if n, err := store.Purge(t.Context(), "a.>"); n != 3 || err != nil {
		t.Errorf("purge a.>: got %d, %v; want 3", n, err)
	}
	if got, err := store.Get(t.Context(), "a.2"); !errors.Is(err, streams.ErrNoEntry) || got.Gone != streams.Present {
		t.Errorf("a purged key: got %+v, %v; want no marker", got, err)
	}
}

// TestOneOfManyWins: of 64 that expect the same, one writes.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	s := one(t)
	store := declareStore(t, s, streams.StoreOptions{})
	put(t, store, value("revision", "0"))
	entry, err := store.Get(t.Context(), "revision")
	must(t, err)
	put(t, store, value("marker", "0"))
	must(t, store.Delete(t.Context(), "marker"))
	for key, expect := range map[string]streams.Expectation{
		"absent": streams.Absent, "marker": streams.Absent, "revision": streams.Revision(entry.Revision),
	} {
		var mu sync.Mutex
		var winners []uint64
		var racing sync.WaitGroup
		for i := range 64 {
			racing.Go(func() {
				p := value(key, strconv.Itoa(i))
				p.Expect = expect
				revision, err := store.Put(t.Context(), p)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, revision)
				} else if !errors.Is(err, streams.ErrConflict) {
					t.Errorf("%s: got %v, want %v", key, err, streams.ErrConflict)
				}
			})
		}
		racing.Wait()
		if len(winners) != 1 {
			t.Fatalf("%s: %d of 64 won, want 1", key, len(winners))
		}
		p := value(key, "late")
		p.Expect = expect
		_, err := store.Put(t.Context(), p)
		var conflict *streams.ConflictError
		if !errors.As(err, &conflict) || conflict.Revision != winners[0] || conflict.Key != key {
			t.Errorf("%s: got %v, want a conflict with revision %d", key, err, winners[0])
		}
	}
}

func TestGetManyReadsThousands(t *testing.T) {
	t.Parallel()
	store := declareStore(t, one(t), streams.StoreOptions{})
	var keys []string
	var pending []*streams.Pending
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf("task.%d", i), fmt.Sprintf("missing.%d", i))
		pending = append(pending, store.Begin(t.Context(), value(keys[2*i], strconv.Itoa(i))))
	}
	for _, p := range pending {
		_, err := p.Result()
		must(t, err)
	}
	must(t, store.Delete(t.Context(), "task.7"))
	entries, err := store.GetMany(t.Context(), keys)
	must(t, err)
	if len(entries) != 2000 {
		t.Errorf("got %d entries, want 2000", len(entries))
	}
	for i := range 2000 {
		want := fmt.Sprintf("task.%d=%d", i, i)
		if i == 7 {
			want = "task.7 deleted"
		}
		if got := show(entries[keys[2*i]]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNotifyTellsEveryWriteInOrder(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	store, other := declareStore(t, a, streams.StoreOptions{}), declareStore(t, b, streams.StoreOptions{})
	put(t, store, value("a.0", "before"))
	told := make(chan streams.Entry, 10_000)
	stop, err := store.Notify(t.Context(), "a.*", func(e streams.Entry) { told <- e })
	must(t, err)
	var writing sync.WaitGroup
	const writers, writes = 4, 500
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				other.Begin(t.Context(), value(fmt.Sprintf("a.%d", w), strconv.Itoa(i)))
				other.Begin(t.Context(), value("b", "unwanted"))
			}
		})
	}
	writing.Wait()
	must(t, other.Delete(t.Context(), "a.end"))
	next, last := make(map[string]int), uint64(0)
	for e := range told {
		if e.Revision <= last {
			t.Fatalf("revision %d came behind %d", e.Revision, last)
		}
		if last = e.Revision; e.Key == "a.end" {
			break
		}
		if got, want := string(e.Value), strconv.Itoa(next[e.Key]); got != want {
			t.Fatalf("%s: got %s, want %s", e.Key, got, want)
		}
		next[e.Key]++
	}
	stop()
	put(t, other, value("a.1", "late"))
	must(t, a.Close(t.Context()))
	if len(told) != 0 || len(next) != writers || next["a.0"] != writes {
		t.Errorf("told of %v, and %d more after stop; want %d of each of %d", next, len(told), writes, writers)
	}
}

func TestFollowTellsWhatIsThereAndThenWhatComes(t *testing.T) {
	t.Parallel()
	store := declareStore(t, one(t), streams.StoreOptions{})
	for i := range 1000 {
		put(t, store, value(fmt.Sprintf("k.%d", i%600), strconv.Itoa(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before, after []string
	isReady := false
	err := store.Follow(ctx, "k.*", func(e streams.Entry) {
		if !isReady {
			before = append(before, show(e))
			return
		}
		if after = append(after, show(e)); len(after) == 2 {
			cancel()
		}
	}, func() {
		isReady = true
		put(t, store, value("k.new", "1"))
		must(t, store.Delete(t.Context(), "k.5"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(before) != 600 || before[599] != "k.399=999" {
		t.Errorf("%d entries came before ready, want 600 and k.399=999 last: %v", len(before), before[max(0, len(before)-1):])
	}
	wantList(t, "after ready", after, "k.new=1", "k.5 deleted")
}

func TestValuesExpireAndLeaveMarkers(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := open(t, embeddedtest.Connect(t))
		store := declareStore(t, s, streams.StoreOptions{TTL: time.Hour, MarkerTTL: 10 * time.Minute})
		var mu sync.Mutex
		var told []string
		_, err := store.Notify(t.Context(), ">", func(e streams.Entry) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, show(e))
		})
		must(t, err)
		put(t, store, value("usual", "v"))
		put(t, store, streams.Put{Key: "short", Value: []byte("v"), TTL: time.Minute})
		put(t, store, streams.Put{Key: "long", Value: []byte("v"), TTL: 2 * time.Hour})
		put(t, store, value("deleted", "v"))
		must(t, store.Delete(t.Context(), "deleted"))
		check := func(at string, want ...string) {
			t.Helper()
			entries, err := store.GetMany(t.Context(), []string{"usual", "short", "long", "deleted"})
			must(t, err)
			var got []string
			for _, e := range entries {
				got = append(got, show(e))
			}
			slices.Sort(got)
			wantList(t, at, got, want...)
		}
		check("at first", "deleted deleted", "long=v", "short=v", "usual=v")
		const expired = 700 * time.Millisecond // is seen within a moment, and remembered for a second
		pause(t, time.Minute+expired)
		check("after a minute", "deleted deleted", "long=v", "short expired", "usual=v")
		pause(t, 10*time.Minute)
		check("after eleven minutes", "long=v", "usual=v")
		pause(t, 49*time.Minute)
		check("after an hour", "long=v", "usual expired")
		pause(t, time.Hour)
		check("after two hours", "long expired")
		pause(t, 2*time.Second)
		check("at last")
		mu.Lock()
		defer mu.Unlock()
		wantList(t, "told", told, "usual=v", "short=v", "long=v", "deleted=v", "deleted deleted", "short expired", "usual expired", "long expired")
	})
}

// TestNotifyOutlivesRestarts: it tells what was written while the connection was
// away, and what is written when it is back.
func TestNotifyOutlivesRestarts(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	store := declareStore(t, open(t, server.Connect(t)), streams.StoreOptions{})
	told := make(chan string, 100)
	_, err := store.Notify(t.Context(), ">", func(e streams.Entry) { told <- string(e.Value) })
	must(t, err)
	for i := range 5 {
		server.Restart(t)
		other := declareStore(t, open(t, server.Connect(t)), streams.StoreOptions{})
		for _, when := range []string{"first", "second"} {
			want := fmt.Sprint(when, i)
			put(t, other, value("key."+want, want))
			select {
			case got := <-told:
				if got != want {
					t.Errorf("told of %q, want %q", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("not told of %q", want)
			}
		}
	}
}
