package workers

import (
	"context"
	"encoding/json"
	"reflect"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// Func0 to Func4 register an ordinary function of that many parameters as a
// task, and infer its types: arguments and results travel as JSON, the arguments
// by position. Do0 to Do4 are for functions that return only an error. Two tasks of one name are an error, told by [App.Connect]. The
// function may run more than once for one call, as whoever runs it may be killed
// before that is recorded. Its context ends with the limits of the task, when
// the task is revoked, and when the worker has waited long enough while it shuts
// down.

// Task0 is a task of no parameters, made by [Func0].
type Task0[R any] struct {
	definition
	fn func(context.Context) (R, error)
}

// Func0 registers a function as a task.
func Func0[R any](app *App, name string, fn func(context.Context) (R, error), opts ...Option) Task0[R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts)}
	t.invoke = func(ctx context.Context, _ []json.RawMessage) (json.RawMessage, error) {
		return result(fn(ctx))
	}
	return Task0[R]{app.register(t), fn}
}

// S is a complete call.
func (t Task0[R]) S() Sig[R] { return newSig[R](t.call()) }

// Delay sends a call to the workers and gives a handle on its result.
func (t Task0[R]) Delay(ctx context.Context, opts ...Option) (*Result[R], error) {
	return t.S().Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t Task0[R]) Call(ctx context.Context) (R, error) { return t.fn(ctx) }

// Task1 is a task of one parameter, made by [Func1].
type Task1[A, R any] struct {
	definition
	fn func(context.Context, A) (R, error)
}

// Func1 registers a function as a task.
func Func1[A, R any](app *App, name string, fn func(context.Context, A) (R, error), opts ...Option) Task1[A, R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts)}
	t.params = []reflect.Type{reflect.TypeFor[A]()}
	t.invoke = func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error) {
		a, err := arg[A](name, args, 0)
		if err != nil {
			return nil, err
		}
		return result(fn(ctx, a))
	}
	return Task1[A, R]{app.register(t), fn}
}

// S is a complete call.
func (t Task1[A, R]) S(a A) Sig[R] { return newSig[R](t.call(a)) }

// Delay sends a call to the workers and gives a handle on its result.
func (t Task1[A, R]) Delay(ctx context.Context, a A, opts ...Option) (*Result[R], error) {
	return t.S(a).Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t Task1[A, R]) Call(ctx context.Context, a A) (R, error) { return t.fn(ctx, a) }

// P leaves the first argument to what comes before: the previous result of a
// chain, the results of a chord, the result or the [Failure] of a callback.
func (t Task1[A, R]) P() Step[A, R] { return newStep[A, R](t.call()) }

// Task2 is a task of two parameters, made by [Func2].
type Task2[A, B, R any] struct {
	definition
	fn func(context.Context, A, B) (R, error)
}

// Func2 registers a function as a task.
func Func2[A, B, R any](app *App, name string, fn func(context.Context, A, B) (R, error), opts ...Option) Task2[A, B, R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts)}
	t.params = []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B]()}
	t.invoke = func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error) {
		a, err := arg[A](name, args, 0)
		if err != nil {
			return nil, err
		}
		b, err := arg[B](name, args, 1)
		if err != nil {
			return nil, err
		}
		return result(fn(ctx, a, b))
	}
	return Task2[A, B, R]{app.register(t), fn}
}

// S is a complete call.
func (t Task2[A, B, R]) S(a A, b B) Sig[R] { return newSig[R](t.call(a, b)) }

// Delay sends a call to the workers and gives a handle on its result.
func (t Task2[A, B, R]) Delay(ctx context.Context, a A, b B, opts ...Option) (*Result[R], error) {
	return t.S(a, b).Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t Task2[A, B, R]) Call(ctx context.Context, a A, b B) (R, error) { return t.fn(ctx, a, b) }

// P leaves the first argument to what comes before: the previous result of a
// chain, the results of a chord, the result or the [Failure] of a callback.
func (t Task2[A, B, R]) P(b B) Step[A, R] { return newStep[A, R](t.call(b)) }

// Task3 is a task of three parameters, made by [Func3].
type Task3[A, B, C, R any] struct {
	definition
	fn func(context.Context, A, B, C) (R, error)
}

// Func3 registers a function as a task.
func Func3[A, B, C, R any](app *App, name string, fn func(context.Context, A, B, C) (R, error), opts ...Option) Task3[A, B, C, R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts)}
	t.params = []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]()}
	t.invoke = func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error) {
		a, err := arg[A](name, args, 0)
		if err != nil {
			return nil, err
		}
		b, err := arg[B](name, args, 1)
		if err != nil {
			return nil, err
		}
		c, err := arg[C](name, args, 2)
		if err != nil {
			return nil, err
		}
		return result(fn(ctx, a, b, c))
	}
	return Task3[A, B, C, R]{app.register(t), fn}
}

// S is a complete call.
func (t Task3[A, B, C, R]) S(a A, b B, c C) Sig[R] { return newSig[R](t.call(a, b, c)) }

// Delay sends a call to the workers and gives a handle on its result.
func (t Task3[A, B, C, R]) Delay(ctx context.Context, a A, b B, c C, opts ...Option) (*Result[R], error) {
	return t.S(a, b, c).Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t Task3[A, B, C, R]) Call(ctx context.Context, a A, b B, c C) (R, error) {
	return t.fn(ctx, a, b, c)
}

// P leaves the first argument to what comes before: the previous result of a
// chain, the results of a chord, the result or the [Failure] of a callback.
func (t Task3[A, B, C, R]) P(b B, c C) Step[A, R] { return newStep[A, R](t.call(b, c)) }

// Task4 is a task of four parameters, made by [Func4].
type Task4[A, B, C, D, R any] struct {
	definition
	fn func(context.Context, A, B, C, D) (R, error)
}

// Func4 registers a function as a task.
func Func4[A, B, C, D, R any](app *App, name string, fn func(context.Context, A, B, C, D) (R, error), opts ...Option) Task4[A, B, C, D, R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts)}
	t.params = []reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C](), reflect.TypeFor[D]()}
	t.invoke = func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error) {
		a, err := arg[A](name, args, 0)
		if err != nil {
			return nil, err
		}
		b, err := arg[B](name, args, 1)
		if err != nil {
			return nil, err
		}
		c, err := arg[C](name, args, 2)
		if err != nil {
			return nil, err
		}
		d, err := arg[D](name, args, 3)
		if err != nil {
			return nil, err
		}
		return result(fn(ctx, a, b, c, d))
	}
	return Task4[A, B, C, D, R]{app.register(t), fn}
}

// S is a complete call.
func (t Task4[A, B, C, D, R]) S(a A, b B, c C, d D) Sig[R] { return newSig[R](t.call(a, b, c, d)) }

// Delay sends a call to the workers and gives a handle on its result.
func (t Task4[A, B, C, D, R]) Delay(ctx context.Context, a A, b B, c C, d D, opts ...Option) (*Result[R], error) {
	return t.S(a, b, c, d).Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t Task4[A, B, C, D, R]) Call(ctx context.Context, a A, b B, c C, d D) (R, error) {
	return t.fn(ctx, a, b, c, d)
}

// P leaves the first argument to what comes before: the previous result of a
// chain, the results of a chord, the result or the [Failure] of a callback.
func (t Task4[A, B, C, D, R]) P(b B, c C, d D) Step[A, R] { return newStep[A, R](t.call(b, c, d)) }

// definition is what the tasks of all shapes have.
type definition struct {
	app  *App
	task *task
}

// Name is the name of the task.
func (d definition) Name() string { return d.task.name }

func (d definition) call(args ...any) part {
	texts, err := marshalAll(args...)
	if err != nil {
		err = celery.ArgumentError(d.task.name, "cannot be given these arguments (%v)", err)
	}
	return part{app: d.app, sig: Signature{Task: d.task.name, Args: texts}, unique: d.task.opts.unique, err: err}
}

// result writes what a function returned.
func result[R any](r R, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return jsontext.Marshal(r)
}
