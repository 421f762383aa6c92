package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers/internal/canvas/canvastest"
)

// workshop is an app on a real broker, of which every end is heard.
type workshop struct {
	testing.TB
	ctx context.Context
	app *App

	mu    sync.Mutex
	ended map[string]record
	news  chan struct{}
}

func newWorkshop(tb testing.TB, nc *nats.Conn, app *App) *workshop {
	tb.Helper()
	return newWorkshopWith(tb, nc, app, Config{})
}

func newWorkshopWith(tb testing.TB, nc *nats.Conn, app *App, cfg Config) *workshop {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	tb.Cleanup(cancel)
	w := &workshop{TB: tb, ctx: ctx, app: app, ended: make(map[string]record), news: make(chan struct{}, 1)}
	if err := w.app.Connect(ctx, nc, cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.app.Close(context.Background()); err != nil {
			tb.Errorf("close the app: %v", err)
		}
	})
	w.follow()
	return w
}

// randomTasks are the tasks of random canvases.
func randomTasks() *App {
	app := New("celery")
	for name, fail := range map[string]bool{"ok": false, "bad": true} {
		do := func(before json.RawMessage, label string) (string, error) {
			value := canvastest.Work(before, label)
			if fail {
				return "", errors.New(value)
			}
			return value, nil
		}
		Func1(app, name+"1", func(_ context.Context, label string) (string, error) { return do(nil, label) })
		Func2(app, name+"2", func(_ context.Context, before json.RawMessage, label string) (string, error) {
			return do(before, label)
		})
	}
	return app
}

// background runs something until the test ends.
func (w *workshop) background(what string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			w.Errorf("%s: %v", what, err)
		}
	})
}

// double takes every task that is sent and sends it twice, under names of its
// own, to where the workers are.
func (w *workshop) double(nc *nats.Conn, from, to string) {
	w.Helper()
	s, err := streams.Open(w.ctx, nc, streams.Config{VHost: "warren"})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			w.Errorf("close the session: %v", err)
		}
	})
	for _, queue := range []string{from, to} {
		if _, err := s.DeclareQueue(w.ctx, streams.Queue{Name: queue, Durable: true}); err != nil {
			w.Fatal(err)
		}
	}
	consumer, err := s.Consume(w.ctx, from, streams.ConsumeOptions{Prefetch: 100})
	if err != nil {
		w.Fatal(err)
	}
	w.background("double", func(ctx context.Context) error {
		for d, err := range consumer.Deliveries(ctx) {
			if err != nil {
				return err
			}
			for i := range 2 {
				m := d.Message
				m.MessageID = fmt.Sprintf("%s/%d", m.MessageID, i)
				if err := s.Publish(ctx, "", to, m); err != nil {
					return err
				}
			}
			if err := d.Ack(); err != nil {
				return err
			}
		}
		return nil
	})
}

// follow hears of the end of every task.
func (w *workshop) follow() {
	c, err := w.app.connected()
	if err != nil {
		w.Fatal(err)
	}
	w.background("follow", func(ctx context.Context) error {
		return c.store.Follow(ctx, "task.*.*.state", w.told, func() {})
	})
}

func (w *workshop) told(e streams.Entry) {
	var rec record
	if e.Gone != 0 || json.Unmarshal(e.Value, &rec) != nil || !rec.Status.Ready() {
		return
	}
	w.mu.Lock()
	w.ended[rec.ID] = rec
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *workshop) look(id string) (record, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec, ok := w.ended[id]
	return rec, ok
}

func (w *workshop) outcome(id string) (canvastest.Outcome, bool) {
	rec, ok := w.look(id)
	return canvastest.Outcome{State: string(rec.Status), Value: rec.Result, Failure: rec.Failure}, ok
}

// sent is a random canvas that was sent.
type sent struct {
	seed   uint64
	sig    Signature
	frozen Signature
	want   canvastest.Fate
	comes  canvastest.Result
	result *handle
}

func (w *workshop) send(seed uint64) sent {
	w.Helper()
	g := &canvastest.Maker{Rand: canvastest.Seed(seed)}
	s := sent{seed: seed, sig: g.Make(1+g.IntN(4), false)}
	s.want, s.comes = canvastest.Foretell(s.sig)
	c, err := w.app.connected()
	if err != nil {
		w.Fatal(err)
	}
	if s.frozen, err = c.freeze(s.sig); err != nil {
		w.Fatalf("seed %d: %v", seed, err)
	}
	if s.result, err = c.applyFrozen(w.ctx, s.frozen); err != nil {
		w.Fatalf("seed %d: %v", seed, err)
	}
	return s
}

// await waits until as many tasks have ended as must, of all that were sent.
func (w *workshop) await(all []sent) {
	w.Helper()
	for {
		left := 0
		for _, s := range all {
			left += w.missing(s)
		}
		if left == 0 {
			return
		}
		select {
		case <-w.news:
		case <-w.ctx.Done():
			return // what is missing is told by who compares
		}
	}
}

func (w *workshop) missing(s sent) int {
	n := 0
	for _, ends := range s.want.Ends {
		n += len(ends)
	}
	for id := range canvastest.TasksOf(s.frozen) {
		if _, ok := w.look(id); ok {
			n--
		}
	}
	return max(n, 0)
}

// compare says what differs between a canvas and what it must have come to.
func (w *workshop) compare(s sent) []string {
	wrong := s.want.Becomes(s.frozen, w.outcome)
	value, err := s.result.get(w.ctx)
	switch {
	case err == nil && s.comes.Failed == nil:
		if string(value) != string(s.comes.Value) {
			wrong = append(wrong, fmt.Sprintf("the result is %s, want %s", value, s.comes.Value))
		}
	case err == nil || s.comes.Failed == nil:
		wrong = append(wrong, fmt.Sprintf("the result is %s, %v; want %s, or the failure of %v", value, err, s.comes.Value, s.comes.Failed))
	case !canvastest.Within(leavesOf(err), s.comes.Failed):
		wrong = append(wrong, fmt.Sprintf("it failed of %v (%v), want some of %v", leavesOf(err), err, s.comes.Failed))
	}
	return wrong
}

func leavesOf(err error) []string {
	var chord *ChordError
	var f *Failure
	switch {
	case errors.As(err, &chord):
		return canvastest.Leaves(chord.Failure)
	case errors.As(err, &f):
		return canvastest.Leaves(*f)
	}
	return nil
}

func TestCanvasesComeToWhatTheyMustOnABroker(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what    string
		travels int
		seeds   uint64
	}{{"steps travel", 0, 60}, {"some steps travel", 700, 30}, {"no step travels", 1, 30}} {
		t.Run(test.what, func(t *testing.T) { canvasesComeToWhatTheyMust(t, Config{travels: test.travels}, test.seeds) })
	}
}

func canvasesComeToWhatTheyMust(t *testing.T, cfg Config, seeds uint64) {
	t.Helper()
	nc := embeddedtest.Connect(t)
	w := newWorkshopWith(t, nc, randomTasks(), cfg)
	w.double(nc, "celery", "bench")
	for i := range 3 {
		worker := w.app.Worker(WorkerConfig{Name: fmt.Sprintf("w%d", i), Queues: []string{"bench"}, Concurrency: 4})
		w.background("worker", worker.Run)
	}
	var all []sent
	for seed := range seeds {
		all = append(all, w.send(seed))
	}
	w.await(all)
	for _, s := range all {
		if wrong := w.compare(s); len(wrong) > 0 {
			text, _ := json.Marshal(s.sig)
			t.Errorf("seed %d: %s\nof %s", s.seed, strings.Join(wrong, "\n"), text)
		}
	}
}
