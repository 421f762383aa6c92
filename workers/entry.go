package workers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"warren/streams"
)

// An Entry is a call that is sent again and again: one of Celery's
// beat_schedule. Entries are stored at the broker, under the name of their app;
// see [App.PutEntry] and [SchedulerConfig].
type Entry struct {
	// Name tells it from the app's others.
	Name string
	// Schedule is when it is due.
	Schedule Schedule
	// Call is what is sent.
	Call Call
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

// Call is what an [Entry] can send: a [Sig] of whatever result, or a [Signature].
type Call interface{ whole() part }

func (s Sig[R]) whole() part    { return s.part }
func (s Signature) whole() part { return part{sig: s} }

// EntryInfo is an entry as it is stored, and how far it has come.
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

// beatStore is what entries are stored in, of all apps.
const beatStore = "beat"

// entryRecord is how an entry is stored.
type entryRecord struct {
	App      string    `json:"app"`
	Name     string    `json:"name"`
	Schedule Schedule  `json:"schedule"`
	Call     Signature `json:"call"`
	Jitter   Seconds   `json:"jitter,omitzero"`
	AtStart  bool      `json:"at_start,omitempty"`
	Missed   Missed    `json:"missed"`
	Since    time.Time `json:"since"` // when it was put with this schedule
}

// lastRun is how the last run of an entry is stored: it is claimed, and then
// sent.
type lastRun struct {
	Due  time.Time `json:"due"` // zero when there was none since they began anew
	Sent bool      `json:"sent"`
	// From is when runs began anew, because the clock was put back, and Anew how often
	// they have: what is due at a time that the clock shows again is another run.
	From time.Time `json:"from,omitzero"`
	Anew int       `json:"anew,omitempty"`
}

// reached is how far the runs have come.
func (l lastRun) reached() time.Time { return later(l.Due, l.From) }

// appWord is the word of an app in the keys of the store.
func appWord(app string) string {
	sum := sha256.Sum256([]byte(app))
	return hex.EncodeToString(sum[:8])
}

func entryKey(app, name string) string { return "entry." + appWord(app) + "." + name }

func lastKey(app, name string) string { return "last." + appWord(app) + "." + name }

func leaderKey(app string) string { return "leader." + appWord(app) }

// runIDs makes the ids of a run: whoever sends it, they are the same.
func runIDs(app, name string, run lastRun) func() string {
	parts := []string{app, name, run.Due.UTC().Format(time.RFC3339Nano), ""}
	if run.Anew > 0 {
		parts = append(parts, strconv.Itoa(run.Anew))
	}
	n := 0
	return func() string {
		h := sha256.New()
		parts[3] = strconv.Itoa(n)
		for _, part := range parts {
			fmt.Fprintf(h, "%d:%s", len(part), part)
		}
		n++
		id := h.Sum(nil)[:16]
		id[6] = id[6]&0x0f | 0x80
		id[8] = id[8]&0x3f | 0x80
		return uuid(id)
	}
}

// record checks an entry and writes it for the store.
func (a *App) record(e Entry, now time.Time) (entryRecord, error) {
	r := entryRecord{
		App: a.name, Name: e.Name, Schedule: e.Schedule, Jitter: Seconds(e.Jitter),
		AtStart: e.AtStart, Missed: first(e.Missed, MissedOnce),
		Since: now.Truncate(time.Millisecond),
	}
	if e.Call == nil {
		return r, errors.New("it has no call")
	}
	p := e.Call.whole()
	r.Call = p.sig
	if p.app != nil && p.app != a {
		return r, errors.New("its call is another app's")
	}
	return r, errors.Join(p.err, r.check())
}

func (r entryRecord) check() error {
	switch {
	case r.Name == "" || len(r.Name) > 200 || !utf8.ValidString(r.Name):
		return fmt.Errorf("its name has %d bytes; use 1 to 200, of UTF-8", len(r.Name))
	case r.Jitter < 0 || time.Duration(r.Jitter) > 24*time.Hour:
		return fmt.Errorf("the jitter is %v; use a day at most", time.Duration(r.Jitter))
	case !slices.Contains([]Missed{MissedOnce, MissedSkip, MissedAll}, r.Missed):
		return fmt.Errorf("missed runs cannot be run %q; use once, skip or all", r.Missed)
	case r.Call.Options.TaskID != "":
		return errors.New("its call has an id, and each run needs its own; leave it out")
	}
	_, err := r.plan()
	return err
}

func (r entryRecord) plan() (plan, error) {
	t, err := r.Schedule.times(r.Since)
	return plan{
		times: t, name: r.Name, since: r.Since, atStart: r.AtStart,
		jitter: time.Duration(r.Jitter), missed: r.Missed,
	}, err
}

// canvas is what a run sends.
func (c *client) canvas(r entryRecord, run lastRun) (Signature, error) {
	sig := r.Call
	sig.Options.Headers = withHeader(sig.Options.Headers, headerScheduled, run.Due.UTC().Format(time.RFC3339Nano))
	return freeze(sig, runIDs(r.App, r.Name, run), c.complete)
}

// PutEntry stores an entry, or changes the one of its name, in whatever process:
// schedulers follow. With another schedule it begins anew; otherwise it goes on as
// it did. An entry that is stored just so stays untouched.
func (a *App) PutEntry(ctx context.Context, e Entry) error {
	c, err := a.connected()
	if err == nil {
		err = c.putEntry(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("put entry %q: %w", e.Name, err)
	}
	return nil
}

func (c *client) putEntry(ctx context.Context, e Entry) error {
	r, err := c.app.record(e, c.now())
	if err != nil {
		return err
	}
	if _, err := c.canvas(r, lastRun{Due: r.Since}); err != nil {
		return err
	}
	store, err := c.beat(ctx)
	for changed := true; changed && err == nil; {
		changed, err = r.put(ctx, store)
	}
	return err
}

// put stores an entry unless it is stored just so. True says that another one was
// changed meanwhile, and nothing is stored.
func (r entryRecord) put(ctx context.Context, store *streams.Store) (changed bool, err error) {
	e, err := store.Get(ctx, entryKey(r.App, r.Name))
	expect := streams.Absent
	switch {
	case err == nil:
		expect = streams.Revision(e.Revision)
		var was entryRecord
		if json.Unmarshal(e.Value, &was) == nil && was.begins(r) {
			r.Since = was.Since
		}
	case !errors.Is(err, streams.ErrNoEntry):
		return false, err
	}
	text, err := marshal(r)
	if err != nil || bytes.Equal(text, e.Value) {
		return false, err
	}
	_, err = store.Put(ctx, streams.Put{Key: e.Key, Value: text, Expect: expect})
	if errors.Is(err, streams.ErrConflict) {
		return true, nil
	}
	return false, err
}

// begins reports whether two entries are due at the same times.
func (r entryRecord) begins(other entryRecord) bool {
	one, _ := marshal(r.Schedule)
	two, _ := marshal(other.Schedule)
	return bytes.Equal(one, two) && r.AtStart == other.AtStart
}

// DeleteEntry deletes an entry, and what is known of its runs; what was sent of
// it stays sent. There may be none of that name.
func (a *App) DeleteEntry(ctx context.Context, name string) error {
	if err := a.deleteEntry(ctx, name); err != nil {
		return fmt.Errorf("delete entry %q: %w", name, err)
	}
	return nil
}

func (a *App) deleteEntry(ctx context.Context, name string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	store, err := c.beat(ctx)
	if err != nil {
		return err
	}
	if err := store.Delete(ctx, entryKey(a.name, name)); err != nil {
		return err
	}
	return store.Delete(ctx, lastKey(a.name, name))
}

// Entries are the entries of the app, whoever put them, sorted by name.
func (a *App) Entries(ctx context.Context) ([]EntryInfo, error) {
	list, err := a.entries(ctx)
	if err != nil {
		return nil, fmt.Errorf("list entries of app %q: %w", a.name, err)
	}
	return list, nil
}

func (a *App) entries(ctx context.Context) ([]EntryInfo, error) {
	c, err := a.connected()
	if err != nil {
		return nil, err
	}
	store, err := c.beat(ctx)
	if err != nil {
		return nil, err
	}
	last := make(map[string]lastRun)
	err = store.Range(ctx, lastKey(a.name, ">"), func(e streams.Entry) bool {
		last[strings.TrimPrefix(e.Key, lastKey(a.name, ""))], _ = parseLast(e)
		return true
	})
	if err != nil {
		return nil, err
	}
	var list []EntryInfo
	err = store.Range(ctx, entryKey(a.name, ">"), func(e streams.Entry) bool {
		if r, err := parseEntry(e); err == nil {
			list = append(list, r.info(last[r.Name], c.now()))
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
		i.LastID = runIDs(r.App, r.Name, last)()
	}
	if p, err := r.plan(); err == nil {
		if reached := last.reached(); !p.anew(reached, now) {
			now = later(now, reached)
		}
		i.Next = p.next(now)
	}
	return i
}

func parseEntry(e streams.Entry) (entryRecord, error) {
	var r entryRecord
	err := json.Unmarshal(e.Value, &r)
	if err == nil {
		err = measure(&r.Call)
	}
	if err != nil {
		return r, fmt.Errorf("read entry: %w", err)
	}
	return r, nil
}

// parseLast reads the last run, and the revision that the next one is claimed by;
// of a marker there is none.
func parseLast(e streams.Entry) (lastRun, uint64) {
	var last lastRun
	if e.Gone != streams.Present {
		return last, 0
	}
	_ = json.Unmarshal(e.Value, &last) // what is none is written anew
	return last, e.Revision
}
