package otel_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"warren/embedded/embeddedtest"
	"warren/workers"
	"warren/workers/otel"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func TestTrace_GoesThroughACanvas(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	app := workers.New("traced")
	errKnown := errors.New("a known error")
	app.RegisterError("Known", errKnown)
	add := workers.Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	fails := workers.Func1(app, "fails", func(context.Context, int) (int, error) { return 0, errKnown })
	stop := work(t, app, otel.Middleware(provider))
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	r, err := workers.Chain2(add.S(1, 2), fails.P()).Apply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	root.End()
	if _, err := r.Get(t.Context()); !errors.Is(err, errKnown) {
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

func TestTrace_OfASendingThatFails(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	traced := otel.Middleware(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)))
	errKnown := errors.New("a known error")
	send := traced.Send(func(context.Context, *workers.Message) error { return errKnown })
	if err := send(t.Context(), &workers.Message{Task: "add"}); !errors.Is(err, errKnown) {
		t.Errorf("got %v", err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Status().Code != codes.Error || ended[0].Status().Description != errKnown.Error() {
		t.Errorf("got spans %v, want one that failed", ended)
	}
}

// work connects an app with the middleware to a broker of its own, and runs a worker until
// it is told to stop.
func work(t *testing.T, app *workers.App, around workers.Middleware) (stop func()) {
	t.Helper()
	if err := app.Connect(t.Context(), embeddedtest.Connect(t), workers.Config{Middleware: []workers.Middleware{around}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.Background()); err != nil {
			t.Errorf("close the app: %v", err)
		}
	})
	w := app.Worker(workers.WorkerConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the worker ended: %v", err)
		}
	})
	t.Cleanup(stop)
	<-w.Ready()
	return stop
}
