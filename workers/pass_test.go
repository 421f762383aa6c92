package workers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// A guest is an app beside the shop's, on the same broker.
type guest struct {
	*shop
	square workers.Task1[int, int]
}

// newGuest makes an app of a name with one task "square".
func newGuest(s *shop, name string) *guest {
	s.Helper()
	g := &guest{shop: &shop{TB: s.TB, App: workers.New(name), news: make(chan struct{}, 1), ctx: s.ctx}}
	g.square = workers.Func1(g.App, "square", func(_ context.Context, x int) (int, error) { return x * x, nil })
	return g
}

// join connects a guest as its own name says.
func (g *guest) join(nc *nats.Conn, cfg workers.Config) {
	g.Helper()
	g.conn = nc
	if err := g.Connect(g.ctx, nc, cfg); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			g.Errorf("close the app: %v", err)
		}
	})
}

// number reads a result of a canvas that is called by name.
func number(s *shop, r *workers.Result[json.RawMessage], err error) string {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	value, err := r.Get(s.ctx)
	if err != nil {
		return err.Error()
	}
	return string(value)
}

// TestQueue_IsNamedAfterTheApp: the tasks of two apps do not meet, and a worker takes
// from the queue of its app and from Celery's default one.
func TestQueue_IsNamedAfterTheApp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{}) // its queue is "celery", as the lecture's
	s.work(workers.WorkerConfig{Name: "celery@shop"})
	g := newGuest(s, "geometry")
	g.join(nc, workers.Config{})
	r, err := g.square.Delay(s.ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := s.session().InspectQueue(s.ctx, "geometry"); err != nil || info.Ready != 1 {
		t.Errorf("the queue of the app's name: got %d tasks and %v, want 1", info.Ready, err)
	}
	g.work(workers.WorkerConfig{Name: "celery@geometry"})
	if n, err := r.Get(s.ctx); n != 49 || err != nil {
		t.Errorf("got %d and %v, want 49", n, err)
	}
	list, err := s.Control().Stats(s.ctx)
	if got := answers(s, list, err)["celery@geometry"].Queues; !slices.Equal(got, []string{"celery", "geometry"}) {
		t.Errorf("it takes from %q, want from celery and geometry", got)
	}
}

// TestQueue_NameOfAppIsNone: a name that cannot be a queue's is refused, with what to do.
func TestQueue_NameOfAppIsNone(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	for name, want := range map[string]string{
		"": "the name of the queue is empty", "amq.mine": "are the broker's own", "warren.mine": "are Warren's own",
		"two\nlines": "without line breaks", strings.Repeat("x", 300): "the name has 300 bytes",
	} {
		err := workers.New(name).Connect(t.Context(), nc, workers.Config{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "or give Config.Queue") {
			t.Errorf("app %.20q: got %v, want %q and what to do", name, err, want)
		}
		app := workers.New(name)
		if err := app.Connect(t.Context(), nc, workers.Config{Queue: "mine"}); err != nil {
			t.Errorf("app %.20q with a queue: %v", name, err)
			continue
		}
		if err := app.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestQueue_OfCelery: a client of Celery's reaches a worker of an app of any name.
func TestQueue_OfCelery(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := newGuest(s, "geometry")
	g.join(embeddedtest.Connect(t), workers.Config{})
	g.work(workers.WorkerConfig{})
	m := streams.Message{
		ContentType: "application/json", Body: []byte(`[[9], {}, {}]`),
		Headers: streams.Table{"task": "square", "id": "foreign", "lang": "py"},
	}
	if err := g.session().Publish(s.ctx, "", "celery", m); err != nil {
		t.Fatal(err)
	}
	r, err := workers.ResultOf[int](g.App, "foreign")
	if err != nil {
		t.Fatal(err)
	}
	g.until("it has ended", func() bool { state, err := r.State(s.ctx); return err == nil && state.Ready() })
	if n, err := r.Get(s.ctx); n != 81 || err != nil {
		t.Errorf("got %d and %v, want 81", n, err)
	}
}

// TestQueue_OfCelerysCallbacks: what a client of Celery wants to follow its task, and
// gives no queue, waits where that client would send it, if the worker does not know it.
func TestQueue_OfCelerysCallbacks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	g := newGuest(s, "geometry")
	g.join(nc, workers.Config{})
	g.work(workers.WorkerConfig{Name: "celery@geometry", Queues: []string{"geometry"}})
	body := `[[3], {}, {"callbacks": [{"task": "ident", "args": [], "kwargs": {}, "options": {"task_id": "after"}}]}]`
	m := streams.Message{
		ContentType: "application/json", Body: []byte(body),
		Headers: streams.Table{"task": "square", "id": "foreign", "lang": "py"},
	}
	if err := g.session().Publish(s.ctx, "", "geometry", m); err != nil {
		t.Fatal(err)
	}
	s.work(workers.WorkerConfig{Name: "celery@shop"})
	r, err := workers.ResultOf[int](s.App, "after")
	if err != nil {
		t.Fatal(err)
	}
	s.until("it has ended", func() bool { state, err := r.State(s.ctx); return err == nil && state.Ready() })
	if n, err := r.Get(s.ctx); n != 9 || err != nil {
		t.Errorf("got %d and %v, want 9", n, err)
	}
}

// TestPass_ToWhoKnows: a worker hands back what another one knows, says so once of each
// task, and has its places free meanwhile: also what is to follow a task of another app,
// is urgent, is retried, or maps a task.
func TestPass_ToWhoKnows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	var log bytes.Buffer
	s.connect(nc, workers.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	stop := s.work(workers.WorkerConfig{Name: "celery@shop", Concurrency: 4})
	g := newGuest(s, "geometry")
	tries := 0
	workers.Func1(g.App, "second", func(context.Context, int) (int, error) {
		if tries++; tries == 1 {
			return 0, errBroken
		}
		return tries, nil
	}, workers.Retry(workers.RetryPolicy{}))
	g.join(nc, workers.Config{})
	g.work(workers.WorkerConfig{Name: "celery@geometry", Concurrency: 1})

	there := workers.Queue("celery")
	var list []*workers.Result[json.RawMessage]
	for i := range 20 {
		r, err := s.Signature("square", i).Apply(s.ctx, there)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	for i, r := range list {
		value, err := r.Get(s.ctx)
		if want := i * i; err != nil || string(value) != strconv.Itoa(want) {
			t.Errorf("square(%d): got %s and %v, want %d", i, value, err, want)
		}
	}
	for name, sig := range map[string]struct {
		sig  workers.Untyped
		want string
	}{
		"urgent":  {s.Signature("square", 5).With(there, workers.Priority(workers.High)), "25"},
		"later":   {s.Signature("square", 6).With(there, workers.Countdown(10*time.Millisecond)), "36"},
		"retried": {s.Signature("second", 1).With(there), "2"},
	} {
		r, err := sig.sig.Apply(s.ctx)
		if got := number(s, r, err); got != sig.want {
			t.Errorf("%s: got %s, want %s", name, got, sig.want)
		}
	}
	stop()
	if n := strings.Count(log.String(), `task=square queue=celery known_by=celery@geometry`); n != 1 {
		t.Errorf("it was said %d times that the task is handed back, want once:\n%s", n, log.String())
	}
}

// TestPass_CanvasAcrossApps: the steps of a chain are tasks of two apps, each in its own
// queue.
func TestPass_CanvasAcrossApps(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	g := newGuest(s, "geometry")
	g.join(nc, workers.Config{})
	s.work(workers.WorkerConfig{Name: "celery@shop"})
	g.work(workers.WorkerConfig{Name: "celery@geometry"})
	options := workers.CallOptions{Queue: "celery"}
	chain := workers.Signature{Kind: workers.KindChain, Tasks: []workers.Signature{
		{Task: "square", Args: []json.RawMessage{json.RawMessage("2")}},
		{Task: "add", Args: []json.RawMessage{json.RawMessage("1")}, Options: options},
		{Task: "square"},
	}}
	r, err := g.Canvas(chain).Apply(s.ctx)
	if got := number(s, r, err); got != "25" {
		t.Errorf("(2² + 1)²: got %s, want 25", got)
	}
}

// TestPass_NobodyKnows: on a queue that is not its app's own, a task waits about a minute
// for a worker that knows it, handed back no more often than it should; then it fails
// under its id, and can be replayed.
func TestPass_NobodyKnows(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		defer cancel()
		s.ctx = ctx
		nc := embeddedtest.Connect(t)
		g := newGuest(s, "geometry")
		hops := 0
		count := workers.Middleware{Send: func(next workers.SendFunc) workers.SendFunc {
			return func(ctx context.Context, m *workers.Message) error { hops++; return next(ctx, m) }
		}}
		g.join(nc, workers.Config{Middleware: []workers.Middleware{count}, Logger: slog.New(slog.DiscardHandler)})
		stop := g.work(workers.WorkerConfig{Concurrency: 1})
		began := time.Now()
		r, err := g.Signature("cube", 3).Apply(ctx, workers.Queue("celery"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := g.square.S(4).Run(ctx); n != 16 || err != nil {
			t.Errorf("meanwhile: got %d and %v, want 16", n, err)
		}
		if _, err := r.Get(ctx); !errors.Is(err, workers.ErrNotRegistered) {
			t.Errorf("got %v, want %v", err, workers.ErrNotRegistered)
		}
		if took := time.Since(began); took < time.Minute || took > 90*time.Second {
			t.Errorf("it failed after %v, want about a minute", took)
		}
		if hops > 25 {
			t.Errorf("it was sent %d times, want 25 at most", hops)
		}
		stop()
		workers.Func1(g.App, "cube", func(_ context.Context, x int) (int, error) { return x * x * x, nil })
		g.work(workers.WorkerConfig{})
		replay(g.shop, r.ID())
		if n, err := again(g.shop, r.ID()); n != 27 || err != nil {
			t.Errorf("replayed: got %d and %v, want 27", n, err)
		}
	})
}

// TestPass_WhoKnowsComesLate: a task that nobody knows is run by the worker that comes
// within the minute, and one that is revoked meanwhile by nobody.
func TestPass_WhoKnowsComesLate(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		defer cancel()
		s.ctx = ctx
		nc := embeddedtest.Connect(t)
		g, late := newGuest(s, "geometry"), newGuest(s, "late")
		workers.Func1(late.App, "cube", func(_ context.Context, x int) (int, error) { return x * x * x, nil })
		quiet := workers.Config{Logger: slog.New(slog.DiscardHandler)}
		g.join(nc, quiet)
		late.join(nc, quiet)
		g.work(workers.WorkerConfig{Name: "celery@geometry"})
		celery := workers.Queue("celery")
		r, err := g.Signature("cube", 3).Apply(ctx, celery)
		if err != nil {
			t.Fatal(err)
		}
		dropped, err := g.Signature("cube", 4).Apply(ctx, celery)
		if err != nil {
			t.Fatal(err)
		}
		stale, err := g.Signature("cube", 5).Apply(ctx, celery, workers.Expires(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if err := dropped.Revoke(ctx); err != nil {
			t.Fatal(err)
		}
		late.work(workers.WorkerConfig{Name: "celery@late"})
		if value, err := r.Get(ctx); string(value) != "27" || err != nil {
			t.Errorf("got %s and %v, want 27", value, err)
		}
		if _, err := dropped.Get(ctx); !errors.Is(err, workers.ErrRevoked) {
			t.Errorf("the revoked one: got %v, want %v", err, workers.ErrRevoked)
		}
		if _, err := stale.Get(ctx); !errors.Is(err, workers.ErrExpired) {
			t.Errorf("the expired one: got %v, want %v", err, workers.ErrExpired)
		}
	})
}
