package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
	"warren/workers/internal/celery"
)

// Config is how an app meets its broker. The zero value works.
type Config struct {
	// VHost is the virtual host, see [streams.Config]. Apps on one see each
	// other's tasks. Default: "warren".
	VHost string
	// Queue is where tasks go that nothing else is said of. Default: the name of the
	// app.
	Queue string
	// Routes say which queue the tasks of a name go to, as in {"image.*": "io"}:
	// patterns of path.Match, of which the longest that matches counts. What a
	// task was defined, or is called, with counts before. Default: none.
	Routes map[string]string
	// ResultExpires is how long the record of a task that has ended is kept.
	// Default: a day, as in Celery.
	ResultExpires time.Duration
	// Lease is how soon the tasks of a worker that was killed are another's.
	// Default: 15 seconds.
	Lease time.Duration
	// Replicas of everything that is kept. Default: 1.
	Replicas int
	// Timeout bounds calls whose context has no deadline. Default: 30 seconds.
	Timeout time.Duration
	// Replies has workers of Celery tell what becomes of the tasks of this app that they
	// run: with the backend rpc:// they send it to a queue that each task names. Any app
	// that asks for replies takes them from there while it is connected, and records
	// them: who waits for a result need not know which worker ran the task. What follows
	// in a chain they send themselves; groups that something waits for need workers of
	// this package. Default: false.
	Replies bool
	// Middleware stands around the sending and the running of tasks, such as that of
	// packages workers/otel and workers/prometheus. Default: none.
	Middleware []Middleware
	// Explain is told what each operation became on JetStream, from the goroutine that
	// does it, which may hold locks: it must not call the app. Default: nobody is told.
	Explain func(Explained)
	// Logger is told what no caller can be, and what becomes of the tasks of a worker:
	// of failures at slog's error level, of retries and revoked ones at its info level,
	// of what comes and of what succeeds at its debug level. Default: slog's default.
	Logger *slog.Logger

	markers time.Duration // how long markers live; 0 is what a store does by itself
	travels int           // how large the steps are that travel with a task; 0 is longestRest
	keeps   time.Duration // how long steps are kept that do not, after they are due; 0 is joinExpires
}

func (c Config) withDefaults(app string) Config {
	c.Queue = first(c.Queue, app)
	c.travels = first(c.travels, longestRest)
	c.keeps = first(c.keeps, joinExpires)
	if c.ResultExpires == 0 {
		c.ResultExpires = 24 * time.Hour
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c Config) check() error {
	if c.ResultExpires != 0 && c.ResultExpires < time.Second {
		return fmt.Errorf("results expire after %v; use a second or more", c.ResultExpires)
	}
	if c.Queue != "" {
		if err := checkQueue(c.Queue, Normal); err != nil {
			return err
		}
	}
	for pattern, queue := range c.Routes {
		if err := checkQueue(queue, Normal); err != nil {
			return fmt.Errorf("route %q: %w", pattern, err)
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("route %q: it is no pattern", pattern)
		}
	}
	return nil
}

// An App is a set of tasks under one roof: Celery's app. Tasks are registered
// with it, as a rule in package variables; once connected it sends them, and its
// workers run them. Its methods may be called from any goroutine.
type App struct {
	name string

	mu       sync.Mutex
	tasks    map[string]*task
	errors   map[string]error
	problems []error
	client   *client
}

// New makes an app; nothing goes over the network before [App.Connect]. The tasks of an
// app wait in the queue of its name, if nothing else is said of them: a name that
// cannot be a queue's takes a [Config.Queue]. Celery's own is called "celery".
func New(name string) *App {
	return &App{name: name, tasks: make(map[string]*task), errors: make(map[string]error)}
}

// Name is the name of the app.
func (a *App) Name() string { return a.name }

// register adds a task. What is wrong with it is told when the app connects.
func (a *App) register(t *task) definition {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case celery.CheckTask(t.name) != nil:
		a.problem("%w", celery.CheckTask(t.name))
	case t.opts.pace.shared && len(turnsKey(t.name)) > longestKey:
		a.problem("task %q has a shared rate limit; use a name of %d bytes at most", t.name, longestKey-len(turnsKey("")))
	case strings.HasPrefix(t.name, "celery.") || strings.HasPrefix(t.name, "warren."):
		a.problem("task %q: names that begin with celery. and warren. are taken", t.name)
	case a.tasks[t.name] != nil:
		a.problem("task %q is registered twice", t.name)
	case t.opts.problem != nil:
		a.problem("task %q: %w", t.name, t.opts.problem)
	case t.opts.TaskID != "":
		a.problem("task %q: an id is of one call; give it to the call", t.name)
	default:
		a.tasks[t.name] = t
	}
	return definition{a, t}
}

func (a *App) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Errorf(format, args...))
}

// RegisterError gives an error a name under which it travels: a task that fails
// with it fails, for whoever has registered it under that name, with an error in
// which errors.Is finds it.
func (a *App) RegisterError(name string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case name == "" || err == nil:
		a.problem("error %q: give a name and an error", name)
	case builtin[name] != nil || a.errors[name] != nil:
		a.problem("error %q is registered twice", name)
	default:
		a.errors[name] = err
	}
}

// Registered are the names of the tasks, sorted.
func (a *App) Registered() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.tasks))
	for name := range a.tasks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (a *App) lookup(name string) *task {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tasks[name]
}

// sentinel finds the error that is registered under a name.
func (a *App) sentinel(name string) error {
	if err := builtin[name]; err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.errors[name]
}

// errorName is what an error is called on its way.
func (a *App) errorName(err error) string {
	for name, known := range builtin {
		if errors.Is(err, known) {
			return name
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.errors))
	for name := range a.errors {
		names = append(names, name)
	}
	slices.Sort(names) // of two that fit, the same every time
	for _, name := range names {
		if errors.Is(err, a.errors[name]) {
			return name
		}
	}
	return ""
}

// Connect connects the app to the broker that nc is connected to, and makes what
// it needs there. An app has one connection at a time. What was wrong with its
// tasks is told here. The connection stays the caller's to close, after Close.
func (a *App) Connect(ctx context.Context, nc *nats.Conn, cfg Config) error {
	if err := a.connect(ctx, nc, cfg); err != nil {
		return fmt.Errorf("connect app %q: %w", a.name, err)
	}
	return nil
}

func (a *App) connect(ctx context.Context, nc *nats.Conn, cfg Config) error {
	a.mu.Lock()
	problems, connected := errors.Join(a.problems...), a.client != nil
	a.mu.Unlock()
	if problems != nil {
		return problems
	}
	if connected {
		return errors.New("it is connected already; close it first")
	}
	if err := cfg.check(); err != nil {
		return err
	}
	if cfg.Queue == "" {
		if err := checkQueue(a.name, Normal); err != nil {
			return fmt.Errorf("the name of the app is that of its queue: %w; or give Config.Queue", err)
		}
	}
	c, err := newClient(ctx, a, nc, cfg.withDefaults(a.name))
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil {
		go func() { _ = c.close(context.Background()) }()
		return errors.New("it is connected already; close it first")
	}
	a.client = c
	return nil
}

// Close ends the app's use of its connection. Its workers must have ended. Tasks
// that were sent stay sent; whoever waits for a result is told ErrNotConnected.
func (a *App) Close(ctx context.Context) error {
	a.mu.Lock()
	c := a.client
	a.client = nil
	a.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := c.close(ctx); err != nil {
		return fmt.Errorf("close app %q: %w", a.name, err)
	}
	return nil
}

// connected gives the client, or says that there is none.
func (a *App) connected() (*client, error) {
	if a == nil {
		return nil, errors.New("the call is of no app: make it with a registered task")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == nil {
		return nil, fmt.Errorf("app %q: %w", a.name, ErrNotConnected)
	}
	return a.client, nil
}

// session opens the session of an app.
func (c Config) session(ctx context.Context, nc *nats.Conn) (*streams.Session, error) {
	return streams.Open(ctx, nc, streams.Config{
		VHost: c.VHost, Lease: c.Lease, Replicas: c.Replicas, Timeout: c.Timeout, Logger: c.Logger,
		Explain: c.explainSession(),
	})
}
