package workers

import (
	"cmp"
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
	places    map[string]int  // of queues in a strict order
	levels    map[branch]bool // what there is besides the normal level
	consumers map[branch]*streams.Consumer
	later     *streams.Consumer
	watching  sync.WaitGroup
}

// A branch is the part of a queue in which the tasks of a level wait.
type branch struct {
	queue string
	level Level
}

func (b branch) name() string { return b.level.queue(b.queue) }

func newIntake(w *Worker) (*intake, error) {
	tasks, err := streams.NewWindow(w.cfg.Concurrency)
	if err != nil {
		return nil, err
	}
	i := &intake{
		w: w, tasks: tasks, failed: make(chan error, 1),
		wanted: make(map[string]bool), paused: make(map[string]bool), places: make(map[string]int),
		levels: make(map[branch]bool), consumers: make(map[branch]*streams.Consumer),
	}
	for _, queue := range w.cfg.Queues {
		i.wanted[queue] = true
		i.place(queue)
	}
	return i, nil
}

// start begins taking tasks, of what comes first first, and forwarding those whose
// time has come.
func (i *intake) start(ctx, aside context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open = true
	i.tasks.Flow(false) // the first task is of what comes first, not of who is there first
	defer i.tasks.Flow(true)
	byPlace := func(a, b string) int { return cmp.Compare(i.place(a), i.place(b)) }
	for _, queue := range slices.SortedFunc(maps.Keys(i.wanted), byPlace) {
		if err := i.adjust(ctx, aside, queue); err != nil {
			return err
		}
	}
	var err error
	i.later, err = i.consume(ctx, laterQueue, streams.ConsumeOptions{Prefetch: forwarding, Push: func(d *streams.Delivery) {
		i.w.hands.do(func() { i.w.forward(aside, d) })
	}})
	return err
}

// adjust begins or ends taking from a queue, as it is wanted. The lock is held.
func (i *intake) adjust(ctx, aside context.Context, queue string) error {
	want := i.open && i.wanted[queue] && !i.paused[queue]
	var errs error
	for _, level := range levels {
		b := branch{queue, level}
		there := level == Normal || i.levels[b]
		consumer := i.consumers[b]
		switch {
		case want && there && consumer == nil:
			errs = errors.Join(errs, i.take(ctx, aside, b))
		case !want && consumer != nil:
			delete(i.consumers, b)
			errs = errors.Join(errs, consumer.Cancel(ctx))
		}
	}
	return errs
}

func (i *intake) take(ctx, aside context.Context, b branch) error {
	if err := i.w.c.declare(ctx, b.queue, b.level); err != nil {
		return err
	}
	consumer, err := i.consume(ctx, b.name(), streams.ConsumeOptions{
		Window: i.tasks, Turn: i.turn(b),
		Push: func(d *streams.Delivery) {
			i.w.hands.do(func() { i.w.take(aside, b.queue, b.level, d) })
		},
	})
	if err == nil {
		i.consumers[b] = consumer
	}
	return err
}

// turn is when a branch has its turn: in a strict order the levels of a queue come
// before all of the queues behind it, otherwise queues are groups. A queue that is
// added while the worker runs is the last.
func (i *intake) turn(b branch) streams.Turn {
	rank := int(b.level)
	if !i.w.cfg.Strict {
		return streams.Turn{Group: b.queue, Weight: i.w.cfg.Weights[b.queue], Rank: rank}
	}
	return streams.Turn{Rank: rank - i.place(b.queue)*len(levels)}
}

// place is that of a queue in a strict order.
func (i *intake) place(queue string) int {
	if _, ok := i.places[queue]; !ok {
		i.places[queue] = len(i.places)
	}
	return i.places[queue]
}

// add has a level taken from that a queue has got.
func (i *intake) add(ctx context.Context, queue string, l Level) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.levels[branch{queue, l}] = true
	if err := i.adjust(ctx, ctx, queue); err != nil {
		i.fail(fmt.Errorf("take %s tasks of queue %q: %w", l, queue, err))
	}
}

// consume consumes a queue, and has the worker end when the consumer ends by
// itself.
func (i *intake) consume(ctx context.Context, queue string, o streams.ConsumeOptions) (*streams.Consumer, error) {
	o.IgnoreExpiration = true // the worker notes that a task has expired
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

// all are the queues that it takes from, and those it would if they were not paused.
func (i *intake) all() []string {
	taken, paused := i.queues()
	return append(taken, paused...)
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
