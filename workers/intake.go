package workers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"warren/streams"
)

// intake is what a worker takes tasks from: its queues without those that are
// paused, and what waits for its time. All of it shares one window, which is the
// worker's concurrency.
type intake struct {
	w      *Worker
	tasks  *streams.Window
	failed chan error // why one of them ended, unless it was told to

	mu        sync.Mutex // held while a queue is changed
	open      bool
	wanted    map[string]bool
	paused    map[string]bool
	consumers map[string]*streams.Consumer
	later     *streams.Consumer
	watching  sync.WaitGroup
}

func newIntake(w *Worker) *intake {
	i := &intake{
		w: w, tasks: streams.NewWindow(w.cfg.Concurrency), failed: make(chan error, 1),
		wanted: make(map[string]bool), paused: make(map[string]bool), consumers: make(map[string]*streams.Consumer),
	}
	for _, queue := range w.cfg.Queues {
		i.wanted[queue] = true
	}
	return i
}

// start begins taking tasks, and forwarding those whose time has come.
func (i *intake) start(ctx, aside context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open = true
	for _, queue := range slices.Sorted(maps.Keys(i.wanted)) {
		if err := i.adjust(ctx, aside, queue); err != nil {
			return err
		}
	}
	var err error
	i.later, err = i.consume(ctx, laterQueue, streams.ConsumeOptions{Prefetch: forwarding, Push: func(d *streams.Delivery) {
		i.w.running.Go(func() { i.w.forward(aside, d) })
	}})
	return err
}

// adjust begins or ends taking from a queue, as it is wanted. The lock is held.
func (i *intake) adjust(ctx, aside context.Context, queue string) error {
	want := i.open && i.wanted[queue] && !i.paused[queue]
	consumer := i.consumers[queue]
	switch {
	case want && consumer == nil:
		return i.take(ctx, aside, queue)
	case !want && consumer != nil:
		delete(i.consumers, queue)
		return consumer.Cancel(ctx)
	}
	return nil
}

func (i *intake) take(ctx, aside context.Context, queue string) error {
	if err := i.w.c.declare(ctx, queue); err != nil {
		return err
	}
	consumer, err := i.consume(ctx, queue, streams.ConsumeOptions{Window: i.tasks, Push: func(d *streams.Delivery) {
		i.w.running.Go(func() { i.w.take(aside, queue, d) })
	}})
	if err == nil {
		i.consumers[queue] = consumer
	}
	return err
}

// consume consumes a queue, and has the worker end when the consumer ends by
// itself.
func (i *intake) consume(ctx context.Context, queue string, o streams.ConsumeOptions) (*streams.Consumer, error) {
	consumer, err := i.w.c.session.Consume(ctx, queue, o)
	if err != nil {
		return nil, err
	}
	i.watching.Go(func() {
		<-consumer.Done()
		if err := consumer.Err(); err != nil {
			i.fail(err)
		}
	})
	return consumer, nil
}

func (i *intake) fail(err error) {
	select {
	case i.failed <- err:
	default: // one reason is enough
	}
}

// wait waits until the context ends, or taking from a queue does.
func (i *intake) wait(ctx context.Context) error {
	select {
	case err := <-i.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// close takes nothing more.
func (i *intake) close(ctx context.Context) error {
	i.mu.Lock()
	i.open = false
	consumers := slices.Collect(maps.Values(i.consumers))
	if i.later != nil {
		consumers = append(consumers, i.later)
	}
	clear(i.consumers)
	i.mu.Unlock()
	var errs error
	for _, consumer := range consumers {
		errs = errors.Join(errs, consumer.Cancel(ctx))
	}
	i.watching.Wait()
	return errs
}

// pause stops taking from a queue, or goes on.
func (i *intake) pause(ctx context.Context, queue string, paused bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.paused[queue] = paused
	if err := i.adjust(ctx, ctx, queue); err != nil {
		i.fail(fmt.Errorf("pause or resume queue %q: %w", queue, err))
	}
}

// want adds a queue, or cancels it.
func (i *intake) want(ctx context.Context, queue string, wanted bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.wanted[queue]
	i.wanted[queue] = wanted
	if err := i.adjust(ctx, ctx, queue); err != nil {
		i.wanted[queue] = before
		return err
	}
	return nil
}

// queues are those it takes from, and those it would if they were not paused.
func (i *intake) queues() (taken, paused []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, queue := range slices.Sorted(maps.Keys(i.wanted)) {
		switch {
		case i.wanted[queue] && i.paused[queue]:
			paused = append(paused, queue)
		case i.wanted[queue]:
			taken = append(taken, queue)
		}
	}
	return taken, paused
}
