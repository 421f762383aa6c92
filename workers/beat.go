package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"warren/streams"
)

// SchedulerConfig is how a scheduler works. The zero value works.
type SchedulerConfig struct {
	// Name tells the scheduler from others. Default: "beat@" and the host's name.
	Name string
	// Entries are put when the scheduler starts, as with [App.PutEntry]: what was
	// stored under their names and is not the same is replaced, by whoever starts
	// last. Entries that are no longer among these stay until they are deleted.
	Entries []Entry
	// Pulse is called with what the scheduler does, by several goroutines at once;
	// it should return soon, for runs wait for it. Default: nobody is told.
	Pulse func(Pulse)
}

func (c SchedulerConfig) withDefaults() SchedulerConfig {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		c.Name = "beat@" + host
	}
	return c
}

// Scheduler sends the tasks of an app's entries when they are due: Celery's beat.
// Of any number of them, one leads; the others stand by. It is used once.
type Scheduler struct {
	app *App
	cfg SchedulerConfig
	log *slog.Logger

	c      *client
	self   occupant
	store  *streams.Store
	agenda *agenda
	ready  chan struct{}
	vacant chan struct{} // told when the seat may be
	leads  chan struct{}
}

// Scheduler makes a scheduler of the app's entries; [Scheduler.Run] starts it.
func (a *App) Scheduler(cfg SchedulerConfig) *Scheduler {
	return &Scheduler{
		app: a, cfg: cfg.withDefaults(), agenda: newAgenda(a.name),
		ready: make(chan struct{}), vacant: make(chan struct{}, 1), leads: make(chan struct{}),
	}
}

// Ready is closed once the scheduler's entries are put, and it leads or stands by.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Leads is closed once the scheduler has led.
func (s *Scheduler) Leads() <-chan struct{} { return s.leads }

// Run sends what is due until the context ends, or waits to lead; a leader that
// ends is followed at once, one that was killed within [Config.Lease]. When it
// returns nothing of it is running. The error is why it could not begin, or why
// it had to end.
func (s *Scheduler) Run(ctx context.Context) error {
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("scheduler of app %q: %w", s.app.name, err)
	}
	return nil
}

func (s *Scheduler) run(ctx context.Context) (err error) {
	if s.c, err = s.app.connected(); err != nil {
		return err
	}
	s.self = occupant{s.c.ids.next(), s.cfg.Name}
	s.log = s.c.cfg.Logger.With("scheduler", s.cfg.Name)
	if s.store, err = s.c.beat(ctx); err != nil {
		return err
	}
	for _, e := range s.cfg.Entries {
		if err := s.c.putEntry(ctx, e); err != nil {
			return fmt.Errorf("put entry %q: %w", e.Name, err)
		}
	}
	stop, err := s.store.Notify(ctx, leaderKey(s.app.name), func(streams.Entry) { poke(s.vacant) })
	if err != nil {
		return err
	}
	defer stop()
	return s.follow(ctx)
}

// follow follows the entries, and leads when it can.
func (s *Scheduler) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	known := make(chan struct{})
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel(nil)
	following.Go(func() {
		err := s.store.Follow(ctx, entryKey(s.app.name, ">"), s.agenda.told, func() { close(known) })
		if ctx.Err() == nil {
			cancel(err)
		}
	})
	select {
	case <-known:
		close(s.ready)
		s.stand(ctx)
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// stand leads whenever the seat is free, until the context ends.
func (s *Scheduler) stand(ctx context.Context) {
	var follows occupant
	for ctx.Err() == nil {
		seat := s.seat()
		taken, err := seat.take(ctx)
		switch {
		case taken:
			follows = occupant{}
			s.lead(ctx, seat)
			continue
		case err != nil && ctx.Err() == nil:
			s.log.Warn("could not look whether another scheduler leads; it is tried again", "error", err)
			pause(ctx, time.Second)
			continue
		case seat.taken != occupant{} && seat.taken != follows:
			follows = seat.taken
			s.tell(Pulse{Kind: PulseWaits, Leader: follows.Name})
		}
		s.await(ctx, seat.ttl)
	}
}

// seat makes what this scheduler wants: a TTL is of whole seconds.
func (s *Scheduler) seat() *seat {
	return &seat{store: s.store, key: leaderKey(s.app.name), ttl: wholeSeconds(s.c.cfg.Lease), want: s.self, now: s.c.now}
}

// await waits until the seat changes, or for its TTL: of a change in a cluster,
// nobody may be told.
func (s *Scheduler) await(ctx context.Context, ttl time.Duration) {
	timer := time.NewTimer(ttl)
	defer timer.Stop()
	select {
	case <-s.vacant:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lead leads until the context ends or the seat is lost.
func (s *Scheduler) lead(ctx context.Context, seat *seat) {
	s.log.Info("leads")
	s.tell(Pulse{Kind: PulseLeads, Leader: s.cfg.Name})
	select {
	case <-s.leads:
	default:
		close(s.leads)
	}
	reigning, abdicate := context.WithCancel(ctx)
	defer abdicate()
	kept, lost := make(chan struct{}), make(chan error, 1)
	go func() {
		defer abdicate()
		lost <- s.keep(context.WithoutCancel(ctx), seat, kept)
	}()
	newReign(s, seat.ttl).run(reigning)
	// No run is sent any more: the seat can be left.
	close(kept)
	if err := <-lost; err != nil {
		s.log.Warn("leads no more: it could not renew its lease", "error", err)
		return
	}
	if err := seat.leave(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("could not hand over; another scheduler leads when the lease is over", "error", err)
	}
}

// keep renews the seat until it is told to end. The error is why it is lost.
func (s *Scheduler) keep(ctx context.Context, seat *seat, end <-chan struct{}) error {
	ticker := time.NewTicker(seat.ttl / 3)
	defer ticker.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-ticker.C:
		}
		err := seat.renew(ctx)
		if errors.Is(err, streams.ErrConflict) || err != nil && !time.Now().Before(seat.until) {
			return err
		}
	}
}
