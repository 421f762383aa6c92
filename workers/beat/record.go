package beat

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"warren/streams"
	"warren/workers"
	"warren/workers/internal/jsontext"
)

// entryRecord is how an entry is stored.
type entryRecord struct {
	App      string            `json:"app"`
	Name     string            `json:"name"`
	Schedule Schedule          `json:"schedule"`
	Call     workers.Signature `json:"call"`
	Jitter   workers.Seconds   `json:"jitter,omitzero"`
	AtStart  bool              `json:"at_start,omitempty"`
	Missed   Missed            `json:"missed"`
	Since    time.Time         `json:"since"` // when it was put with this schedule
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

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// appWord is the word of an app in the keys of the store.
func appWord(app string) string {
	sum := sha256.Sum256([]byte(app))
	return hex.EncodeToString(sum[:8])
}

func entryKey(app, name string) string { return "entry." + appWord(app) + "." + name }

func lastKey(app, name string) string { return "last." + appWord(app) + "." + name }

func leaderKey(app string) string { return "leader." + appWord(app) }

// runID is the id of a task of a run: whoever sends it, the id is the same. It is written
// as a UUID.
func runID(app, name string, last lastRun, n int) string {
	parts := []string{app, name, last.Due.UTC().Format(time.RFC3339Nano), strconv.Itoa(n)}
	if last.Anew > 0 {
		parts = append(parts, strconv.Itoa(last.Anew))
	}
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	id := h.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// run is what a run of the entry sends.
func (r entryRecord) run(last lastRun) run {
	return run{
		Entry: r.Name, Call: r.Call, Due: last.Due,
		ID: func(n int) string { return runID(r.App, r.Name, last, n) },
	}
}

// newRecord checks an entry and writes it for the store.
func newRecord(c client, app string, e Entry) (entryRecord, error) {
	r := entryRecord{
		App: app, Name: e.Name, Schedule: e.Schedule, Jitter: workers.Seconds(e.Jitter),
		AtStart: e.AtStart, Missed: cmp.Or(e.Missed, MissedOnce),
		Since: c.Now().Truncate(time.Millisecond),
	}
	if e.Call == nil {
		return r, errors.New("it has no call")
	}
	var err error
	r.Call, err = c.Signature(e.Call)
	return r, errors.Join(err, r.check())
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
	text, err := jsontext.Marshal(r)
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
	one, _ := jsontext.Marshal(r.Schedule)
	two, _ := jsontext.Marshal(other.Schedule)
	return bytes.Equal(one, two) && r.AtStart == other.AtStart
}

func parseEntry(c client, e streams.Entry) (entryRecord, error) {
	var r entryRecord
	err := json.Unmarshal(e.Value, &r)
	if err == nil {
		err = c.Measure(r.Call)
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
