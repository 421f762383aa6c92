package beat

import (
	"context"
	"time"

	"github.com/go-co-op/gocron/v2"

	"warren/streams"
)

// A leaderLoop is what a scheduler does while it leads: gocron calls it when a run is
// due, and what is due then is found out from what is stored.
type leaderLoop struct {
	s     *Scheduler
	lease time.Duration
	cron  gocron.Scheduler

	runners map[string]*entryRunner // by the name of the entry
}

func newLeaderLoop(s *Scheduler, lease time.Duration) *leaderLoop {
	return &leaderLoop{s: s, lease: lease, runners: make(map[string]*entryRunner)}
}

// run sends what is due until the context ends. What is being sent then is sent
// to its end, also when another scheduler leads already: the run was claimed here.
func (l *leaderLoop) run(ctx context.Context) {
	cron, err := gocron.NewScheduler(
		gocron.WithLocation(time.UTC), gocron.WithStopTimeout(l.lease), gocron.WithLogger(quiet{}))
	if err != nil {
		l.s.log.Error("cannot schedule anything", "error", err)
		<-ctx.Done()
		return
	}
	l.cron = cron
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	l.cron.Start()
	l.watch(ctx, sending)
	// No new runs first; then those that are being sent, for as long as that helps.
	if err := l.cron.Shutdown(); err != nil {
		l.s.log.Warn("a run was not sent to its end; the next leader sends it", "error", err)
	}
	cancel()
	for _, r := range l.runners {
		r.end()
	}
}

// watch follows the entries. Now and then it looks at them all: for a clock that
// was set, a machine that slept, and what could not be sent.
func (l *leaderLoop) watch(ctx, sending context.Context) {
	again := time.NewTicker(max(l.lease/3, time.Second))
	defer again.Stop()
	for {
		if err := l.update(ctx, sending); err != nil && ctx.Err() == nil {
			l.s.log.Warn("could not read when entries ran last; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.s.entries.changed:
		case <-again.C:
			l.runAll(ctx, sending)
		}
	}
}

// update makes the runners those of the entries as they are stored.
func (l *leaderLoop) update(ctx, sending context.Context) error {
	entries := l.s.entries.all()
	for name, r := range l.runners {
		if e, ok := entries[name]; !ok || e.Revision != r.stored {
			l.drop(name, r)
		}
	}
	var fresh []string
	for name := range entries {
		if l.runners[name] == nil {
			fresh = append(fresh, lastKey(l.s.app.Name(), name))
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	last, err := l.s.store.GetMany(ctx, fresh)
	if err != nil {
		return err
	}
	for name, e := range entries {
		if l.runners[name] == nil {
			l.add(ctx, sending, name, e, last[lastKey(l.s.app.Name(), name)])
		}
	}
	return nil
}

func (l *leaderLoop) drop(name string, r *entryRunner) {
	delete(l.runners, name)
	if r.job != nil {
		_ = l.cron.RemoveJob(r.job.ID()) // it is there
	}
	r.end()
}

// add begins the runs of an entry. One that this program cannot read is left to
// others.
func (l *leaderLoop) add(ctx, sending context.Context, name string, e, last streams.Entry) {
	r := newEntryRunner(l.s, l.lease, e.Revision)
	l.runners[name] = r
	var err error
	if r.entry, err = parseEntry(l.s.c, e); err == nil {
		r.plan, err = r.entry.plan()
	}
	if err != nil {
		l.s.log.Error("an entry cannot be scheduled here", "entry", name, "error", err)
		return
	}
	r.last, r.revision = parseLast(last)
	r.job, err = l.cron.NewJob(
		gocron.CronJob("", true), gocron.NewTask(func() { r.wake(ctx, sending) }),
		gocron.WithCronImplementation(planCron{r.plan, l.s.c}), gocron.WithName(name))
	if err != nil {
		l.s.log.Error("an entry cannot be scheduled", "entry", name, "error", err)
	}
	r.runDue(ctx, sending) // what was due before
}

func (l *leaderLoop) runAll(ctx, sending context.Context) {
	for _, r := range l.runners {
		r.runDue(ctx, sending)
	}
}

// A planCron has gocron call when a plan's runs are to be sent. Gocron goes by the clock of
// this machine, and the plan by the broker's.
type planCron struct {
	plan plan
	c    client
}

// IsValid says that there is no crontab to check.
func (planCron) IsValid(string, *time.Location, time.Time) error { return nil }

// Next is when to call next. Gocron wants a time, also when there is none.
func (p planCron) Next(after time.Time) time.Time {
	ahead := time.Until(p.c.Now())
	if next := p.plan.nextFire(after.Add(ahead)); !next.IsZero() {
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
