package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// task is a registered task: what a worker runs under a name.
type task struct {
	name   string
	params []string // Go types, for messages
	named  map[string]bool
	opts   settings
	// invoke reads the arguments and runs the code.
	invoke func(ctx context.Context, args []json.RawMessage) (json.RawMessage, error)
	// check says whether arguments are of the types the task takes.
	check func(args []json.RawMessage) error
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

// marshal writes a value of ours for the wire. HTML is none of its concern.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// marshalAll writes arguments.
func marshalAll(values ...any) ([]json.RawMessage, error) {
	args := make([]json.RawMessage, len(values))
	for i, v := range values {
		text, err := marshal(v)
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
	if err := json.Unmarshal(args[i], &v); err != nil {
		return v, argumentError(task, "argument %d is %s, not a %T", i+1, clip(args[i]), v)
	}
	return v, nil
}

// clip shortens what a message quotes.
func clip(text []byte) string {
	const most = 60
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "..."
}

// arity refuses another number of arguments than the task takes.
func (t *task) arity(n int) error {
	if n == len(t.params) {
		return nil
	}
	takes := "no arguments"
	if len(t.params) > 0 {
		takes = strings.Join(t.params, ", ")
	}
	return argumentError(t.name, "takes %s; it was given %d arguments", takes, n)
}

// verify checks the arguments of a call that is complete.
func (t *task) verify(args []json.RawMessage, kwargs map[string]json.RawMessage) error {
	args, err := t.bind(args, kwargs)
	if err != nil {
		return err
	}
	return t.check(args)
}

// arityAfter checks how many arguments a step has, of which the first comes from
// what is before it.
func (t *task) arityAfter(sig Signature) error {
	if t.byName || sig.Options.Into != "" || len(sig.Kwargs) > 0 {
		return nil // by name: the worker sees
	}
	return t.arity(len(sig.Args) + 1)
}

// bind brings arguments by name to where the task takes them.
func (t *task) bind(args []json.RawMessage, kwargs map[string]json.RawMessage) ([]json.RawMessage, error) {
	switch {
	case t.byName:
		return t.bindStruct(args, kwargs)
	case len(kwargs) > 0:
		return nil, argumentError(t.name, "takes its arguments by position; it was given %d by name", len(kwargs))
	}
	return args, t.arity(len(args))
}

// bindStruct makes one object of the arguments by name, and of a single one by
// position if it is an object itself.
func (t *task) bindStruct(args []json.RawMessage, kwargs map[string]json.RawMessage) ([]json.RawMessage, error) {
	if len(args) > 1 || len(args) == 1 && len(kwargs) > 0 {
		return nil, argumentError(t.name, "takes its arguments by name; it was given %d by position", len(args))
	}
	if len(args) == 1 {
		return args, nil
	}
	for name := range kwargs {
		if !t.named[name] {
			return nil, argumentError(t.name, "has no argument %q", name)
		}
	}
	if kwargs == nil {
		kwargs = map[string]json.RawMessage{}
	}
	object, err := marshal(kwargs)
	return []json.RawMessage{object}, err
}
