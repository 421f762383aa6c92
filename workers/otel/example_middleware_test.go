package otel_test

import (
	"context"
	"fmt"
	"log"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"warren/embedded"
	"warren/workers"
	"warren/workers/otel"
)

// What follows a task is part of its trace: here a chain of two, sent and run.
func ExampleMiddleware() {
	broker := must(embedded.Start(embedded.Config{}))
	defer broker.Close()
	nc := must(broker.Connect())
	defer nc.Close()

	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	app := workers.New("example")
	add := workers.Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	mul := workers.Func2(app, "mul", func(_ context.Context, x, y int) (int, error) { return x * y, nil })
	ctx, stop := context.WithCancel(context.Background())
	must(0, app.Connect(ctx, nc, workers.Config{Middleware: []workers.Middleware{otel.Middleware(provider)}}))
	defer app.Close(context.Background())
	worker, ended := app.Worker(workers.WorkerConfig{}), make(chan error)
	go func() { ended <- worker.Run(ctx) }()

	must(workers.Chain2(add.S(4, 4), mul.P(8)).Run(ctx))
	stop()
	must(0, <-ended)
	traces := make(map[string]int)
	for _, span := range spans.Ended() {
		traces[span.SpanContext().TraceID().String()]++
	}
	for _, n := range traces {
		fmt.Println(n, "spans of one trace")
	}
	// Output: 4 spans of one trace
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
