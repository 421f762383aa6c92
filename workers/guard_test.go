package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// ways are those in which code does not come back.
var ways = map[string]func(){
	"goexit": runtime.Goexit,
	"panic":  func() { panic("at the disco") },
}

// TestGoexit_FreesThePlace: of a task without limits and with a hard one, with retries
// and without, and behind middleware.
func TestGoexit_FreesThePlace(t *testing.T) {
	for name, opts := range map[string][]workers.Option{
		"plain":      nil,
		"hard limit": {workers.HardLimit(time.Hour)},
		"retries":    {workers.Retry(workers.RetryPolicy{Max: 1})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			quit := workers.Func0(s.App, "quit", func(context.Context) (int, error) {
				s.say("begins")
				runtime.Goexit()
				return 0, nil
			}, opts...)
			s.connect(embeddedtest.Connect(t), workers.Config{})
			stop := s.work(workers.WorkerConfig{Concurrency: 1})
			r := apply(s, quit.S())
			wantExit(s, r)
			is(s, r, workers.Failed)
			if got := run(s, s.add.S(1, 1)); got != 2 {
				t.Errorf("the next task gave %d, want 2", got)
			}
			stop()
			if want := map[string]int{"retries": 2}[name]; want > 0 && len(s.notes()) != want {
				t.Errorf("noted %q, want %d attempts", s.notes(), want)
			}
		})
	}
}

// wantExit checks that a task has failed as one that ended its goroutine.
func wantExit[R any](s *shop, r *workers.Result[R]) {
	s.Helper()
	_, err := r.Get(s.ctx)
	var f *workers.Failure
	if !errors.As(err, &f) || f.Type != "goexit" || !strings.Contains(f.Message, "runtime.Goexit") {
		s.Errorf("got %v, want the failure of code that ended its goroutine", err)
	}
}

// TestGoexit_OfAMember: what stands behind it is told.
func TestGoexit_OfAMember(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	quit := workers.Func0(s.App, "quit", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	err := failing(s, workers.Chord(workers.Group(s.ident.S(1), quit.S()), s.xsum.P()))
	var f *workers.ChordError
	if !errors.As(err, &f) || len(f.Causes) != 1 || f.Causes[0].Type != "goexit" {
		t.Errorf("got %#v, want the chord's failure with its cause", err)
	}
}

// TestGoexit_AfterTheWorkerWasStopped is of a worker that is to end while such a task runs.
func TestGoexit_AfterTheWorkerWasStopped(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	quit := workers.Func0(s.App, "quit", func(ctx context.Context) (int, error) {
		s.say("begins")
		<-ctx.Done()
		runtime.Goexit()
		return 0, nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	w := s.Worker(workers.WorkerConfig{Concurrency: 1})
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	r := apply(s, quit.S())
	s.await(1)
	cancel()
	w.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	wantExit(s, r)
}

// TestRunMiddleware_ThatDoesNotComeBack fails the task it stands around.
func TestRunMiddleware_ThatDoesNotComeBack(t *testing.T) {
	for kind, end := range ways {
		for name, m := range map[string]workers.Middleware{
			"before": {Run: func(workers.RunFunc) workers.RunFunc {
				return func(context.Context, workers.Request) (json.RawMessage, error) { end(); return nil, nil }
			}},
			"after": {Run: func(next workers.RunFunc) workers.RunFunc {
				return func(ctx context.Context, r workers.Request) (json.RawMessage, error) {
					_, _ = next(ctx, r)
					end()
					return nil, nil
				}
			}},
			"making": {Run: func(workers.RunFunc) workers.RunFunc { end(); return nil }},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				s.connect(embeddedtest.Connect(t), workers.Config{Middleware: []workers.Middleware{m}})
				stop := s.work(workers.WorkerConfig{Concurrency: 1})
				for range 2 {
					var f *workers.Failure
					if err := failing(s, s.add.S(1, 1)); !errors.As(err, &f) || f.Type != kind {
						t.Errorf("got %v, want a failure of type %s", err, kind)
					}
				}
				stop()
			})
		}
	}
}

// TestSendMiddleware_ThatDoesNotComeBack: the sender is told; what a worker sends is
// tried again, as with any error.
func TestSendMiddleware_ThatDoesNotComeBack(t *testing.T) {
	for kind, end := range ways {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var once, first sync.Once
			s := newShop(t)
			m := workers.Middleware{Send: func(next workers.SendFunc) workers.SendFunc {
				return func(ctx context.Context, m *workers.Message) error {
					if m.Task == "mul" {
						once.Do(end)
					}
					if m.Task == "ident" {
						first.Do(end)
					}
					return next(ctx, m)
				}
			}}
			s.connect(embeddedtest.Connect(t), workers.Config{Middleware: []workers.Middleware{m}})
			stop := s.work(workers.WorkerConfig{Concurrency: 1})
			if _, err := s.ident.Delay(s.ctx, 1); err == nil || !strings.Contains(err.Error(), "middleware around sending") {
				t.Errorf("got %v, want an error of the middleware", err)
			}
			if got := run(s, workers.Chain2(s.add.S(1, 2), s.mul.P(4))); got != 12 {
				t.Errorf("got %d, want 12", got)
			}
			stop()
		})
	}
}

// A typed nil is an error whose text panics.
type pointless struct{ text string }

func (p *pointless) Error() string { return p.text }

func TestError_ThatPanicsIsAPanicOfTheTask(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	broken := workers.Func0(s.App, "typed_nil", func(context.Context) (int, error) { var p *pointless; return 0, p })
	s.connect(embeddedtest.Connect(t), workers.Config{})
	s.work(workers.WorkerConfig{Concurrency: 1})
	var f *workers.Failure
	if err := failing(s, broken.S()); !errors.As(err, &f) || f.Type != "panic" {
		t.Errorf("got %v, want a panic of the task", err)
	}
	if got := run(s, s.add.S(1, 1)); got != 2 {
		t.Errorf("the next task gave %d, want 2", got)
	}
}

// fussy does not come back when it is read.
type fussy struct{}

func (f *fussy) UnmarshalJSON(text []byte) error {
	if end := ways[strings.Trim(string(text), `"`)]; end != nil {
		end()
	}
	return nil
}

// TestCodec_ThatDoesNotComeBack: reading an argument fails the task, and reading the
// argument of a callback what came.
func TestCodec_ThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	workers.Func1(s.App, "fussy", func(context.Context, fussy) (int, error) { return 1, nil })
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	stop := s.work(workers.WorkerConfig{Concurrency: 1})
	celery := newCeleryClient(s, nc)
	for kind := range ways {
		celery.send(celeryMessage(kind, "fussy", `["`+kind+`"]`, nil))
		if f := celery.fate(kind).Failure; f == nil || f.Type != kind {
			t.Errorf("got %v, want a failure of type %s", f, kind)
		}
		m := celeryMessage("with-"+kind, "add", `[1, 2]`, nil)
		m.Body = []byte(`[[1, 2], {}, {"callbacks": [{"task": "fussy", "args": ["` + kind + `"], "kwargs": {}, "options": {}, "immutable": true}],
			"errbacks": null, "chain": null, "chord": null}]`)
		celery.send(m)
	}
	if got := run(s, s.add.S(1, 1)); got != 2 {
		t.Errorf("the next task gave %d, want 2", got)
	}
	stop()
	letters := map[string]string{}
	for l, err := range s.DeadLetters(s.ctx) {
		if err != nil {
			t.Fatal(err)
		}
		letters[l.ID] = l.Failure.Message
	}
	if len(letters) != 4 {
		t.Errorf("got dead letters %q, want one for each", letters)
	}
}
