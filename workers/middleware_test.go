package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// openWith is a shop with middleware and one worker.
func openWith(t *testing.T, list ...workers.Middleware) *shop {
	t.Helper()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{Middleware: list})
	s.work(workers.WorkerConfig{})
	return s
}

func TestMiddlewareStandsAroundTasks(t *testing.T) {
	t.Parallel()
	var s *shop
	named := func(name string) workers.Middleware {
		return workers.Middleware{
			Send: func(next workers.SendFunc) workers.SendFunc {
				return func(ctx context.Context, m *workers.Message) error {
					m.SetHeader("by", m.Headers["by"]+name)
					return next(ctx, m)
				}
			},
			Run: func(next workers.RunFunc) workers.RunFunc {
				return func(ctx context.Context, r workers.Request) (json.RawMessage, error) {
					s.say("%s before %s, sent by %s", name, r.Task, r.Headers["by"])
					value, err := next(ctx, r)
					s.say("%s after %s", name, value)
					return value, err
				}
			},
		}
	}
	s = openWith(t, named("a"), workers.Middleware{}, named("b"))
	if got := run(s, s.add.S(1, 2)); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
	want := []string{"a before add, sent by ab", "b before add, sent by ab", "b after 3", "a after 3"}
	if got := s.notes(); !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestMiddlewareKeepsATaskFromBeingSent(t *testing.T) {
	t.Parallel()
	errNo := errors.New("not today")
	s := openWith(t, workers.Middleware{Send: func(workers.SendFunc) workers.SendFunc {
		return func(context.Context, *workers.Message) error { return errNo }
	}})
	if _, err := s.add.Delay(s.ctx, 1, 1); !errors.Is(err, errNo) {
		t.Errorf("got %v, want the middleware's error", err)
	}
}
