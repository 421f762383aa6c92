package beat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// An entryRunner sends the runs of one entry, one after another.
type entryRunner struct {
	s      *Scheduler
	lease  time.Duration
	stored uint64 // the revision of the entry
	entry  entryRecord
	plan   plan
	job    gocron.Job

	mu       sync.Mutex
	ended    bool
	last     lastRun
	revision uint64 // of last
	failing  bool   // and that was told
	passed   bool   // another scheduler had sent the run before, as was found out
	tries    int    // of the run that is sent now
}

func newEntryRunner(s *Scheduler, lease time.Duration, stored uint64) *entryRunner {
	return &entryRunner{s: s, lease: lease, stored: stored}
}

// end ends the runner: what is being sent is sent to its end.
func (r *entryRunner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// soon is how long a run is waited for that is not due yet when gocron calls.
const soon = 100 * time.Millisecond

// wake runs what is due now, by the clock of this machine: by the broker's it may be
// a moment away.
func (r *entryRunner) wake(leading, sending context.Context) {
	now := r.s.c.Now()
	if next := r.plan.nextFire(now); !next.IsZero() && next.Sub(now) < soon {
		pause(leading, next.Sub(now))
	}
	r.runDue(leading, sending)
}

// runDue sends what is due, while this scheduler leads. What cannot be sent now is due
// again later. Where another scheduler has sent the run before, and no more, what is due
// is sent all the same: that one may lead no more.
func (r *entryRunner) runDue(leading, sending context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.plan.times == nil {
		return
	}
	err := r.sendDue(leading, sending)
	for errors.Is(err, streams.ErrConflict) && r.passed {
		err = r.sendDue(leading, sending)
	}
	if errors.Is(err, streams.ErrConflict) {
		err = nil // another scheduler is ahead
	}
	if err != nil && !r.failing {
		r.s.log.Warn("could not send a run; it is tried again", "entry", r.entry.Name, "error", err)
	}
	r.failing = err != nil
	switch {
	case err == nil:
		r.tries = 0
	case !r.s.c.Passes(err):
		r.tries++
	}
}

func (r *entryRunner) sendDue(leading, sending context.Context) error {
	ctx, cancel := context.WithTimeout(sending, r.s.c.Timeout())
	defer cancel()
	r.passed = false
	if leading.Err() != nil {
		return nil
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	now := r.s.c.Now()
	if begins, err := r.beginAnew(ctx, now); begins || err != nil {
		return err
	}
	for _, due := range r.plan.due(r.last.reached(), now, 2*r.lease) {
		if leading.Err() != nil {
			return nil
		}
		if err := r.note(ctx, lastRun{Due: due, Anew: r.last.Anew}); err != nil {
			return err
		}
		if err := r.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beginAnew begins from now where an entry was put, or ran, later than now, because
// the clock was put back since. True says that the entry is written, and another
// runner follows this one.
func (r *entryRunner) beginAnew(ctx context.Context, now time.Time) (bool, error) {
	if r.entry.Since.Sub(now) > mostAhead {
		r.s.log.Warn("an entry was put later than now: the clock was put back; it begins anew", "entry", r.entry.Name, "put", r.entry.Since)
		return true, r.putAnew(ctx, now)
	}
	if !r.plan.anew(r.last.reached(), now) {
		return false, nil
	}
	r.s.log.Warn("an entry ran later than now: the clock was put back; its runs begin anew", "entry", r.entry.Name, "ran", r.last.reached())
	return false, r.note(ctx, lastRun{From: now, Anew: r.last.Anew + 1})
}

// putAnew puts the entry as if it were put now.
func (r *entryRunner) putAnew(ctx context.Context, now time.Time) error {
	e := r.entry
	e.Since = now.Truncate(time.Millisecond)
	text, err := jsontext.Marshal(e)
	if err != nil {
		return err
	}
	_, err = r.s.store.Put(ctx, streams.Put{Key: entryKey(e.App, e.Name), Value: text, Expect: streams.Revision(r.stored)})
	return err
}

// finish sends the run that was claimed, unless it is known to be sent: whoever
// claimed it may have been killed before. It has the ids it had.
func (r *entryRunner) finish(ctx context.Context) error {
	if r.last.Sent || r.last.Due.IsZero() {
		return nil
	}
	run := r.entry.run(r.last)
	run.Tries, run.Logger = r.tries, r.s.log
	if err := r.s.c.Send(ctx, run); err != nil {
		return err
	}
	r.s.tell(Event{Kind: Sent, Entry: run.Entry, ID: run.ID(0), Due: run.Due})
	sent := r.last
	sent.Sent = true
	return r.note(ctx, sent)
}

// note writes how far the runs have come, unless another scheduler has written
// meanwhile: then it is ahead, and this one learns how far.
func (r *entryRunner) note(ctx context.Context, last lastRun) error {
	text, err := jsontext.Marshal(last)
	if err != nil {
		return err
	}
	key := lastKey(r.entry.App, r.entry.Name)
	revision, err := r.s.store.Put(ctx, streams.Put{Key: key, Value: text, Expect: streams.Revision(r.revision)})
	if err == nil {
		r.last, r.revision = last, revision
		return nil
	}
	e, readErr := r.s.store.Get(ctx, key)
	if readErr == nil || errors.Is(readErr, streams.ErrNoEntry) {
		r.last, r.revision = parseLast(e)
		r.passed = r.last.Sent
	}
	return err
}
