package workers

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"

	"warren/streams"
)

// A reign is what a scheduler does while it leads: gocron calls it when a run is
// due, and what is due then is found out from what is stored.
type reign struct {
	s     *Scheduler
	lease time.Duration
	clock gocron.Scheduler

	turns map[string]*turn // by the name of the entry
}

func newReign(s *Scheduler, lease time.Duration) *reign {
	return &reign{s: s, lease: lease, turns: make(map[string]*turn)}
}

// run sends what is due until the context ends. What is being sent then is sent
// to its end, also when another scheduler leads already: the run was claimed here.
func (r *reign) run(ctx context.Context) {
	clock, err := gocron.NewScheduler(
		gocron.WithLocation(time.UTC), gocron.WithStopTimeout(r.lease), gocron.WithLogger(quiet{}))
	if err != nil {
		r.s.log.Error("cannot schedule anything", "error", err)
		<-ctx.Done()
		return
	}
	r.clock = clock
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.clock.Start()
	r.attend(ctx, sending)
	// No new runs first; then those that are being sent, for as long as that helps.
	if err := r.clock.Shutdown(); err != nil {
		r.s.log.Warn("a run was not sent to its end; the next leader sends it", "error", err)
	}
	cancel()
	for _, t := range r.turns {
		t.end()
	}
}

// attend follows the entries. Now and then it looks at them all: for a clock that
// was set, a machine that slept, and what could not be sent.
func (r *reign) attend(ctx, sending context.Context) {
	again := time.NewTicker(max(r.lease/3, time.Second))
	defer again.Stop()
	for {
		if err := r.adopt(ctx, sending); err != nil && ctx.Err() == nil {
			r.s.log.Warn("could not read when entries ran last; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.s.agenda.changed:
		case <-again.C:
			r.lookOver(ctx, sending)
		}
	}
}

// adopt makes the turns those of the entries as they are stored.
func (r *reign) adopt(ctx, sending context.Context) error {
	entries := r.s.agenda.all()
	for name, t := range r.turns {
		if e, ok := entries[name]; !ok || e.Revision != t.stored {
			r.drop(name, t)
		}
	}
	var fresh []string
	for name := range entries {
		if r.turns[name] == nil {
			fresh = append(fresh, lastKey(r.s.app.name, name))
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	last, err := r.s.store.GetMany(ctx, fresh)
	if err != nil {
		return err
	}
	for name, e := range entries {
		if r.turns[name] == nil {
			r.add(ctx, sending, name, e, last[lastKey(r.s.app.name, name)])
		}
	}
	return nil
}

func (r *reign) drop(name string, t *turn) {
	delete(r.turns, name)
	if t.job != nil {
		_ = r.clock.RemoveJob(t.job.ID()) // it is there
	}
	t.end()
}

// add begins the turns of an entry. One that this program cannot read is left to
// others.
func (r *reign) add(ctx, sending context.Context, name string, e, last streams.Entry) {
	t := newTurn(r.s, r.lease, e.Revision)
	r.turns[name] = t
	var err error
	if t.entry, err = parseEntry(e); err == nil {
		t.plan, err = t.entry.plan()
	}
	if err != nil {
		r.s.log.Error("an entry cannot be scheduled here", "entry", name, "error", err)
		return
	}
	t.last, t.revision = parseLast(last)
	t.job, err = r.clock.NewJob(
		gocron.CronJob("", true), gocron.NewTask(func() { t.ring(ctx, sending) }),
		gocron.WithCronImplementation(bell{t.plan, r.s.c}), gocron.WithName(name))
	if err != nil {
		r.s.log.Error("an entry cannot be scheduled", "entry", name, "error", err)
	}
	t.take(ctx, sending) // what was due before
}

func (r *reign) lookOver(ctx, sending context.Context) {
	for _, t := range r.turns {
		t.take(ctx, sending)
	}
}

// A bell has gocron call when a plan's runs are to be sent. Gocron goes by the clock of
// this machine, and the plan by the broker's.
type bell struct {
	plan plan
	c    *client
}

// IsValid says that there is no crontab to check.
func (bell) IsValid(string, *time.Location, time.Time) error { return nil }

// Next is when to call next. Gocron wants a time, also when there is none.
func (b bell) Next(after time.Time) time.Time {
	ahead := time.Until(b.c.now())
	if next := b.plan.nextFire(after.Add(ahead)); !next.IsZero() {
		return next.Add(-ahead).UTC()
	}
	return time.Now().AddDate(100, 0, 0)
}

// quiet is a logger: what gocron has to say, its results say too.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Error(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}

// A turn sends the runs of one entry, one after another.
type turn struct {
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

func newTurn(s *Scheduler, lease time.Duration, stored uint64) *turn {
	return &turn{s: s, lease: lease, stored: stored}
}

// end ends the turns: what is being sent is sent to its end.
func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// soon is how long a run is waited for that is not due yet when gocron calls.
const soon = 100 * time.Millisecond

// ring takes what is due now, by the clock of this machine: by the broker's it may be
// a moment away.
func (t *turn) ring(reigning, sending context.Context) {
	now := t.s.c.now()
	if next := t.plan.nextFire(now); !next.IsZero() && next.Sub(now) < soon {
		pause(reigning, next.Sub(now))
	}
	t.take(reigning, sending)
}

// take sends what is due, while the reign lasts. What cannot be sent now is due
// again later. Where another scheduler has sent the run before, and no more, what is due
// is sent all the same: that one may lead no more.
func (t *turn) take(reigning, sending context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.plan.times == nil {
		return
	}
	err := t.send(reigning, sending)
	for errors.Is(err, streams.ErrConflict) && t.passed {
		err = t.send(reigning, sending)
	}
	if errors.Is(err, streams.ErrConflict) {
		err = nil // another scheduler is ahead
	}
	if err != nil && !t.failing {
		t.s.log.Warn("could not send a run; it is tried again", "entry", t.entry.Name, "error", err)
	}
	t.failing = err != nil
	switch {
	case err == nil:
		t.tries = 0
	case lastingOf(err) != passing:
		t.tries++
	}
}

func (t *turn) send(reigning, sending context.Context) error {
	ctx, cancel := context.WithTimeout(sending, t.s.c.cfg.Timeout)
	defer cancel()
	t.passed = false
	if reigning.Err() != nil {
		return nil
	}
	if err := t.finish(ctx); err != nil {
		return err
	}
	now := t.s.c.now()
	if begins, err := t.beginAnew(ctx, now); begins || err != nil {
		return err
	}
	for _, due := range t.plan.due(t.last.reached(), now, 2*t.lease) {
		if reigning.Err() != nil {
			return nil
		}
		if err := t.note(ctx, lastRun{Due: due, Anew: t.last.Anew}); err != nil {
			return err
		}
		if err := t.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beginAnew begins from now where an entry was put, or ran, later than now, because
// the clock was put back since. True says that the entry is written, and this turn is
// followed by another one.
func (t *turn) beginAnew(ctx context.Context, now time.Time) (bool, error) {
	if t.entry.Since.Sub(now) > mostAhead {
		t.s.log.Warn("an entry was put later than now: the clock was put back; it begins anew", "entry", t.entry.Name, "put", t.entry.Since)
		return true, t.putAnew(ctx, now)
	}
	if !t.plan.anew(t.last.reached(), now) {
		return false, nil
	}
	t.s.log.Warn("an entry ran later than now: the clock was put back; its runs begin anew", "entry", t.entry.Name, "ran", t.last.reached())
	return false, t.note(ctx, lastRun{From: now, Anew: t.last.Anew + 1})
}

// putAnew puts the entry as if it were put now.
func (t *turn) putAnew(ctx context.Context, now time.Time) error {
	e := t.entry
	e.Since = now.Truncate(time.Millisecond)
	text, err := marshal(e)
	if err != nil {
		return err
	}
	_, err = t.s.store.Put(ctx, streams.Put{Key: entryKey(e.App, e.Name), Value: text, Expect: streams.Revision(t.stored)})
	return err
}

// finish sends the run that was claimed, unless it is known to be sent: whoever
// claimed it may have been killed before. It has the ids it had.
func (t *turn) finish(ctx context.Context) error {
	if t.last.Sent || t.last.Due.IsZero() {
		return nil
	}
	if err := t.sendRun(ctx); err != nil {
		if !final(err, t.tries) {
			return err
		}
		if err := t.giveUp(ctx, err); err != nil {
			return err
		}
	}
	id := runIDs(t.entry.App, t.entry.Name, t.last)()
	t.s.tell(Pulse{Kind: PulseSent, Entry: t.entry.Name, ID: id, Due: t.last.Due})
	sent := t.last
	sent.Sent = true
	return t.note(ctx, sent)
}

// sendRun sends the run that was claimed. An entry of an earlier version may have what
// is refused today.
func (t *turn) sendRun(ctx context.Context) error {
	sig, err := t.s.c.canvas(t.entry, t.last)
	if err != nil {
		return permanently(err)
	}
	mv := moves{sentAt: t.s.c.now(), final: func(err error) bool { return final(err, t.tries) }}
	mv.start(sig, nil, spot{root: rootOf(sig), index: -1})
	return t.s.c.carry(ctx, &mv)
}

// giveUp keeps a run that can never be sent as a dead letter: the next one is due all
// the same.
func (t *turn) giveUp(ctx context.Context, cause error) error {
	m := &Message{
		ID: runIDs(t.entry.App, t.entry.Name, t.last)(), Task: first(t.entry.Call.Task, string(t.entry.Call.Kind)),
		GroupIndex: -1, Args: t.entry.Call.Args, Kwargs: t.entry.Call.Kwargs, Queue: t.entry.Call.Options.Queue,
	}
	t.s.log.Error("gave up a run that can never be sent", "entry", t.entry.Name, "id", m.ID, "error", cause)
	f := t.s.c.unsent(refusal{m, cause})
	if err := t.s.c.bury(ctx, t.s.c.letterOf(m, f)); err != nil {
		return err
	}
	return insist(ctx, func(ctx context.Context) error {
		return recorded(ctx, []*streams.Pending{t.s.c.begin(ctx, end{id: m.ID, task: m.Task, cause: f})})
	})
}

// note writes how far the runs have come, unless another scheduler has written
// meanwhile: then it is ahead, and this one learns how far.
func (t *turn) note(ctx context.Context, last lastRun) error {
	text, err := marshal(last)
	if err != nil {
		return err
	}
	key := lastKey(t.entry.App, t.entry.Name)
	revision, err := t.s.store.Put(ctx, streams.Put{Key: key, Value: text, Expect: streams.Revision(t.revision)})
	if err == nil {
		t.last, t.revision = last, revision
		return nil
	}
	e, readErr := t.s.store.Get(ctx, key)
	if readErr == nil || errors.Is(readErr, streams.ErrNoEntry) {
		t.last, t.revision = parseLast(e)
		t.passed = t.last.Sent
	}
	return err
}
