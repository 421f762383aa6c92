package beat_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
	"warren/workers/beat"
	"warren/workers/internal/beattest"
)

// clockwork is an app of a test with one task, which notes when its runs were due
// and when they ran, both since the test began.
type clockwork struct {
	testing.TB
	*workers.App
	began time.Time
	tick  workers.Task1[string, workers.None]

	mu   sync.Mutex
	runs []string
}

func newClockwork(tb testing.TB, nc *nats.Conn) *clockwork {
	tb.Helper()
	c := &clockwork{TB: tb, App: workers.New("clockwork"), began: time.Now()}
	c.tick = workers.Func1(c.App, "tick", func(ctx context.Context, name string) (workers.None, error) {
		r, _ := workers.RequestOf(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		said := name + " " + r.Scheduled.Sub(c.began).String()
		if late := time.Since(r.Scheduled).Round(10 * time.Millisecond); late != 0 {
			said += " at " + r.Scheduled.Add(late).Sub(c.began).String()
		}
		c.runs = append(c.runs, said)
		return workers.None{}, nil
	})
	if err := c.Connect(tb.Context(), nc, workers.Config{}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil && !nc.IsClosed() {
			tb.Errorf("close the app: %v", err)
		}
	})
	return c
}

// entry is an entry of that name whose runs say so.
func (c *clockwork) entry(name string, s beat.Schedule) beat.Entry {
	return beat.Entry{Name: name, Schedule: s, Call: c.tick.S(name)}
}

func (c *clockwork) put(e beat.Entry) {
	c.Helper()
	if err := beat.Put(c.Context(), c.App, e); err != nil {
		c.Fatal(err)
	}
}

func (c *clockwork) work() {
	c.Helper()
	w := c.Worker(workers.WorkerConfig{})
	beattest.Background(c.TB, "the worker", w.Run)
	<-w.Ready()
}

func (c *clockwork) schedule(entries ...beat.Entry) (*beat.Scheduler, func()) {
	c.Helper()
	s := beat.New(c.App, beat.Config{Entries: entries})
	stop := beattest.Background(c.TB, "the scheduler", s.Run)
	<-s.Ready()
	return s, stop
}

// at waits until so long after the test began.
func (c *clockwork) at(d time.Duration) {
	time.Sleep(time.Until(c.began.Add(d)))
	synctest.Wait()
}

// ran checks which runs there were since it was asked before.
func (c *clockwork) ran(want ...string) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.runs)
	slices.Sort(want)
	if got := strings.Join(c.runs, ", "); got != strings.Join(want, ", ") {
		c.Errorf("%v after the start, there ran\n%s, want\n%s", time.Since(c.began), got, strings.Join(want, ", "))
	}
	c.runs = nil
}

func TestEntriesAreDueExactly(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		c := newClockwork(t, embeddedtest.Connect(t))
		c.work()
		begun := c.entry("begun", beat.Every(6*time.Minute))
		begun.AtStart = true
		c.schedule(begun,
			c.entry("at", beat.At(c.began.Add(30*time.Second), c.began.Add(-time.Minute))),
			c.entry("cron", beat.Crontab("5 */2 * * * *")),
			c.entry("every", beat.Every(2*time.Minute)))
		c.at(6*time.Minute + time.Second)
		c.ran("at 30s", "begun 0s", "begun 6m0s", "cron 5s", "cron 2m5s", "cron 4m5s",
			"every 2m0s", "every 4m0s", "every 6m0s")
	})
}

// A scheduler that stops is followed at once, by one that stands by.
func TestSchedulersHandOver(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		c := newClockwork(t, server.Connect(t))
		c.work()
		var stops []func()
		for range 3 {
			other := newClockwork(t, server.Connect(t))
			s, stop := other.schedule(other.entry("every", beat.Every(time.Minute)))
			if stops = append(stops, stop); len(stops) == 1 {
				<-s.Leads()
			}
		}
		c.at(2*time.Minute + 59*time.Second + 999*time.Millisecond)
		stops[0]()
		c.at(5*time.Minute + time.Second)
		c.ran("every 1m0s", "every 2m0s", "every 3m0s", "every 4m0s", "every 5m0s")
		stops[1]()
		stops[2]()
		c.at(8 * time.Minute)
		c.ran()
	})
}

// A scheduler tells when it leads, whom it waits for, and each run that it sends.
func TestSchedulerTells(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		var mu sync.Mutex
		told := make(map[string][]string)
		run := func(name string) (*beat.Scheduler, func()) {
			c := newClockwork(t, server.Connect(t))
			s := beat.New(c.App, beat.Config{
				Name: name, Entries: []beat.Entry{c.entry("every", beat.Every(time.Minute))},
				OnEvent: func(p beat.Event) {
					said := string(p.Kind) + " " + p.Leader + p.Entry
					if p.Kind == beat.Sent {
						said += " " + p.Due.Sub(c.began).String()
						c.known(p.ID)
					}
					mu.Lock()
					defer mu.Unlock()
					told[name] = append(told[name], said)
				},
			})
			stop := beattest.Background(t, "the scheduler", s.Run)
			<-s.Ready()
			return s, stop
		}
		one, stop := run("one")
		<-one.Leads()
		two, _ := run("two")
		time.Sleep(2*time.Minute + time.Second)
		stop()
		<-two.Leads()
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for name, want := range map[string]string{
			"one": "leads one, sent every 1m0s, sent every 2m0s",
			"two": "waits one, leads two, sent every 3m0s",
		} {
			if got := strings.Join(told[name], ", "); got != want {
				t.Errorf("scheduler %s told %s, want %s", name, got, want)
			}
		}
	})
}

// known checks that a task of this id was sent.
func (c *clockwork) known(id string) {
	c.Helper()
	r, err := workers.ResultOf[workers.None](c.App, id)
	if err != nil {
		c.Error(err)
		return
	}
	if state, err := r.State(c.Context()); err != nil || state != workers.Pending {
		c.Errorf("task %s is %s, %v; want it to wait", id, state, err)
	}
}

// A scheduler that was killed is followed within the lease: what was due meanwhile
// is late, and not lost, also where missed runs are skipped.
func TestSchedulerIsKilled(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		c := newClockwork(t, server.Connect(t))
		c.work()
		dies := server.Connect(t)
		killed := newClockwork(t, dies)
		e := killed.entry("every", beat.Every(time.Minute))
		e.Missed = beat.MissedSkip
		s := beat.New(killed.App, beat.Config{Entries: []beat.Entry{e}})
		died := make(chan error, 1)
		go func() { died <- s.Run(t.Context()) }()
		<-s.Leads()
		c.schedule()
		c.at(58 * time.Second)
		dies.Close()
		if err := <-died; err == nil {
			t.Error("a scheduler without a connection goes on")
		}
		c.at(3 * time.Minute)
		// The lease was renewed at 55 seconds, and is of 15.
		c.ran("every 1m0s at 1m10s", "every 2m0s", "every 3m0s")
	})
}

// While two lead, because one does not know yet that it was followed, each run is
// sent once.
func TestTwoLeadersSendARunOnce(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		c := newClockwork(t, server.Connect(t))
		c.work()
		e := c.entry("every", beat.Every(time.Second))
		e.Missed = beat.MissedAll
		first, _ := c.schedule(e)
		<-first.Leads()
		store := beatStore(t, server.Connect(t))
		var want []string
		c.at(time.Second)
		second, _ := newClockwork(t, server.Connect(t)).schedule()
		unseat(t, store)
		<-second.Leads()
		for i := range 10 {
			want = append(want, "every "+(time.Duration(i+1)*time.Second).String())
		}
		c.at(10*time.Second + time.Millisecond)
		c.ran(want...)
	})
}

// TestBeat_AnotherHasSentTheRunBefore: who leads learns that when it claims the next run,
// which is its own to send, in time.
func TestBeat_AnotherHasSentTheRunBefore(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		c := newClockwork(t, nc)
		c.work()
		s, _ := c.schedule(c.entry("every", beat.Every(time.Second)))
		<-s.Leads()
		c.at(2500 * time.Millisecond)
		c.plant(beatStore(t, nc), c.began.Add(2*time.Second), "every")
		c.at(6 * time.Second)
		c.ran("every 1s", "every 2s", "every 3s", "every 4s", "every 5s", "every 6s")
	})
}

// beatStore is the store of entries, for tests that do what no program should.
func beatStore(tb testing.TB, nc *nats.Conn) *streams.Store {
	tb.Helper()
	s, err := streams.Open(tb.Context(), nc, streams.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	store, err := s.DeclareStore(tb.Context(), "beat", streams.StoreOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// unseat has the other scheduler lead, and does not tell the one that does.
func unseat(tb testing.TB, store *streams.Store) {
	tb.Helper()
	for _, key := range keys(tb, store, "leader.*") {
		if err := store.Delete(tb.Context(), key); err != nil {
			tb.Fatal(err)
		}
	}
}

func keys(tb testing.TB, store *streams.Store, pattern string) []string {
	tb.Helper()
	list, err := store.Keys(tb.Context(), pattern)
	if err != nil {
		tb.Fatal(err)
	}
	if len(list) == 0 {
		tb.Fatalf("no key is like %q", pattern)
	}
	return list
}

// A run that was claimed by a scheduler that was killed before it sent it, or
// before it said so, is sent again under its id. However much later, it does not
// run again.
func TestRunWhoseSenderWasKilled(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		c := newClockwork(t, server.Connect(t))
		c.put(c.entry("every", beat.Every(6*time.Minute)))
		c.put(c.entry("first", beat.Every(6*time.Minute)))
		_, stop := c.schedule()
		c.work()
		c.at(6*time.Minute + time.Second)
		c.ran("every 6m0s", "first 6m0s")
		stop()
		store := beatStore(t, server.Connect(t))
		for _, key := range keys(t, store, "last.*.every") {
			e, err := store.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			e.Value = []byte(strings.Replace(string(e.Value), `"sent":true`, `"sent":false`, 1))
			again := string(e.Value)
			for key, value := range map[string]string{key: again, strings.Replace(key, "every", "first", 1): claimed(c.began.Add(12 * time.Minute))} {
				if _, err := store.Put(t.Context(), streams.Put{Key: key, Value: []byte(value)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A moment before it is due: what was claimed for much later than now was
		// claimed by a clock that was ahead.
		c.at(12*time.Minute - 500*time.Millisecond)
		c.schedule()
		c.at(12*time.Minute - 100*time.Millisecond)
		c.ran("first 12m0s at 11m59.5s")
		c.at(12*time.Minute + time.Second)
		c.ran("every 12m0s")
	})
}

func claimed(due time.Time) string {
	return `{"due":"` + due.UTC().Format(time.RFC3339Nano) + `","sent":false}`
}

func TestMissedRuns(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		c := newClockwork(t, embeddedtest.Connect(t))
		c.work()
		var entries []beat.Entry
		for _, missed := range []beat.Missed{"", beat.MissedOnce, beat.MissedSkip, beat.MissedAll} {
			e := c.entry("missed-"+string(missed), beat.Every(2*time.Minute))
			e.Missed = missed
			entries = append(entries, e)
		}
		_, stop := c.schedule(entries...)
		c.at(2*time.Minute + 10*time.Second)
		stop()
		c.ran("missed- 2m0s", "missed-all 2m0s", "missed-once 2m0s", "missed-skip 2m0s")
		c.at(8*time.Minute + 45*time.Second)
		c.schedule(entries...)
		c.at(9 * time.Minute)
		c.ran("missed- 8m0s at 8m45s", "missed-once 8m0s at 8m45s",
			"missed-all 4m0s at 8m45s", "missed-all 6m0s at 8m45s", "missed-all 8m0s at 8m45s")
		c.at(10*time.Minute + time.Second)
		c.ran("missed- 10m0s", "missed-all 10m0s", "missed-once 10m0s", "missed-skip 10m0s")
	})
}

// Entries come, change and go while schedulers run, from another process.
func TestEntriesChange(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		c := newClockwork(t, server.Connect(t))
		c.work()
		c.schedule(c.entry("code", beat.Every(6*time.Minute)))
		other := newClockwork(t, server.Connect(t))
		c.at(time.Minute)
		other.put(other.entry("code", beat.Every(6*time.Minute))) // just so
		other.put(other.entry("put", beat.Every(3*time.Minute)))
		c.at(6*time.Minute + 10*time.Second)
		c.ran("put 4m0s", "code 6m0s")
		e := other.entry("put", beat.Every(3*time.Minute))
		e.Call = other.tick.S("new call")
		other.put(e) // goes on
		other.put(other.entry("code", beat.Every(time.Minute)))
		c.at(7*time.Minute + 20*time.Second)
		c.ran("new call 7m0s", "code 7m10s")
		if err := beat.Delete(t.Context(), other.App, "put"); err != nil {
			t.Fatal(err)
		}
		c.at(12 * time.Minute)
		c.ran("code 8m10s", "code 9m10s", "code 10m10s", "code 11m10s")
		list, err := beat.Entries(t.Context(), other.App)
		if err != nil || len(list) != 1 {
			t.Fatalf("entries are %v, %v; want one", list, err)
		}
		got := list[0]
		if got.Name != "code" || got.Schedule.String() != "every 1m0s" ||
			got.Last.Sub(c.began) != 11*time.Minute+10*time.Second || got.Next.Sub(c.began) != 12*time.Minute+10*time.Second {
			t.Errorf("the entry is %+v", got)
		}
		r, err := workers.ResultOf[workers.None](other.App, got.LastID)
		if err != nil {
			t.Fatal(err)
		}
		if state, err := r.State(t.Context()); err != nil || state != workers.Succeeded {
			t.Errorf("its last run is %s, %v; want %s", state, err, workers.Succeeded)
		}
	})
}

// What the code of the scheduler says replaces what is stored, and its last run is
// known: nothing runs twice because a program was started again.
func TestCodeReplacesWhatIsStored(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		c := newClockwork(t, embeddedtest.Connect(t))
		c.work()
		_, stop := c.schedule(c.entry("code", beat.Every(6*time.Minute)), c.entry("gone from the code", beat.Every(6*time.Minute)))
		c.at(7 * time.Minute)
		stop()
		c.ran("code 6m0s", "gone from the code 6m0s")
		c.put(c.entry("code", beat.Every(time.Minute)))
		_, stop = c.schedule(c.entry("code", beat.Every(6*time.Minute)))
		c.at(13*time.Minute + time.Second)
		c.ran("code 13m0s", "gone from the code 12m0s")
		stop()
		c.schedule(c.entry("code", beat.Every(6*time.Minute)))
		c.at(14 * time.Minute)
		c.ran()
	})
}

// A canvas is sent as a whole, and every task of it knows when it was due.
func TestEntryOfACanvas(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		c := newClockwork(t, embeddedtest.Connect(t))
		c.work()
		c.schedule(beat.Entry{Name: "canvas", Schedule: beat.Every(time.Minute), Call: workers.Chain2(
			workers.Group(c.tick.S("one"), c.tick.S("two")), workers.Skip[[]workers.None](c.tick.S("three")))})
		c.at(2*time.Minute + time.Second)
		c.ran("one 1m0s", "two 1m0s", "three 1m0s", "one 2m0s", "two 2m0s", "three 2m0s")
	})
}

func TestEntrySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newClockwork(t, embeddedtest.Connect(t))
	good := c.entry("good", beat.Every(time.Minute))
	other := newClockwork(t, embeddedtest.Connect(t))
	for want, change := range map[string]func(*beat.Entry){
		"its name has 0 bytes":        func(e *beat.Entry) { e.Name = "" },
		"its name has 201 bytes":      func(e *beat.Entry) { e.Name = strings.Repeat("x", 201) },
		"the schedule is empty":       func(e *beat.Entry) { e.Schedule = beat.Schedule{} },
		"it has no call":              func(e *beat.Entry) { e.Call = nil },
		"its call is another app's":   func(e *beat.Entry) { e.Call = other.tick.S("x") },
		"the jitter is -1s":           func(e *beat.Entry) { e.Jitter = -time.Second },
		"use once, skip or all":       func(e *beat.Entry) { e.Missed = "sometimes" },
		"each run needs its own":      func(e *beat.Entry) { e.Call = c.tick.S("x").With(workers.ID("x")) },
		"takes string":                func(e *beat.Entry) { e.Call = workers.Signature{Task: "tick"} },
		"countdown -1s is negative":   func(e *beat.Entry) { e.Call = c.tick.S("x").With(workers.Countdown(-time.Second)) },
		`there is no canvas "spiral"`: func(e *beat.Entry) { e.Call = workers.Signature{Kind: "spiral"} },
	} {
		e := good
		change(&e)
		for what, got := range map[string]error{
			"Put":       beat.Put(t.Context(), c.App, e),
			"scheduler": beat.New(c.App, beat.Config{Entries: []beat.Entry{e}}).Run(t.Context()),
		} {
			if got == nil || !strings.Contains(got.Error(), want) {
				t.Errorf("%s: got %v, want an error with %q", what, got, want)
			}
		}
	}
	if err := beat.New(workers.New("lonely"), beat.Config{}).Run(t.Context()); err == nil {
		t.Error("a scheduler without a connection ran")
	}
}
