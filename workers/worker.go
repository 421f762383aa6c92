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
	// Queues are those it takes tasks from. Default: the app's own.
	Queues []string
	// Concurrency is how many tasks run at once. It takes no more than it has
	// free places for, so a long task holds none up behind it. Default: 8.
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
	}
	return nil
}

// Worker runs the tasks of an app. It is used once.
type Worker struct {
	app *App
	cfg WorkerConfig
	c   *client
	log *slog.Logger

	ready   chan struct{}
	cold    chan struct{}
	colder  sync.Once
	over    chan struct{} // closed once it takes no more
	running sync.WaitGroup
	leaked  atomic.Int64
	revoked revocations

	mu          sync.Mutex
	active      map[string]*run // by what names the sending of an attempt
	handingBack bool            // what begins now is handed back at once
}

// Worker makes a worker of the app's tasks; [Worker.Run] starts it.
func (a *App) Worker(cfg WorkerConfig) *Worker {
	return &Worker{
		app: a, cfg: cfg, ready: make(chan struct{}), cold: make(chan struct{}), over: make(chan struct{}),
		active: make(map[string]*run),
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
	if err := w.cfg.check(); err != nil {
		return err
	}
	w.c, w.cfg = c, w.cfg.withDefaults(c.cfg)
	w.log = c.cfg.Logger.With("worker", w.cfg.Name)
	aside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var errands sync.WaitGroup
	defer errands.Wait()
	defer stop()
	if err := w.followRevocations(ctx, aside, &errands); err != nil {
		return err
	}
	consumers, err := w.consume(ctx, aside)
	if err == nil {
		close(w.ready)
		err = wait(ctx, consumers)
	}
	close(w.over)
	// No new tasks first; then the running ones, which still need everything;
	// then what they needed.
	err = errors.Join(err, cancelAll(aside, consumers))
	w.drain()
	return err
}

// consume starts taking tasks from the queues, and forwarding those whose time
// has come.
func (w *Worker) consume(ctx, aside context.Context) ([]*streams.Consumer, error) {
	var consumers []*streams.Consumer
	tasks := streams.NewWindow(w.cfg.Concurrency)
	begin := func(queue string, o streams.ConsumeOptions) error {
		consumer, err := w.c.session.Consume(ctx, queue, o)
		if err == nil {
			consumers = append(consumers, consumer)
		}
		return err
	}
	for _, queue := range slices.Compact(slices.Sorted(slices.Values(w.cfg.Queues))) {
		if err := w.c.declare(ctx, queue); err != nil {
			return consumers, err
		}
		o := streams.ConsumeOptions{Window: tasks, Push: func(d *streams.Delivery) {
			w.running.Go(func() { w.take(aside, queue, d) })
		}}
		if err := begin(queue, o); err != nil {
			return consumers, err
		}
	}
	return consumers, begin(laterQueue, streams.ConsumeOptions{Prefetch: forwarding, Push: func(d *streams.Delivery) {
		w.running.Go(func() { w.forward(aside, d) })
	}})
}

// forwarding is how many tasks are forwarded at once.
const forwarding = 64

// wait waits until the context ends, or one of the consumers does.
func wait(ctx context.Context, consumers []*streams.Consumer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(consumers))
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	for _, consumer := range consumers {
		watching.Go(func() {
			select {
			case <-consumer.Done():
				ended <- consumer.Err()
			case <-ctx.Done():
			}
		})
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

func cancelAll(ctx context.Context, consumers []*streams.Consumer) error {
	var errs error
	for _, consumer := range consumers {
		errs = errors.Join(errs, consumer.Cancel(ctx))
	}
	return errs
}

// errShutdown is the cause of a task's context when its worker waits no longer.
var errShutdown = errors.New("the worker is shutting down")

// drain waits for running tasks as long as it should, and then cancels them.
func (w *Worker) drain() {
	done := make(chan struct{})
	go func() {
		w.running.Wait()
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
		w.log.Error("dropped what is no task", "queue", laterQueue, "error", err)
		w.settle(d.Ack())
		return
	}
	if err := w.forwardTask(ctx, m, d.Message, d.Redelivered); err != nil {
		w.log.Warn("could not forward a task; it is tried again", "task", m.Task, "id", m.ID, "error", err)
		pause(ctx, time.Second)
		w.settle(d.Nack(streams.Requeue))
		return
	}
	reached(pointForwarded)
	w.settle(d.Ack())
}

// forwardTask sends a task on, unless it was by a worker that was killed, and has
// begun: a broker that was killed too does not know that it had the task.
func (w *Worker) forwardTask(ctx context.Context, m *Message, body streams.Message, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, w.c.cfg.Timeout)
	defer cancel()
	if again {
		if left, err := w.c.notBegun(ctx, []*Message{m}); err != nil || len(left) == 0 {
			return err
		}
	}
	if m.Queue == "" {
		m.Queue = w.c.route(m.Task, "")
	}
	if err := w.c.declare(ctx, m.Queue); err != nil {
		return err
	}
	confirm, err := w.c.publish(ctx, m.Queue, body)
	if err != nil {
		return err
	}
	return (&sending{c: w.c, m: m, body: body, confirm: confirm}).wait(ctx)
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
