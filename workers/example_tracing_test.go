package workers_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"warren/workers"
)

// What follows a task is part of its trace: here a chain of two, sent and run.
func ExampleTracing() {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	mul := workers.Func2(app, "mul", mul)
	end := openApp(app, workers.Tracing(provider))

	_, err := workers.Chain2(add.S(4, 4), mul.P(8)).Run(context.Background())
	check(err)
	end()
	traces := make(map[trace.ReadOnlySpan]bool)
	first := spans.Ended()[0].SpanContext().TraceID()
	for _, span := range spans.Ended() {
		traces[span] = span.SpanContext().TraceID() == first
		if !traces[span] {
			fmt.Println(span.Name(), "is of another trace")
		}
	}
	fmt.Println(len(traces), "spans of one trace")
	// Output: 4 spans of one trace
}
