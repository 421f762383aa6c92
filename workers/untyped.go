package workers

import (
	"context"
	"encoding/json"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// Untyped is a call, or canvas, that is known at run time only: of a task of
// another program, or one that was read as JSON. Like a [Sig] it is a value. What
// it is given is checked when it is applied, before anything is sent: its names,
// how many arguments there are and whether their types fit, for tasks that are
// registered here; those that are not are checked by the worker.
type Untyped struct{ part }

// Signature makes a call of a task by its name: Celery's app.signature.
func (a *App) Signature(task string, args ...any) Untyped {
	texts, err := marshalAll(args...)
	if err != nil {
		err = celery.ArgumentError(task, "cannot be given these arguments (%v)", err)
	}
	return Untyped{part{app: a, sig: Signature{Task: task, Args: texts}, err: err}}
}

// Canvas makes a call of a signature, which may be any canvas.
func (a *App) Canvas(sig Signature) Untyped { return Untyped{part{app: a, sig: sig}} }

// Named gives an argument by its name.
func (u Untyped) Named(name string, value any) Untyped {
	text, err := jsontext.Marshal(value)
	if err != nil {
		u.fail(celery.ArgumentError(u.sig.Task, "cannot be given argument %q (%v)", name, err))
	}
	u.sig.Kwargs = canvas.WithValue(u.sig.Kwargs, name, text)
	return u
}

// Skip ignores what comes before the call: Celery's immutable signature, .si.
func (u Untyped) Skip() Untyped {
	u.sig.Immutable = true
	return u
}

// With sets options of this call.
func (u Untyped) With(opts ...Option) Untyped { return Untyped{u.with(opts)} }

// Then runs steps after the call, each with the result of what is before it: a
// chain.
func (u Untyped) Then(steps ...Untyped) Untyped {
	return Untyped{chain(append([]part{u.part}, untypedParts(steps)...)...)}
}

// Link calls back when the call has succeeded, with its result.
func (u Untyped) Link(callbacks ...Untyped) Untyped { return Untyped{u.link(untypedParts(callbacks))} }

// LinkError calls back when the call has failed for good, with its [Failure]; see
// [Sig.LinkError].
func (u Untyped) LinkError(callbacks ...Untyped) Untyped {
	return Untyped{u.linkError(untypedParts(callbacks), false)}
}

// LinkErrorID is LinkError with the id of the failed task, as in Celery 3,
// instead of its failure.
func (u Untyped) LinkErrorID(callbacks ...Untyped) Untyped {
	return Untyped{u.linkError(untypedParts(callbacks), true)}
}

// Apply sends the call to the workers and gives a handle on its result, which is
// raw.
func (u Untyped) Apply(ctx context.Context, opts ...Option) (*Result[json.RawMessage], error) {
	return As[json.RawMessage](u).Apply(ctx, opts...)
}

// Run is Apply, then Get.
func (u Untyped) Run(ctx context.Context, opts ...Option) (json.RawMessage, error) {
	return As[json.RawMessage](u).Run(ctx, opts...)
}

// Signature is the call as data.
func (u Untyped) Signature() Signature { return u.sig }

func (u Untyped) whole() part { return u.part }

// As says of what type the result of an untyped call is, so that it can be put
// together with typed ones. That it is so is seen when the result is read.
func As[R any](u Untyped) Sig[R] { return newSig[R](u.part) }

// Takes says what an untyped call needs from what comes before it, and of what
// type its result is.
func Takes[A, R any](u Untyped) Step[A, R] { return newStep[A, R](u.part) }

func untypedParts(list []Untyped) []part {
	parts := make([]part, len(list))
	for i, u := range list {
		parts[i] = u.part
	}
	return parts
}
