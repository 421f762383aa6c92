package beat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
	"warren/workers/beat"
	"warren/workers/internal/beattest"
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
				c.put(c.entry("every", beat.Every(5*time.Minute)))
				c.put(c.entry("cron", beat.Crontab("*/6 * * * *")))
				c.put(c.entry("daily", beat.Crontab("10 0 * * *")))
				c.put(c.entry("moment", beat.At(c.began.Add(7*time.Minute))))
				c.plant(beatStore(t, nc), c.began.Add(test.ahead+10*time.Minute), "every", "cron", "daily", "moment")
				c.schedule()
				c.at(14 * time.Minute)
				want := []string{"every 5m0s", "every 10m0s", "cron 6m0s", "cron 12m0s"}
				if test.daily != "" {
					want = append(want, test.daily, "moment 7m0s")
				}
				c.ran(want...)
				list, err := beat.Entries(t.Context(), c.App)
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
		c.put(c.entry("every", beat.Every(5*time.Minute)))
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
		c.put(c.entry("every", beat.Every(5*time.Minute)))
		c.put(c.entry("cron", beat.Crontab("*/6 * * * *")))
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

// The broker's clock was an hour ahead while a scheduler led, and is set right: runs go
// on at once, and not in an hour.
func TestBeat_BrokersClockIsPutBack(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	l := newLedger()
	app, e := beattest.Seconds(l.note)
	e.Missed = beat.MissedOnce
	beattest.WorkAt(t, app, server.Connect(t))
	beattest.Background(t, "the scheduler", beat.New(app, beat.Config{Entries: []beat.Entry{e}}).Run)
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
	scheduler := func(nc *nats.Conn) *beat.Scheduler {
		app, e := beattest.Seconds(func(workers.Request) {})
		if err := app.Connect(t.Context(), nc, workers.Config{Lease: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = app.Close(context.Background()) }) // its connection may be closed
		return beat.New(app, beat.Config{Entries: []beat.Entry{e}})
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
	beattest.Background(t, "the scheduler", next.Run)
	select {
	case <-next.Leads():
	case <-time.After(2 * time.Minute):
		t.Fatal("no other scheduler leads")
	}
}

// TestEvent_ThatDoesNotComeBack: runs are sent all the same.
func TestEvent_ThatDoesNotComeBack(t *testing.T) {
	for kind, end := range map[string]func(){
		"goexit": runtime.Goexit,
		"panic":  func() { panic("at the disco") },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			app, e := beattest.Seconds(l.note)
			beattest.WorkAt(t, app, embeddedtest.Connect(t))
			beattest.Background(t, "the scheduler", beat.New(app, beat.Config{
				Entries: []beat.Entry{e}, OnEvent: func(beat.Event) { end() },
			}).Run)
			l.await(t, time.Time{})
			l.await(t, l.newest())
		})
	}
}
