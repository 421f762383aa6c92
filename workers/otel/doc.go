// Package otel traces the tasks of an app with OpenTelemetry.
//
// It is a middleware of package workers, for a provider of OpenTelemetry's SDK:
//
//	tracing := otel.Middleware(provider)
//	err := app.Connect(ctx, nc, workers.Config{Middleware: []workers.Middleware{tracing}})
//
// Each sending of a task is a span of kind producer, and each attempt to run it a span of
// kind consumer. Their attributes have the names of OpenTelemetry's conventions for
// messaging. The context of the trace travels in the headers of the task, in the form of
// W3C: a task is part of the trace in which it was sent, and so is what follows it, in
// whichever process.
//
// Only programs that import this package link OpenTelemetry.
package otel
