package otel

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"warren/workers"
)

// Middleware returns the [workers.Middleware] that makes the spans, with the provider of
// the user's OpenTelemetry SDK.
func Middleware(provider trace.TracerProvider) workers.Middleware {
	t := tracing{provider.Tracer("warren/workers"), propagation.TraceContext{}}
	return workers.Middleware{Send: t.send, Run: t.run}
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

func (t tracing) send(next workers.SendFunc) workers.SendFunc {
	return func(ctx context.Context, m *workers.Message) error {
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

func (t tracing) run(next workers.RunFunc) workers.RunFunc {
	return func(ctx context.Context, r workers.Request) (json.RawMessage, error) {
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
type messageCarrier struct{ m *workers.Message }

func (c messageCarrier) Get(name string) string { return c.m.Headers[name] }
func (c messageCarrier) Set(name, value string) { c.m.SetHeader(name, value) }
func (c messageCarrier) Keys() []string         { return slices.Collect(maps.Keys(c.m.Headers)) }
