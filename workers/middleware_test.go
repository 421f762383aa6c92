package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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

func TestATraceGoesThroughACanvas(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{Middleware: []workers.Middleware{workers.Tracing(provider)}})
	stop := s.work(workers.WorkerConfig{})
	ctx, root := provider.Tracer("test").Start(s.ctx, "root")
	r, err := workers.Chain2(s.add.S(1, 2), s.fails.P()).Apply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	root.End()
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Fatalf("got %v", err)
	}
	stop() // what a task sends is sent when the task behind it may have ended
	parents := map[string]string{}
	names := map[string]string{}
	var failed []string
	for _, span := range spans.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
		if span.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("span %q is of another trace", span.Name())
		}
		if len(span.Events()) > 0 {
			failed = append(failed, span.Name())
		}
	}
	for _, span := range spans.Ended() {
		parents[span.Name()] = names[span.Parent().SpanID().String()]
	}
	want := map[string]string{"root": "", "send add": "root", "run add": "send add", "send fails": "send add", "run fails": "send fails"}
	for name, parent := range want {
		if got, ok := parents[name]; !ok || got != parent {
			t.Errorf("the parent of span %q is %q, want %q", name, got, parent)
		}
	}
	if len(parents) != len(want) || !slices.Equal(failed, []string{"run fails"}) {
		t.Errorf("got spans %v, failed %q", parents, failed)
	}
}

func TestMetricsCount(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m, err := workers.Metrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	s := openWith(t, m)
	run(s, s.add.S(1, 2))
	run(s, s.add.S(1, 2))
	_ = failing(s, s.broken.S())
	want := `
# HELP warren_tasks_run_total Attempts at tasks that have ended.
# TYPE warren_tasks_run_total counter
warren_tasks_run_total{outcome="failure",queue="celery",task="broken"} 1
warren_tasks_run_total{outcome="success",queue="celery",task="add"} 2
# HELP warren_tasks_running Tasks that run now.
# TYPE warren_tasks_running gauge
warren_tasks_running 0
# HELP warren_tasks_sent_total Tasks that were sent.
# TYPE warren_tasks_sent_total counter
warren_tasks_sent_total{queue="celery",task="add"} 2
warren_tasks_sent_total{queue="celery",task="broken"} 1
`
	err = testutil.GatherAndCompare(registry, strings.NewReader(want),
		"warren_tasks_run_total", "warren_tasks_running", "warren_tasks_sent_total")
	if err != nil {
		t.Error(err)
	}
	if _, err := workers.Metrics(registry); err == nil {
		t.Error("a registry took the metrics twice")
	}
}
