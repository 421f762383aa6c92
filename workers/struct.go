package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// StructTask is a task that takes one struct, made by [Task].
type StructTask[A, R any] struct {
	definition
	fn func(context.Context, A) (R, error)
}

// Task registers a function of one struct as a task. The fields of the struct
// travel as Celery's arguments by name, under their JSON names; what is not sent
// has its zero value, so fields can be added while old calls are on their way.
func Task[A, R any](app *App, name string, fn func(context.Context, A) (R, error), opts ...Option) StructTask[A, R] {
	t := &task{name: name, result: reflect.TypeFor[R](), opts: settingsOf(opts), byName: true}
	t.params = []reflect.Type{reflect.TypeFor[A]()}
	t.named = fieldTypes[A]()
	t.invoke = func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error) {
		a, err := arg[A](name, args, 0)
		if err != nil {
			return nil, err
		}
		return result(fn(ctx, a))
	}
	if t.named == nil && t.opts.problem == nil {
		t.opts.problem = fmt.Errorf("%v is no struct; use Func1 for it", t.params[0])
	}
	return StructTask[A, R]{app.register(t), fn}
}

// S is a complete call.
func (t StructTask[A, R]) S(a A) Sig[R] { return newSig[R](t.callByName(a, "")) }

// Delay sends a call to the workers and gives a handle on its result.
func (t StructTask[A, R]) Delay(ctx context.Context, a A, opts ...Option) (*Result[R], error) {
	return t.S(a).Apply(ctx, opts...)
}

// Call runs the function here and now, without a broker or a record.
func (t StructTask[A, R]) Call(ctx context.Context, a A) (R, error) { return t.fn(ctx, a) }

// Into leaves one field of the arguments to what comes before: the field whose
// address the function gives.
//
//	workers.Into(mul, MulArgs{Y: 8}, func(a *MulArgs) *int { return &a.X })
func Into[A, F, R any](t StructTask[A, R], a A, field func(*A) *F) Step[F, R] {
	name, err := fieldOf(field)
	p := t.callByName(a, name)
	p.err = errors.Join(p.err, err)
	return newStep[F, R](p)
}

// callByName makes a call of a struct, without the field that is to be filled.
func (t StructTask[A, R]) callByName(a A, into string) part {
	p := part{app: t.app, unique: t.task.opts.unique, sig: Signature{Task: t.task.name, Options: CallOptions{Into: into}}}
	text, err := jsontext.Marshal(a)
	if err == nil {
		err = json.Unmarshal(text, &p.sig.Kwargs)
	}
	if err != nil {
		p.err = celery.ArgumentError(t.task.name, "cannot be given these arguments (%v)", err)
	}
	delete(p.sig.Kwargs, into)
	return p
}

// fieldOf finds the JSON name of the field that a function points to.
func fieldOf[A, F any](field func(*A) *F) (string, error) {
	zero := new(A)
	v := reflect.ValueOf(zero).Elem()
	if v.Kind() != reflect.Struct {
		return "", fmt.Errorf("%s is no struct", v.Type())
	}
	want := reflect.ValueOf(field(zero)).Pointer()
	for i := range v.NumField() {
		if f := v.Field(i); f.Addr().Pointer() == want && f.Type() == reflect.TypeFor[F]() {
			if name, ok := jsonName(v.Type().Field(i)); ok {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("the function points to no field of %s that travels", v.Type())
}

// fieldTypes are the types of a struct's fields by their JSON names; nil for what
// is no struct.
func fieldTypes[A any]() map[string]reflect.Type {
	t := reflect.TypeFor[A]()
	if t.Kind() != reflect.Struct {
		return nil
	}
	types := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(t) {
		if name, ok := jsonName(f); ok {
			types[name] = f.Type
		}
	}
	return types
}

func jsonName(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return "", false
	}
	if name == "" {
		name = f.Name
	}
	return name, true
}
