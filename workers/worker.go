package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"warren/streams"
)

// WorkerConfig is how a worker works. The zero value works.
type WorkerConfig struct {
	// Name tells the worker from others. Default: "celery@" and the host's name.
	Name string
	// Queues are those it takes tasks from, all their levels among them; names that
	// begin with "warren." are taken. Default: the app's own, and "celery", the default
	// of Celery's clients. A task that the worker does not know it hands back while
	// another worker is there that knows it and takes from the same queue. When none is,
	// the task fails with [ErrNotRegistered]: at once on the app's own queue, as in
	// Celery, and on any other when none has come within about a minute.
	Queues []string
	// Weights are how much of the worker queues get while tasks wait in several of
	// them: with 6 and 3, two tasks of the first are begun for each one of the second.
	// No queue starves. Default: 1 for each, so that they take turns.
	Weights map[string]int
	// Strict takes tasks from a queue only when none waits in those before it in
	// Queues. Default: by Weights.
	Strict bool
	// Concurrency is how many tasks run at once. It takes no more than it has
	// free places for, so a long task holds none up behind it; a task has its place
	// until its code is done, and is recorded beside the next one. Default: 8.
	Concurrency int
	// Grace is how long Run waits for running tasks, once it is to end, before
	// it cancels them and hands them back. Default: 0, for as long as they take,
	// as in Celery.
	Grace time.Duration
	// Losses is how many workers a task may take with it before it is given up
	// with ErrWorkerLost. A worker that handed it back unseen may count as one.
	// Default: 3.
	Losses int
}

func (c WorkerConfig) withDefaults(app Config) WorkerConfig {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		c.Name = "celery@" + host
	}
	if len(c.Queues) == 0 {
		c.Queues = []string{app.Queue}
		if app.Queue != celeryQueue {
			c.Queues = append(c.Queues, celeryQueue)
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.Losses == 0 {
		c.Losses = 3
	}
	return c
}

func (c WorkerConfig) check() error {
	switch {
	case c.Concurrency < 0:
		return fmt.Errorf("concurrency is %d; use a positive number", c.Concurrency)
	case c.Grace < 0:
		return fmt.Errorf("grace is %v; use a positive duration, or 0 to wait for every task", c.Grace)
	case c.Losses < 0:
		return fmt.Errorf("losses is %d; use a positive number", c.Losses)
	case c.Strict && len(c.Weights) > 0:
		return errors.New("both a strict order and weights are given; use one")
	}
	for queue, weight := range c.Weights {
		switch {
		case weight < 1:
			return fmt.Errorf("weight of queue %q is %d; use a positive number", queue, weight)
		case !slices.Contains(c.Queues, queue):
			return fmt.Errorf("queue %q has a weight and is not among the queues %q; name it there", queue, c.Queues)
		}
	}
	return nil
}

// Worker runs the tasks of an app. It is used once.
type Worker struct {
	app *App
	cfg WorkerConfig
	c   *client
	log *slog.Logger
	id  string // of its presence

	ready     chan struct{}
	cold      chan struct{}
	colder    sync.Once
	over      chan struct{} // closed once it takes no more
	hands     *hands
	leaked    atomic.Int64
	recording atomic.Int64 // runs whose code is done
	revoked   revocations
	paces     paces
	mates     mates
	unknown   unknowns
	intake    *intake
	quit      context.CancelFunc // ends Run, as its context does
	since     time.Time
	events    emitter
	tally     tally

	mu          sync.Mutex
	active      map[string]*run // by what names the sending of an attempt
	handingBack bool            // what begins now is handed back at once
}

// Worker makes a worker of the app's tasks; [Worker.Run] starts it.
func (a *App) Worker(cfg WorkerConfig) *Worker {
	return &Worker{
		app: a, cfg: cfg, ready: make(chan struct{}), cold: make(chan struct{}), over: make(chan struct{}),
		hands: newHands(), active: make(map[string]*run),
	}
}

// Ready is closed once the worker takes tasks.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// Stop makes Run wait for no running task any more: they are cancelled and handed
// back, to be run again by another worker. Celery's cold shutdown.
func (w *Worker) Stop() { w.colder.Do(func() { close(w.cold) }) }

// Run takes tasks and runs them until the context ends. Then it takes no more,
// waits for those that run, for [WorkerConfig.Grace] or until [Worker.Stop], and
// hands back the rest. When it returns nothing of it is running, except tasks
// that outlasted their hard limit. The error is why it could not begin, or why it
// had to end.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.run(ctx); err != nil {
		return fmt.Errorf("worker of app %q: %w", w.app.name, err)
	}
	return nil
}

func (w *Worker) run(ctx context.Context) error {
	c, err := w.app.connected()
	if err != nil {
		return err
	}
	w.c, w.cfg = c, w.cfg.withDefaults(c.cfg)
	if err := w.cfg.check(); err != nil {
		return err
	}
	w.log = c.cfg.Logger.With("worker", w.cfg.Name)
	aside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var errands sync.WaitGroup
	defer errands.Wait()
	defer stop()
	w.since = time.Now()
	if w.intake, err = newIntake(w); err != nil {
		return err
	}
	if err := w.followRevocations(ctx, aside, &errands); err != nil {
		return err
	}
	if err := w.followOrders(ctx, aside, &errands); err != nil {
		return err
	}
	if err := w.followLaunches(ctx, aside, &errands); err != nil {
		return err
	}
	ctx, w.quit = context.WithCancel(ctx)
	defer w.quit()
	leave, err := w.appear(aside, &errands)
	if err != nil {
		return err
	}
	defer leave()
	if err = w.intake.start(ctx, aside); err == nil {
		close(w.ready)
		err = w.intake.wait(ctx)
	} else if ctx.Err() != nil {
		err = nil // it was told to end before it had begun
	}
	close(w.over)
	// No new tasks first; then the running ones, which still need everything;
	// then what they needed.
	err = errors.Join(err, w.intake.close(aside))
	w.drain()
	w.hands.close()
	return err
}

// forwarding is how many tasks are forwarded at once.
const forwarding = 64

// errShutdown is the cause of a task's context when its worker waits no longer.
var errShutdown = errors.New("the worker is shutting down")

// drain waits for running tasks as long as it should, and then cancels them.
func (w *Worker) drain() {
	done := make(chan struct{})
	go func() {
		w.hands.wait()
		close(done)
	}()
	var grace <-chan time.Time
	if w.cfg.Grace > 0 {
		timer := time.NewTimer(w.cfg.Grace)
		defer timer.Stop()
		grace = timer.C
	}
	select {
	case <-done:
		return
	case <-grace:
	case <-w.cold:
	}
	w.handBack()
	<-done
}

// handBack cancels what runs, and what may still begin.
func (w *Worker) handBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handingBack = true
	for _, r := range w.active {
		r.cancel(errShutdown)
	}
}

// ending reports whether the worker takes no more tasks.
func (w *Worker) ending() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// forward sends a task whose time has come to its queue.
func (w *Worker) forward(ctx context.Context, d *streams.Delivery) {
	m, err := decodeMessage(d.Message)
	if err != nil {
		w.discard(ctx, laterQueue, d, err)
		return
	}
	w.forwardTask(ctx, m, d)
}

// forwardLess sends a task that is less urgent than the level it came to on to its own.
// What AMQP counts from the sending on would begin anew: it is written down.
func (w *Worker) forwardLess(ctx context.Context, m *Message, d *streams.Delivery) {
	if d.Expiration != "" {
		text, err := m.encode()
		if err != nil {
			w.giveUp(ctx, m, d, err)
			return
		}
		d.Message = text
	}
	d.MessageID = m.dispatch()
	w.forwardTask(ctx, m, d)
}

// forwardTask sends a task to where it is to wait, and settles it.
func (w *Worker) forwardTask(ctx context.Context, m *Message, d *streams.Delivery) {
	w.sendAway(ctx, m, d, func(again bool) error {
		err := w.sendOn(ctx, m, d.Message, again)
		if err == nil {
			reached(pointForwarded)
		}
		return err
	})
}

// sendAway sends a task elsewhere, and settles it. One that can never be sent there is
// given up: it holds up others.
func (w *Worker) sendAway(ctx context.Context, m *Message, d *streams.Delivery, send func(again bool) error) {
	for try := 1; ; try++ {
		err := send(d.Redelivered || try > 1)
		switch {
		case err == nil:
			w.settle(d.Ack())
			return
		case final(err, try):
			w.giveUp(ctx, m, d, err)
			return
		}
		m.log(w.log).Warn("could not send a task on; it is tried again", "error", err)
		w.rest(time.Second)
		if w.ending() || lastingOf(err) == passing {
			w.settle(d.Nack(streams.Requeue))
			return
		}
	}
}

// sendOn sends a task on, unless it was by a worker that was killed, and has
// begun: a broker that was killed too does not know that it had the task.
func (w *Worker) sendOn(ctx context.Context, m *Message, body streams.Message, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, w.c.cfg.Timeout)
	defer cancel()
	if again {
		if left, err := w.c.notBegun(ctx, []*Message{m}); err != nil || len(left) == 0 {
			return err
		}
	}
	m.Queue = w.c.route(m.Task, m.Queue)
	if err := m.check(); err != nil {
		return err
	}
	s := &sending{c: w.c, m: m, body: body}
	if err := s.publish(ctx); err != nil {
		return err
	}
	return s.wait(ctx)
}

// settle logs what cannot be helped: the broker will deliver the task again.
func (w *Worker) settle(err error) {
	if err != nil && !errors.Is(err, streams.ErrClosed) {
		w.log.Warn("could not settle a task", "error", err)
	}
}

// rest pauses, while the worker takes tasks.
func (w *Worker) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.over:
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
