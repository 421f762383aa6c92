package beat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/streams"
	"warren/workers"
)

// An Entry is a call that is sent again and again: one of Celery's beat_schedule. Entries
// are stored at the broker, under the name of their app; see [Put] and [Config].
type Entry struct {
	// Name tells it from the app's others.
	Name string
	// Schedule is when it is due.
	Schedule Schedule
	// Call is what is sent: a [workers.Sig] of whatever result, or a
	// [workers.Signature].
	Call workers.Call
	// Jitter delays each run by a random time up to this, of a day at most, and to
	// less than until the next run. Default: no delay.
	Jitter time.Duration
	// AtStart makes it due when it is put for the first time, and whenever its
	// schedule is changed, too. Default: it begins with its schedule.
	AtStart bool
	// Missed is what becomes of runs that were due while no scheduler was there.
	// Default: MissedOnce.
	Missed Missed
}

// EntryInfo is an entry as it is stored, and how far it has come. Its Call is a
// [workers.Signature].
type EntryInfo struct {
	Entry
	// Last is the time of the last run, the one it was due at; zero before the
	// first, and after the broker's clock was put back before it.
	Last time.Time
	// LastID is the id of the last run's task; of a canvas, of what begins it.
	LastID string
	// Next is when the next run is due; zero if none is.
	Next time.Time
}

// Put stores an entry of an app, or changes the one of its name, in whatever process:
// schedulers follow. With another schedule it begins anew; otherwise it goes on as
// it did. An entry that is stored just so stays untouched.
func Put(ctx context.Context, app *workers.App, e Entry) error {
	c, err := connect(app)
	if err == nil {
		err = put(ctx, c, app.Name(), e)
	}
	if err != nil {
		return fmt.Errorf("put entry %q: %w", e.Name, err)
	}
	return nil
}

func put(ctx context.Context, c client, app string, e Entry) error {
	r, err := newRecord(c, app, e)
	if err != nil {
		return err
	}
	if err := c.Check(r.run(lastRun{Due: r.Since})); err != nil {
		return err
	}
	store, err := c.Store(ctx)
	for changed := true; changed && err == nil; {
		changed, err = r.put(ctx, store)
	}
	return err
}

// Delete deletes an entry of an app, and what is known of its runs; what was sent of
// it stays sent. There may be none of that name.
func Delete(ctx context.Context, app *workers.App, name string) error {
	if err := deleteEntry(ctx, app, name); err != nil {
		return fmt.Errorf("delete entry %q: %w", name, err)
	}
	return nil
}

func deleteEntry(ctx context.Context, app *workers.App, name string) error {
	c, err := connect(app)
	if err != nil {
		return err
	}
	store, err := c.Store(ctx)
	if err != nil {
		return err
	}
	if err := store.Delete(ctx, entryKey(app.Name(), name)); err != nil {
		return err
	}
	return store.Delete(ctx, lastKey(app.Name(), name))
}

// Entries are the entries of an app, whoever put them, sorted by name.
func Entries(ctx context.Context, app *workers.App) ([]EntryInfo, error) {
	list, err := entries(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("list entries of app %q: %w", app.Name(), err)
	}
	return list, nil
}

func entries(ctx context.Context, app *workers.App) ([]EntryInfo, error) {
	c, err := connect(app)
	if err != nil {
		return nil, err
	}
	store, err := c.Store(ctx)
	if err != nil {
		return nil, err
	}
	last := make(map[string]lastRun)
	err = store.Range(ctx, lastKey(app.Name(), ">"), func(e streams.Entry) bool {
		last[strings.TrimPrefix(e.Key, lastKey(app.Name(), ""))], _ = parseLast(e)
		return true
	})
	if err != nil {
		return nil, err
	}
	var list []EntryInfo
	err = store.Range(ctx, entryKey(app.Name(), ">"), func(e streams.Entry) bool {
		if r, err := parseEntry(c, e); err == nil {
			list = append(list, r.info(last[r.Name], c.Now()))
		}
		return true
	})
	slices.SortFunc(list, func(one, two EntryInfo) int { return strings.Compare(one.Name, two.Name) })
	return list, err
}

func (r entryRecord) info(last lastRun, now time.Time) EntryInfo {
	i := EntryInfo{Last: last.Due, Entry: Entry{
		Name: r.Name, Schedule: r.Schedule, Call: r.Call, Jitter: time.Duration(r.Jitter),
		AtStart: r.AtStart, Missed: r.Missed,
	}}
	if !last.Due.IsZero() {
		i.LastID = runID(r.App, r.Name, last, 0)
	}
	if p, err := r.plan(); err == nil {
		if reached := last.reached(); !p.anew(reached, now) {
			now = later(now, reached)
		}
		i.Next = p.next(now)
	}
	return i
}
