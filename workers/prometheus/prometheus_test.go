package prometheus_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"warren/embedded/embeddedtest"
	"warren/workers"
	metrics "warren/workers/prometheus"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func TestMetrics_Count(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counting, err := metrics.Middleware(registry)
	if err != nil {
		t.Fatal(err)
	}
	app := workers.New("counted")
	add := workers.Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	broken := workers.Func0(app, "broken", func(context.Context) (int, error) { return 0, errors.New("failed") })
	ignored := workers.Do0(app, "ignored", func(context.Context) error { return workers.ErrIgnore })
	again := workers.Func0(app, "again", func(ctx context.Context) (int, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries == 0 {
			return 0, workers.RetryIn(0, nil)
		}
		return 1, nil
	})
	work(t, app, counting)
	for range 2 {
		if n, err := add.S(1, 2).Run(t.Context()); n != 3 || err != nil {
			t.Fatalf("add gave %d, %v; want 3", n, err)
		}
	}
	if _, err := ignored.Delay(t.Context()); err != nil { // it runs before what is sent after it
		t.Fatal(err)
	}
	if _, err := again.S().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := broken.S().Run(t.Context()); err == nil {
		t.Fatalf("broken gave %d, want an error", n)
	}
	want := `
# HELP warren_tasks_run_total Attempts at tasks that have ended.
# TYPE warren_tasks_run_total counter
warren_tasks_run_total{outcome="failure",queue="celery",task="broken"} 1
warren_tasks_run_total{outcome="ignored",queue="celery",task="ignored"} 1
warren_tasks_run_total{outcome="retry",queue="celery",task="again"} 1
warren_tasks_run_total{outcome="success",queue="celery",task="add"} 2
warren_tasks_run_total{outcome="success",queue="celery",task="again"} 1
# HELP warren_tasks_running Tasks that run now.
# TYPE warren_tasks_running gauge
warren_tasks_running 0
# HELP warren_tasks_sent_total Tasks that were sent.
# TYPE warren_tasks_sent_total counter
warren_tasks_sent_total{queue="celery",task="add"} 2
warren_tasks_sent_total{queue="celery",task="again"} 2
warren_tasks_sent_total{queue="celery",task="broken"} 1
warren_tasks_sent_total{queue="celery",task="ignored"} 1
`
	err = testutil.GatherAndCompare(registry, strings.NewReader(want),
		"warren_tasks_run_total", "warren_tasks_running", "warren_tasks_sent_total")
	if err != nil {
		t.Error(err)
	}
	if _, err := metrics.Middleware(registry); err == nil {
		t.Error("a registry took the metrics twice")
	}
}

// work connects an app with the middleware to a broker of its own, and runs a worker of
// one task at a time until the test ends.
func work(t *testing.T, app *workers.App, around workers.Middleware) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cfg := workers.Config{Queue: "celery", Middleware: []workers.Middleware{around}}
	if err := app.Connect(t.Context(), embeddedtest.Connect(t), cfg); err != nil {
		t.Fatal(err)
	}
	w := app.Worker(workers.WorkerConfig{Concurrency: 1})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the worker ended: %v", err)
		}
		if err := app.Close(context.Background()); err != nil {
			t.Errorf("close the app: %v", err)
		}
	})
	<-w.Ready()
}
