package beat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"warren/streams"
	"warren/workers"
)

// Config is how a scheduler works. The zero value works.
type Config struct {
	// Name tells the scheduler from others. Default: "beat@" and the host's name.
	Name string
	// Entries are put when the scheduler starts, as with [Put]: what was
	// stored under their names and is not the same is replaced, by whoever starts
	// last. Entries that are no longer among these stay until they are deleted.
	Entries []Entry
	// OnEvent is called with what the scheduler does, by several goroutines at once;
	// it should return soon, for runs wait for it. Default: nobody is told.
	OnEvent func(Event)
}

func (c Config) withDefaults() Config {
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
	app *workers.App
	cfg Config
	log *slog.Logger

	c       client
	self    holder
	store   *streams.Store
	entries *entryCache
	ready   chan struct{}
	free    chan struct{} // told when the lease may be
	leads   chan struct{}
}

// New makes a scheduler of an app's entries; [Scheduler.Run] starts it, and so does
// [workers.App.Run], beside a worker.
func New(app *workers.App, cfg Config) *Scheduler {
	return &Scheduler{
		app: app, cfg: cfg.withDefaults(), entries: newEntryCache(app.Name()),
		ready: make(chan struct{}), free: make(chan struct{}, 1), leads: make(chan struct{}),
	}
}

// Ready is closed once the scheduler's entries are put, and it leads or stands by.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Leads is closed once the scheduler has led.
func (s *Scheduler) Leads() <-chan struct{} { return s.leads }

// Run sends what is due until the context ends, or waits to lead; a leader that
// ends is followed at once, one that was killed within [workers.Config.Lease]. When it
// returns nothing of it is running. The error is why it could not begin, or why
// it had to end.
func (s *Scheduler) Run(ctx context.Context) error {
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("scheduler of app %q: %w", s.app.Name(), err)
	}
	return nil
}

func (s *Scheduler) run(ctx context.Context) (err error) {
	if s.c, err = connect(s.app); err != nil {
		return err
	}
	s.self = holder{rand.Text(), s.cfg.Name}
	s.log = s.c.Logger().With("scheduler", s.cfg.Name)
	if s.store, err = s.c.Store(ctx); err != nil {
		return err
	}
	for _, e := range s.cfg.Entries {
		if err := put(ctx, s.c, s.app.Name(), e); err != nil {
			return fmt.Errorf("put entry %q: %w", e.Name, err)
		}
	}
	stop, err := s.store.Notify(ctx, leaderKey(s.app.Name()), func(streams.Entry) { wake(s.free) })
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
		err := s.store.Follow(ctx, entryKey(s.app.Name(), ">"), s.entries.update, func() { close(known) })
		if ctx.Err() == nil {
			cancel(err)
		}
	})
	select {
	case <-known:
		close(s.ready)
		s.compete(ctx)
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// compete leads whenever the lease is free, until the context ends.
func (s *Scheduler) compete(ctx context.Context) {
	var follows holder
	for ctx.Err() == nil {
		lease := s.newLease()
		acquired, err := lease.acquire(ctx)
		switch {
		case acquired:
			follows = holder{}
			s.lead(ctx, lease)
			continue
		case err != nil && ctx.Err() == nil:
			s.log.Warn("could not look whether another scheduler leads; it is tried again", "error", err)
			pause(ctx, time.Second)
			continue
		case lease.heldBy != holder{} && lease.heldBy != follows:
			follows = lease.heldBy
			s.tell(Event{Kind: Waits, Leader: follows.Name})
		}
		s.awaitFree(ctx, lease.ttl)
	}
}

func (s *Scheduler) newLease() *leaderLease {
	return &leaderLease{store: s.store, key: leaderKey(s.app.Name()), ttl: s.c.Lease(), self: s.self, now: s.c.Now}
}

// awaitFree waits until the lease changes, or for its TTL: of a change in a cluster,
// nobody may be told.
func (s *Scheduler) awaitFree(ctx context.Context, ttl time.Duration) {
	timer := time.NewTimer(ttl)
	defer timer.Stop()
	select {
	case <-s.free:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lead leads until the context ends or the lease is lost.
func (s *Scheduler) lead(ctx context.Context, lease *leaderLease) {
	s.log.Info("leads")
	s.tell(Event{Kind: Leads, Leader: s.cfg.Name})
	select {
	case <-s.leads:
	default:
		close(s.leads)
	}
	leading, resign := context.WithCancel(ctx)
	defer resign()
	kept, lost := make(chan struct{}), make(chan error, 1)
	go func() {
		defer resign()
		lost <- s.keep(context.WithoutCancel(ctx), lease, kept)
	}()
	newLeaderLoop(s, lease.ttl).run(leading)
	// No run is sent any more: the lease can be released.
	close(kept)
	if err := <-lost; err != nil {
		s.log.Warn("leads no more: it could not renew its lease", "error", err)
		return
	}
	if err := lease.release(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("could not hand over; another scheduler leads when the lease is over", "error", err)
	}
}

// keep renews the lease until it is told to end. The error is why it is lost.
func (s *Scheduler) keep(ctx context.Context, lease *leaderLease, end <-chan struct{}) error {
	ticker := time.NewTicker(lease.ttl / 3)
	defer ticker.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-ticker.C:
		}
		err := lease.renew(ctx)
		if errors.Is(err, streams.ErrConflict) || err != nil && !time.Now().Before(lease.until) {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
