package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// A follower notes what it is told.
type follower struct {
	mu     sync.Mutex
	told   []streams.Entry
	arrive *sync.Cond
}

func newFollower() *follower {
	f := new(follower)
	f.arrive = sync.NewCond(&f.mu)
	return f
}

func (f *follower) note(e streams.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, e)
	f.arrive.Broadcast()
}

// await waits until a key was told, and gives all that was, which must be in order.
func (f *follower) await(t *testing.T, key string) (keys []string) {
	t.Helper()
	late := time.AfterFunc(time.Minute, func() { f.note(streams.Entry{Key: key, Gone: 99}) })
	defer late.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	is := func(e streams.Entry) bool { return e.Key == key }
	for !slices.ContainsFunc(f.told, is) {
		f.arrive.Wait()
	}
	last := uint64(0)
	for _, e := range f.told {
		if e.Gone == 99 {
			t.Fatalf("%s was not told of within half a minute", key)
		}
		if e.Revision <= last {
			t.Errorf("revision %d came behind %d", e.Revision, last)
		}
		last = e.Revision
		keys = append(keys, e.Key)
	}
	return keys
}

// write puts a value until it is certain that it is there.
func write(t *testing.T, store *streams.Store, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		p := value(key, "v")
		p.Expect = streams.Absent
		_, err := store.Put(ctx, p)
		if err == nil {
			return
		}
		if ctx.Err() != nil || !errors.Is(err, streams.ErrUnconfirmed) {
			t.Errorf("put %s: %v", key, err)
			return
		}
	}
}

// breaker is a server that goes and comes back.
type breaker interface {
	Connect(testing.TB, ...nats.Option) *nats.Conn
	Restart(testing.TB)
}

type killed struct{ *embeddedtest.Child }

func (k killed) Restart(tb testing.TB) {
	tb.Helper()
	k.Kill(tb)
	k.Child.Restart(tb)
}

// TestFollowersMissNothing: neither Follow nor Notify, whether the broker is
// restarted or killed. Each key is written once, and told of once.
func TestFollowersMissNothing(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) breaker{
		"restart": func(t *testing.T) breaker { t.Helper(); return embeddedtest.Listen(t) },
		"kill":    func(t *testing.T) breaker { t.Helper(); return killed{embeddedtest.Process(t, embedded.Config{})} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			soon := nats.ReconnectWait(10 * time.Millisecond)
			store := declareStore(t, open(t, server.Connect(t, soon)), streams.StoreOptions{})
			writer := declareStore(t, open(t, server.Connect(t, soon)), streams.StoreOptions{})
			write(t, writer, "k.before")
			follows, notified := newFollower(), newFollower()
			stop, err := store.Notify(t.Context(), "k.>", notified.note)
			must(t, err)
			defer stop()
			ctx, cancel := context.WithCancel(t.Context())
			ready := make(chan struct{})
			var following sync.WaitGroup
			following.Go(func() {
				err := store.Follow(ctx, "k.>", follows.note, func() { close(ready) })
				wantError(t, "follow", err, context.Canceled)
			})
			<-ready
			const writes = 300
			want := []string{}
			for i := range writes {
				if i%100 == 50 {
					server.Restart(t)
				}
				key := "k." + strconv.Itoa(i)
				want = append(want, key)
				write(t, writer, key)
			}
			write(t, writer, "k.end")
			want = append(want, "k.end")
			wantList(t, "told by Notify", notified.await(t, "k.end"), want...)
			wantList(t, "told by Follow", follows.await(t, "k.end"), append([]string{"k.before"}, want...)...)
			cancel()
			following.Wait()
		})
	}
}

// TestALostConfirmIsFoundOut: of a write that expects something the outcome is
// known, or said not to be.
func TestALostConfirmIsFoundOut(t *testing.T) {
	t.Parallel()
	const stored, lost = true, false
	for name, test := range map[string]struct {
		expect    func(revision uint64) streams.Expectation
		arrives   bool
		meanwhile func(t *testing.T, other *streams.Store, revision uint64)
		want      error
		holds     string
	}{
		"stored":         {streams.Revision, stored, nil, nil, "ours"},
		"not stored":     {streams.Revision, lost, nil, nil, "ours"},
		"absent, stored": {nil, stored, nil, nil, "ours"},
		"anything":       {func(uint64) streams.Expectation { return streams.Any }, stored, nil, streams.ErrUnconfirmed, "ours"},
		"another came first": {streams.Revision, lost, func(t *testing.T, other *streams.Store, revision uint64) {
			t.Helper()
			p := value("key", "theirs")
			p.Expect = streams.Revision(revision)
			put(t, other, p)
		}, streams.ErrConflict, "theirs"},
		"overwritten since": {streams.Revision, stored, func(t *testing.T, other *streams.Store, _ uint64) {
			t.Helper()
			put(t, other, value("key", "theirs"))
		}, streams.ErrUnconfirmed, "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Listen(t)
			other := declareStore(t, open(t, server.Connect(t)), streams.StoreOptions{})
			l := newLine(t, server)
			store := declareStore(t, open(t, l.connect(t)), streams.StoreOptions{})
			p, before := value("key", "ours"), uint64(0)
			if test.expect == nil {
				p.Expect = streams.Absent
			} else {
				before = put(t, store, value("key", "before"))
				p.Expect = test.expect(before)
			}
			seen := newFollower()
			stop, err := other.Notify(t.Context(), "key", seen.note)
			must(t, err)
			defer stop()
			l.lose(&l.down)
			if !test.arrives {
				l.lose(&l.up)
			}
			pending := store.Begin(t.Context(), p)
			if test.arrives {
				seen.await(t, "key")
				l.awaitLost(&l.down, publishAck, 1)
			} else {
				l.awaitLost(&l.up, "ours", 1)
			}
			if test.meanwhile != nil {
				test.meanwhile(t, other, before)
			}
			l.cut()
			revision, err := pending.Result()
			wantError(t, "put", err, test.want)
			got, getErr := other.Get(t.Context(), "key")
			must(t, getErr)
			if string(got.Value) != test.holds {
				t.Errorf("the store has %s, want %s", got.Value, test.holds)
			}
			if err == nil && revision != got.Revision {
				t.Errorf("put at revision %d, the store has %d", revision, got.Revision)
			}
		})
	}
}

// storeCalls are the calls of a store that take a context.
func storeCalls(s *streams.Session, store *streams.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"declare store": func(ctx context.Context) error {
			_, err := s.DeclareStore(ctx, "other", streams.StoreOptions{})
			return err
		},
		"get":      func(ctx context.Context) error { _, err := store.Get(ctx, "k"); return err },
		"get many": func(ctx context.Context) error { _, err := store.GetMany(ctx, []string{"k"}); return err },
		"put":      func(ctx context.Context) error { _, err := store.Put(ctx, value("k", "v")); return err },
		"put absent": func(ctx context.Context) error {
			_, err := store.Put(ctx, streams.Put{Key: "k", Expect: streams.Absent})
			return err
		},
		"begin":  func(ctx context.Context) error { _, err := store.Begin(ctx, value("k", "v")).Result(); return err },
		"delete": func(ctx context.Context) error { return store.Delete(ctx, "k") },
		"purge":  func(ctx context.Context) error { _, err := store.Purge(ctx, ">"); return err },
		"keys":   func(ctx context.Context) error { _, err := store.Keys(ctx, ">"); return err },
		"range": func(ctx context.Context) error {
			return store.Range(ctx, ">", func(streams.Entry) bool { return true })
		},
		"notify": func(ctx context.Context) error {
			_, err := store.Notify(ctx, ">", func(streams.Entry) {})
			return err
		},
		"follow": func(ctx context.Context) error { return store.Follow(ctx, ">", func(streams.Entry) {}, nil) },
	}
}

// TestAStalledServerStallsNoStore: every call ends with its context.
func TestAStalledServerStallsNoStore(t *testing.T) {
	t.Parallel()
	const patience, margin = 100 * time.Millisecond, 2 * time.Second
	server := embeddedtest.Listen(t)
	l := newLine(t, server)
	s := open(t, l.connect(t))
	store := declareStore(t, s, streams.StoreOptions{})
	declareQueue(t, s, streams.Queue{Name: "filler"})
	stop, err := store.Notify(t.Context(), ">", func(streams.Entry) {})
	must(t, err)
	following, endFollow := context.WithCancel(t.Context())
	ready, followed := make(chan struct{}), make(chan error, 1)
	go func() {
		followed <- store.Follow(following, ">", func(streams.Entry) {}, func() { close(ready) })
	}()
	<-ready
	l.stall(true, false)
	fill(t, s)
	var calls sync.WaitGroup
	for name, do := range storeCalls(s, store) {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			err := do(ctx)
			if took := time.Since(began); took > patience+margin {
				t.Errorf("%s took %v, with a deadline of %v", name, took, patience)
			}
			wantError(t, name, err, context.DeadlineExceeded)
		})
	}
	calls.Wait()
	began := time.Now()
	stop()
	endFollow()
	wantError(t, "follow", <-followed, context.Canceled)
	if took := time.Since(began); took > margin {
		t.Errorf("ending what listens took %v", took)
	}
	l.stall(false, false)
	put(t, store, value("after", "v"))
}

// TestAClosedSessionsStoreIsClosed: what is under way ends, and nothing begins.
func TestAClosedSessionsStoreIsClosed(t *testing.T) {
	t.Parallel()
	s := one(t)
	store := declareStore(t, s, streams.StoreOptions{})
	ready, followed := make(chan struct{}), make(chan error, 1)
	go func() {
		followed <- store.Follow(context.Background(), ">", func(streams.Entry) {}, func() { close(ready) })
	}()
	<-ready
	_, err := store.Notify(t.Context(), ">", func(streams.Entry) {})
	must(t, err)
	closeSession(t, s)
	wantError(t, "follow", <-followed, streams.ErrClosed)
	for name, do := range storeCalls(s, store) {
		wantError(t, name, do(t.Context()), streams.ErrClosed)
	}
}

func TestAStoreThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	store := declareStore(t, s, streams.StoreOptions{})
	must(t, newJetStream(t, nc).DeleteStream(t.Context(), "warren~v~store"))
	for name, do := range storeCalls(s, store) {
		if name != "declare store" {
			wantError(t, name, do(t.Context()), streams.ErrNotFound)
		}
	}
}

func TestAStoreRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	store := declareStore(t, s, streams.StoreOptions{})
	large := streams.Put{Key: "large", Value: make([]byte, nc.MaxPayload()+1)}
	nearly := streams.Put{Key: "nearly", Value: large.Value[1:], TTL: time.Minute}
	for what, p := range map[string]streams.Put{
		"a large value": large, "a large value with a TTL": nearly, "no key": {},
		"a TTL below a second": {Key: "k", TTL: time.Millisecond}, "half seconds": {Key: "k", TTL: 1500 * time.Millisecond},
		"a negative TTL": {Key: "k", TTL: -time.Second},
	} {
		_, err := store.Put(t.Context(), p)
		wantError(t, what, err, streams.ErrPreconditionFailed)
	}
	nearly.TTL, nearly.Value = 0, nearly.Value[:len(nearly.Value)-64] // which its header needs
	put(t, store, nearly)
	if _, err := store.Put(t.Context(), value(strings.Repeat("k", 256), "v")); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("a long key: got %v, want 502", err)
	}
	for _, pattern := range []string{"", ">.a"} {
		_, err := store.Keys(t.Context(), pattern)
		wantError(t, fmt.Sprintf("pattern %q", pattern), err, streams.ErrPreconditionFailed)
	}
	for _, o := range []streams.StoreOptions{{TTL: time.Millisecond}, {MarkerTTL: -time.Second}} {
		_, err := s.DeclareStore(t.Context(), "refused", o)
		wantError(t, fmt.Sprintf("%+v", o), err, streams.ErrPreconditionFailed)
	}
}

func TestDeclareStoreIsIdempotent(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	var declaring sync.WaitGroup
	for range 8 {
		declaring.Go(func() {
			_, err := s.DeclareStore(t.Context(), "store", streams.StoreOptions{})
			wantError(t, "declare", err, nil)
		})
	}
	declaring.Wait()
	put(t, declareStore(t, s, streams.StoreOptions{}), value("k", "v"))
	store := declareStore(t, s, streams.StoreOptions{TTL: time.Hour, MarkerTTL: time.Hour})
	if _, err := store.Get(t.Context(), "k"); err != nil {
		t.Errorf("declared otherwise, a value is gone: %v", err)
	}
	info, err := stream(t, nc, "warren~v~store")
	must(t, err)
	wantList(t, "queues", queueNames(t, s))
	cfg := info.CachedInfo().Config
	cfg.Name, cfg.Subjects, cfg.RePublish, cfg.Metadata = "warren~v~taken", []string{"taken"}, nil, nil
	_, err = newJetStream(t, nc).CreateStream(t.Context(), cfg)
	must(t, err)
	_, err = s.DeclareStore(t.Context(), "taken", streams.StoreOptions{})
	wantError(t, "declare over another stream", err, streams.ErrPreconditionFailed)
}

func TestOddKeysComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	store := declareStore(t, one(t), streams.StoreOptions{})
	keys := []string{".", "..", "a..b", " ", "*", ">", "a.*.>", "=", "=41", "Grüße.日本", "\x00\r\n", "\xff", "\ufffd", "a b\tc", strings.Repeat("*", 255)}
	told := make(chan string, len(keys))
	stop, err := store.Notify(t.Context(), ">", func(e streams.Entry) { told <- e.Key })
	must(t, err)
	defer stop()
	for _, key := range keys {
		put(t, store, value(key, key))
		if got := <-told; got != key {
			t.Errorf("told of %q, want %q", got, key)
		}
		got, err := store.Get(t.Context(), key)
		must(t, err)
		if got.Key != key || string(got.Value) != key {
			t.Errorf("got %q with value %q, want %q", got.Key, got.Value, key)
		}
	}
	many, err := store.GetMany(t.Context(), keys)
	must(t, err)
	listed, err := store.Keys(t.Context(), ">")
	must(t, err)
	wantAnyOrder(t, "keys", listed, keys...)
	for _, key := range keys {
		if string(many[key].Value) != key {
			t.Errorf("got %q of many, want %q", many[key].Value, key)
		}
	}
}

func TestAnIDIsPutOnce(t *testing.T) {
	t.Parallel()
	store := declareStore(t, one(t), streams.StoreOptions{})
	p := streams.Put{Key: "k", Value: []byte("1"), ID: "id\n1"}
	first := put(t, store, p)
	p.Value = []byte("2")
	if again := put(t, store, p); again != first {
		t.Errorf("the second has revision %d, want that of the first, %d", again, first)
	}
	p.ID = "id 1"
	if other := put(t, store, p); other == first {
		t.Errorf("another ID has the revision of the first, %d", other)
	}
}

func newJetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	return js
}
