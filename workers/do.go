package workers

import "context"

// Do0 to Do4 register a function that returns nothing but an error, as most tasks do.
// They are Func0 to Func4 with [None] as the result: who waits for it is told that the
// task is done.

// Do0 registers a function as a task without a result.
func Do0(app *App, name string, fn func(context.Context) error, opts ...Option) Task0[None] {
	return Func0(app, name, func(ctx context.Context) (None, error) { return None{}, fn(ctx) }, opts...)
}

// Do1 registers a function as a task without a result.
func Do1[A any](app *App, name string, fn func(context.Context, A) error, opts ...Option) Task1[A, None] {
	return Func1(app, name, func(ctx context.Context, a A) (None, error) { return None{}, fn(ctx, a) }, opts...)
}

// Do2 registers a function as a task without a result.
func Do2[A, B any](app *App, name string, fn func(context.Context, A, B) error, opts ...Option) Task2[A, B, None] {
	return Func2(app, name, func(ctx context.Context, a A, b B) (None, error) { return None{}, fn(ctx, a, b) }, opts...)
}

// Do3 registers a function as a task without a result.
func Do3[A, B, C any](app *App, name string, fn func(context.Context, A, B, C) error, opts ...Option) Task3[A, B, C, None] {
	return Func3(app, name, func(ctx context.Context, a A, b B, c C) (None, error) { return None{}, fn(ctx, a, b, c) }, opts...)
}

// Do4 registers a function as a task without a result.
func Do4[A, B, C, D any](app *App, name string, fn func(context.Context, A, B, C, D) error, opts ...Option) Task4[A, B, C, D, None] {
	return Func4(app, name, func(ctx context.Context, a A, b B, c C, d D) (None, error) { return None{}, fn(ctx, a, b, c, d) }, opts...)
}
