package workers

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is a [Middleware] that makes a span of each sending and of each run of
// a task. The context of the trace travels in the headers of the task, in the
// form of W3C: what follows a task is part of its trace, in whichever process.
// The provider is that of the user's OpenTelemetry SDK.
func Tracing(provider trace.TracerProvider) Middleware {
	t := tracing{provider.Tracer("warren/workers"), propagation.TraceContext{}}
	return Middleware{Send: t.send, Run: t.run}
}

type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

// Attributes have the names of OpenTelemetry's conventions for messaging.
func attributes(task, id, queue string) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.destination.name", queue),
		attribute.String("messaging.message.id", id),
		attribute.String("celery.task_name", task),
	)
}

func (t tracing) send(next SendFunc) SendFunc {
	return func(ctx context.Context, m *Message) error {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = t.propagator.Extract(ctx, propagation.MapCarrier(m.Headers)) // it follows another task
		}
		ctx, span := t.tracer.Start(ctx, "send "+m.Task, trace.WithSpanKind(trace.SpanKindProducer), attributes(m.Task, m.ID, m.Queue))
		defer span.End()
		t.propagator.Inject(ctx, messageCarrier{m})
		err := next(ctx, m)
		fail(span, err)
		return err
	}
}

func (t tracing) run(next RunFunc) RunFunc {
	return func(ctx context.Context, r Request) (json.RawMessage, error) {
		ctx = t.propagator.Extract(ctx, propagation.MapCarrier(r.Headers))
		ctx, span := t.tracer.Start(ctx, "run "+r.Task, trace.WithSpanKind(trace.SpanKindConsumer), attributes(r.Task, r.ID, r.Queue),
			trace.WithAttributes(attribute.Int("celery.retries", r.Retries)))
		defer span.End()
		value, err := next(ctx, r)
		fail(span, err)
		return value, err
	}
}

func fail(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
}

// messageCarrier is the headers of a task that is about to be sent. They may be
// shared with other tasks: they are replaced, not changed.
type messageCarrier struct{ m *Message }

func (c messageCarrier) Get(name string) string { return c.m.Headers[name] }
func (c messageCarrier) Set(name, value string) { c.m.SetHeader(name, value) }
func (c messageCarrier) Keys() []string         { return slices.Collect(maps.Keys(c.m.Headers)) }
