package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// plant puts what a scheduler has recorded of the last runs of some entries.
func (c *clockwork) plant(store *streams.Store, last time.Time, names ...string) {
	c.Helper()
	for _, name := range names {
		key := strings.Replace(keys(c.TB, store, "entry.*."+name)[0], "entry.", "last.", 1)
		text := fmt.Sprintf(`{"due":%q,"sent":true}`, last.UTC().Format(time.RFC3339Nano))
		if _, err := store.Put(c.Context(), streams.Put{Key: key, Value: []byte(text)}); err != nil {
			c.Fatal(err)
		}
	}
}

// A scheduler has led whose clock was ahead, and the clock is right again: runs go on
// by the clock as it is now. What is due at certain hours has had its run where the
// clock was put back by three hours at most, and has it again after more.
func TestBeat_AfterAClockThatWasAhead(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		ahead time.Duration
		daily string // the runs of what is due at ten past midnight
	}{{time.Hour, ""}, {4 * time.Hour, "daily 10m0s"}, {365 * day, "daily 10m0s"}} {
		t.Run(test.ahead.String(), func(t *testing.T) {
			embeddedtest.Bubble(t, func(t *testing.T) {
				nc := embeddedtest.Connect(t)
				c := newClockwork(t, nc) // at midnight
				c.work()
				c.put(c.entry("every", workers.Every(5*time.Minute)))
				c.put(c.entry("cron", workers.Crontab("*/6 * * * *")))
				c.put(c.entry("daily", workers.Crontab("10 0 * * *")))
				c.put(c.entry("moment", workers.At(c.began.Add(7*time.Minute))))
				c.plant(beatStore(t, nc), c.began.Add(test.ahead+10*time.Minute), "every", "cron", "daily", "moment")
				c.schedule()
				c.at(14 * time.Minute)
				want := []string{"every 5m0s", "every 10m0s", "cron 6m0s", "cron 12m0s"}
				if test.daily != "" {
					want = append(want, test.daily, "moment 7m0s")
				}
				c.ran(want...)
				list, err := c.Entries(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					if !e.Next.IsZero() && e.Next.Before(e.Last) {
						t.Errorf("%s: the next run is said to be at %v, before the last at %v", e.Name, e.Next, e.Last)
					}
				}
			})
		})
	}
}

// What ran while the clock was ahead does not stand for what is due when the clock
// shows the same times again.
func TestBeat_TimesShownAgainAreOtherRuns(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		c := newClockwork(t, nc)
		c.work()
		c.put(c.entry("every", workers.Every(5*time.Minute)))
		store := beatStore(t, nc)
		_, stop := c.schedule()
		c.at(5*time.Minute + time.Second)
		stop()
		c.ran("every 5m0s")
		// Ten minutes have its runs in the time to come: claimed, and sent from here.
		for i, due := range []time.Duration{10 * time.Minute, 15 * time.Minute} {
			key := keys(t, store, "last.*.every")[0]
			if _, err := store.Put(t.Context(), streams.Put{Key: key, Value: []byte(claimed(c.began.Add(due)))}); err != nil {
				t.Fatal(err)
			}
			_, stop := c.schedule()
			c.at(5*time.Minute + time.Duration(i+2)*time.Second)
			stop()
		}
		c.ran("every 10m0s at 5m1s", "every 15m0s at 5m2s")
		c.schedule()
		c.at(16 * time.Minute)
		c.ran("every 10m0s", "every 15m0s")
	})
}

// An entry was put by a process whose clock was ahead.
func TestBeat_EntryPutInTheFuture(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		c := newClockwork(t, nc)
		c.work()
		c.put(c.entry("every", workers.Every(5*time.Minute)))
		c.put(c.entry("cron", workers.Crontab("*/6 * * * *")))
		store := beatStore(t, nc)
		for _, key := range keys(t, store, "entry.>") {
			e, err := store.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			var record map[string]json.RawMessage
			if err := json.Unmarshal(e.Value, &record); err != nil {
				t.Fatal(err)
			}
			record["since"], _ = json.Marshal(c.began.Add(24 * time.Hour).UTC())
			e.Value, _ = json.Marshal(record)
			if _, err := store.Put(t.Context(), streams.Put{Key: key, Value: e.Value}); err != nil {
				t.Fatal(err)
			}
		}
		c.schedule()
		c.at(11 * time.Minute)
		c.ran("every 5m0s", "every 10m0s", "cron 6m0s")
	})
}

// aheads are brokers whose clock is not that of this process.
func aheads(t *testing.T, f func(t *testing.T, server *embeddedtest.Child, ahead time.Duration)) {
	t.Helper()
	t.Parallel()
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			f(t, embeddedtest.ProcessAhead(t, embedded.Config{}, ahead), ahead)
		})
	}
}

// An hour between this process's clock and the broker's: what waits for a countdown, or
// to be retried, waits as long as it says, and neither no time nor an hour.
func TestClock_WaitsGoByTheBrokers(t *testing.T) {
	aheads(t, func(t *testing.T, server *embeddedtest.Child, _ time.Duration) {
		const wait = 2 * time.Second
		app := workers.New("clock")
		var mu sync.Mutex
		var times []time.Time
		task := workers.Func0(app, "again", func(context.Context) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if times = append(times, time.Now()); len(times) < 2 {
				return 0, errKnown
			}
			return len(times), nil
		}, workers.Retry(workers.RetryPolicy{Max: 3, Delay: wait}))
		workAt(t, app, server)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		asked := time.Now()
		r, err := task.Delay(t.Context(), workers.Countdown(wait))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Get(ctx); n != 2 || err != nil {
			t.Fatalf("got %d, %v; want two runs", n, err)
		}
		times = slices.Insert(times, 0, asked)
		for i, what := range []string{"countdown", "retry"} {
			// The broker's clock is known as well as an answer of it is quick.
			if got := times[i+1].Sub(times[i]); got < wait-wait/10 || got > time.Minute {
				t.Errorf("the %s came after %v, want %v", what, got, wait)
			}
		}
	})
}

// workAt connects an app to a broker, and has it work.
func workAt(t *testing.T, app *workers.App, server *embeddedtest.Child) {
	t.Helper()
	if err := app.Connect(t.Context(), server.Connect(t), workers.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.Background()); err != nil {
			t.Errorf("close the app: %v", err)
		}
	})
	w := app.Worker(workers.WorkerConfig{})
	background(t, "the worker", w.Run)
	<-w.Ready()
}

// The time until a task expires is counted by the broker's clock, where it is sent and
// where it is run.
func TestClock_ExpiresByTheBrokers(t *testing.T) {
	aheads(t, func(t *testing.T, server *embeddedtest.Child, ahead time.Duration) {
		app := workers.New("clock")
		task := workers.Func0(app, "soon", func(context.Context) (int, error) { return 1, nil }, workers.Queue("nobody's"))
		here := workers.Func0(app, "here", func(context.Context) (int, error) { return 1, nil })
		workAt(t, app, server)
		s, err := streams.Open(t.Context(), server.Connect(t), streams.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		if _, err := task.Delay(t.Context(), workers.Expires(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
		d, _, err := s.Get(t.Context(), "nobody's", streams.AutoAck)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := d.Headers["expires"].(string)
		at, err := time.Parse("2006-01-02T15:04:05.999999-07:00", text)
		if got := time.Until(at) - ahead; err != nil || (got-10*time.Minute).Abs() > time.Minute {
			t.Errorf("a task of ten minutes expires in %v by the broker's clock (%v)", got, err)
		}
		for _, test := range []struct {
			at   time.Duration
			want workers.State
		}{{10 * time.Minute, workers.Succeeded}, {-10 * time.Minute, workers.Revoked}} {
			r, err := here.Delay(t.Context(), workers.ExpiresAt(time.Now().Add(ahead+test.at)))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			_, _ = r.Get(ctx) // the state tells
			cancel()
			if got, err := r.State(t.Context()); got != test.want {
				t.Errorf("a task that expires %v from now by the broker's clock is %s (%v), want %s", test.at, got, err, test.want)
			}
		}
	})
}

// The broker's clock was an hour ahead while a scheduler led, and is set right: runs go
// on at once, and not in an hour.
func TestBeat_BrokersClockIsPutBack(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	l := &ledger{runs: make(map[time.Time]int), news: make(chan struct{}, 1)}
	app, e := Seconds(l.note)
	e.Missed = workers.MissedOnce
	workAt(t, app, server)
	background(t, "the scheduler", app.Scheduler(workers.SchedulerConfig{Entries: []workers.Entry{e}}).Run)
	l.await(t, time.Now().Add(30*time.Minute))
	server.SetClock(0)
	server.Restart(t)
	l.mu.Lock()
	clear(l.runs)
	l.mu.Unlock()
	right := time.Now()
	for patience := time.After(2 * time.Minute); ; {
		select {
		case <-l.news:
		case <-patience:
			t.Fatal("the runs do not go on")
		}
		l.mu.Lock()
		for due := range l.runs {
			if !due.Before(right.Add(-time.Minute)) && due.Before(right.Add(30*time.Minute)) {
				l.mu.Unlock()
				return
			}
		}
		l.mu.Unlock()
	}
}

// The broker's clock is put back while it runs, just as the scheduler is killed that leads:
// another one follows within the lease.
func TestBeat_LeadEndsThoughTheBrokersClockIsPutBack(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	scheduler := func(nc *nats.Conn) *workers.Scheduler {
		app, e := Seconds(func(workers.Request) {})
		if err := app.Connect(t.Context(), nc, workers.Config{Lease: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = app.Close(context.Background()) }) // its connection may be closed
		return app.Scheduler(workers.SchedulerConfig{Entries: []workers.Entry{e}})
	}
	nc := server.Connect(t)
	killed := scheduler(nc)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = killed.Run(t.Context()) // which ends with its connection
	}()
	<-killed.Leads()
	nc.Close()
	<-over
	server.JumpClock(t, 0)
	next := scheduler(server.Connect(t))
	background(t, "the scheduler", next.Run)
	select {
	case <-next.Leads():
	case <-time.After(2 * time.Minute):
		t.Fatal("no other scheduler leads")
	}
}
