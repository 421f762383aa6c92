package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// task is a registered task: what a worker runs under a name.
type task struct {
	name   string
	params []reflect.Type
	result reflect.Type
	named  map[string]reflect.Type // the fields of a struct task
	opts   settings
	// invoke reads the arguments and runs the code.
	invoke func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error)
	// struct tasks take their arguments by name.
	byName bool
}

// None is the result of a task that has none, and what such a result is read
// into. It prints as in Python.
type None struct{}

// String is "None".
func (None) String() string { return "None" }

// MarshalJSON is null.
func (None) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// UnmarshalJSON takes anything: what is not wanted.
func (*None) UnmarshalJSON([]byte) error { return nil }

// marshalAll writes arguments.
func marshalAll(values ...any) ([]json.RawMessage, error) {
	args := make([]json.RawMessage, len(values))
	for i, v := range values {
		text, err := jsontext.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		args[i] = text
	}
	return args, nil
}

// arg reads one argument.
func arg[T any](task string, args []json.RawMessage, i int) (T, error) {
	var v T
	err := celery.ReadValue(args[i], &v)
	var mismatch *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return v, nil
	case errors.As(err, &mismatch) || errors.As(err, &syntax):
		return v, celery.ArgumentError(task, "argument %d is %s, not a %s", i+1, jsontext.Clip(celery.ToPython(args[i])), typeName(reflect.TypeFor[T]()))
	}
	return v, celery.ArgumentError(task, "argument %d is %s: %v", i+1, jsontext.Clip(celery.ToPython(args[i])), err) // the type says it itself
}

// arity refuses another number of arguments than the task takes.
func (t *task) arity(n int) error {
	if n == len(t.params) {
		return nil
	}
	takes := "no arguments"
	if len(t.params) > 0 {
		takes = typeNames(t.params)
	}
	return celery.ArgumentError(t.name, "takes %s; it was given %d", takes, n)
}

// verify checks the arguments of a call that is complete.
func (t *task) verify(args []json.RawMessage, kwargs map[string]json.RawMessage) error {
	args, err := t.bind(args, kwargs)
	if err != nil {
		return err
	}
	return t.check(args, 0)
}

// check says whether arguments, from one on, are of the types the task takes.
func (t *task) check(args []json.RawMessage, from int) error {
	for i := from; i < len(args); i++ {
		if err := celery.ReadValue(args[i], reflect.New(t.params[i]).Interface()); err != nil {
			return t.mistyped(args, i)
		}
	}
	return nil
}

func (t *task) mistyped(args []json.RawMessage, i int) error {
	return celery.ArgumentError(t.name, "argument %d is %s, not a %s", i+1, jsontext.Clip(celery.ToPython(args[i])), shown(t.params[i]))
}

// verifyAfter checks the arguments of a call that is given what comes before it.
func (t *task) verifyAfter(sig Signature, before reflect.Type) error {
	switch into := sig.Options.Into; {
	case t.byName && into != "":
		return t.verifyInto(sig, before)
	case t.byName && len(sig.Args)+len(sig.Kwargs) > 0:
		return celery.ArgumentError(t.name, "takes one struct, which comes before it; leave a field to that with Into")
	case into != "" || len(sig.Kwargs) > 0:
		return celery.ArgumentError(t.name, "takes its arguments by position; it was given %q and %d more by name", into, len(sig.Kwargs))
	}
	if err := t.arity(len(sig.Args) + 1); err != nil {
		return err
	}
	if err := t.fits(before, t.params[0]); err != nil {
		return err
	}
	return t.check(slices.Insert(slices.Clone(sig.Args), 0, nil), 1)
}

// verifyInto checks a call of which what comes before fills one field.
func (t *task) verifyInto(sig Signature, before reflect.Type) error {
	field, ok := t.named[sig.Options.Into]
	if !ok {
		return celery.ArgumentError(t.name, "has no argument %q", sig.Options.Into)
	}
	if err := t.fits(before, field); err != nil {
		return err
	}
	given := maps.Clone(sig.Kwargs)
	delete(given, sig.Options.Into)
	return t.verify(sig.Args, given)
}

func (t *task) fits(before, want reflect.Type) error {
	if canvas.Fits(before, want) {
		return nil
	}
	return celery.ArgumentError(t.name, "takes a %s from what comes before it, which gives a %s", shown(want), shown(before))
}

// bind brings arguments by name to where the task takes them.
func (t *task) bind(args []json.RawMessage, kwargs map[string]json.RawMessage) ([]json.RawMessage, error) {
	switch {
	case t.byName:
		return t.bindStruct(args, kwargs)
	case len(kwargs) > 0:
		return nil, celery.ArgumentError(t.name, "takes its arguments by position; it was given %d by name", len(kwargs))
	}
	return args, t.arity(len(args))
}

// bindStruct makes one object of the arguments by name, and of a single one by
// position if it is an object itself.
func (t *task) bindStruct(args []json.RawMessage, kwargs map[string]json.RawMessage) ([]json.RawMessage, error) {
	if len(args) > 1 || len(args) == 1 && len(kwargs) > 0 {
		return nil, celery.ArgumentError(t.name, "takes its arguments by name; it was given %d by position", len(args))
	}
	if len(args) == 1 {
		return args, nil
	}
	for name := range kwargs {
		if t.named[name] == nil {
			return nil, celery.ArgumentError(t.name, "has no argument %q", name)
		}
	}
	if kwargs == nil {
		kwargs = map[string]json.RawMessage{}
	}
	object, err := jsontext.Marshal(kwargs)
	return []json.RawMessage{object}, err
}

func typeNames(types []reflect.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = typeName(t)
	}
	return strings.Join(names, ", ")
}

// ofMain is the package that every program's own types are of, which tells nobody
// anything.
var ofMain = regexp.MustCompile(`\bmain\.`)

func typeName(t reflect.Type) string { return ofMain.ReplaceAllString(shown(t), "") }

// shown is a type under the name that users know it by.
func shown(t reflect.Type) string {
	if t == reflect.TypeFor[Failure]() {
		return "workers.Failure"
	}
	return t.String()
}
