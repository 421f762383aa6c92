package workers

import (
	"encoding/json"
	"reflect"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// Chain2 runs a call, then a step with its result.
func Chain2[A, R any](a Sig[A], b Step[A, R]) Sig[R] { return newSig[R](chain(a.part, b.part)) }

// Chain3 is [Chain2] with another step.
func Chain3[A, B, R any](a Sig[A], b Step[A, B], c Step[B, R]) Sig[R] {
	return newSig[R](chain(a.part, b.part, c.part))
}

// Chain4 is [Chain3] with another step.
func Chain4[A, B, C, R any](a Sig[A], b Step[A, B], c Step[B, C], d Step[C, R]) Sig[R] {
	return newSig[R](chain(a.part, b.part, c.part, d.part))
}

// Chain5 is [Chain4] with another step.
func Chain5[A, B, C, D, R any](a Sig[A], b Step[A, B], c Step[B, C], d Step[C, D], e Step[D, R]) Sig[R] {
	return newSig[R](chain(a.part, b.part, c.part, d.part, e.part))
}

// Chain6 is [Chain5] with another step.
func Chain6[A, B, C, D, E, R any](a Sig[A], b Step[A, B], c Step[B, C], d Step[C, D], e Step[D, E], f Step[E, R]) Sig[R] {
	return newSig[R](chain(a.part, b.part, c.part, d.part, e.part, f.part))
}

// Pipe makes one step of two, so that chains of any length, and chains that
// begin with a step, can be made.
func Pipe[A, B, R any](a Step[A, B], b Step[B, R]) Step[A, R] {
	return newStep[A, R](chain(a.part, b.part))
}

// Repeat runs a step n times in a chain behind a call, each time with the result
// of the last.
func Repeat[A any](a Sig[A], step Step[A, A], n int) Sig[A] {
	if n < 0 {
		return newSig[A](part{app: a.app, err: errRepeat})
	}
	parts := []part{a.part}
	for range n {
		parts = append(parts, step.part)
	}
	return newSig[A](chain(parts...))
}

// Group runs calls side by side; its result has theirs in their order. A group
// of none results in an empty list at once.
func Group[R any](calls ...Sig[R]) Sig[[]R] {
	return newSig[[]R](compose(KindGroup, partsOf(calls)...))
}

// GroupOf is a [Group] of steps: what comes before is given to each of them.
func GroupOf[A, R any](steps ...Step[A, R]) Step[A, []R] {
	parts := make([]part, len(steps))
	for i, s := range steps {
		parts[i] = s.part
	}
	return newStep[A, []R](compose(KindGroup, parts...))
}

// Chord runs a group, then its body with the list of the results. When a member
// fails, the body does not run, and has failed with a [ChordError] at once.
func Chord[E, R any](header Sig[[]E], body Step[[]E, R]) Sig[R] {
	return newSig[R](chain(header.part, body.part))
}

// Map is one task that calls another for each of a list, one after another, and
// results in the list of their results: for work too small to send each.
func Map[A, R any](t Task1[A, R], list []A) Sig[[]R] {
	items := make([][]any, len(list))
	for i, a := range list {
		items[i] = []any{a}
	}
	return newSig[[]R](t.starmap(items))
}

// Starmap is [Map] for tasks of two parameters.
func Starmap[A, B, R any](t Task2[A, B, R], list []Pair[A, B]) Sig[[]R] {
	return newSig[[]R](t.starmap(pairs(list)))
}

// Chunks is a [Group] of [Starmap] calls of n pairs each.
func Chunks[A, B, R any](t Task2[A, B, R], list []Pair[A, B], n int) Sig[[][]R] {
	if n < 1 {
		return newSig[[][]R](part{app: t.app, err: canvas.ErrChunk})
	}
	var parts []part
	for len(list) > 0 {
		k := min(n, len(list))
		parts = append(parts, t.starmap(pairs(list[:k])))
		list = list[k:]
	}
	p := compose(KindGroup, parts...)
	p.app = t.app
	return newSig[[][]R](p)
}

// Pair is two arguments of a task.
type Pair[A, B any] struct {
	First  A
	Second B
}

func pairs[A, B any](list []Pair[A, B]) [][]any {
	items := make([][]any, len(list))
	for i, p := range list {
		items[i] = []any{p.First, p.Second}
	}
	return items
}

// starmap is a call of canvas.StarmapTask: what it takes is what Celery's takes.
func (d definition) starmap(items [][]any) part {
	inner, err := jsontext.Marshal(Signature{Task: d.task.name})
	p := part{app: d.app, err: err, sig: Signature{Task: canvas.StarmapTask, Options: CallOptions{Queue: d.task.opts.Queue}}}
	it, err := jsontext.Marshal(items)
	if err != nil {
		p.fail(celery.ArgumentError(d.task.name, "cannot be given these arguments (%v)", err))
	}
	p.sig.Kwargs = map[string]json.RawMessage{"task": inner, "it": it}
	return p
}

func partsOf[R any](calls []Sig[R]) []part {
	parts := make([]part, len(calls))
	for i, c := range calls {
		parts[i] = c.part
	}
	return parts
}

// chain makes one chain of parts; chains among them become part of it.
func chain(parts ...part) part {
	p := compose(KindChain, parts...)
	var steps []Signature
	for _, s := range p.sig.Tasks {
		if s.Kind == KindChain && isPlain(s) {
			steps = append(steps, s.Tasks...)
		} else {
			steps = append(steps, s)
		}
	}
	p.sig.Tasks = steps
	return p
}

// isPlain reports whether a canvas is no more than what it is made of.
func isPlain(s Signature) bool { return !s.Immutable && reflect.ValueOf(s.Options).IsZero() }

func compose(kind Kind, parts ...part) part {
	p := part{sig: Signature{Kind: kind, Tasks: make([]Signature, len(parts))}}
	for i, member := range parts {
		p.sig.Tasks[i] = member.sig
		p.include(member)
	}
	return p
}

// include makes what is wrong with a part wrong with the whole.
func (p *part) include(member part) {
	p.fail(member.err)
	if member.unique != (unique{}) {
		p.fail(errUnique)
	}
	switch {
	case p.app == nil:
		p.app = member.app
	case member.app != nil && member.app != p.app:
		p.fail(errApps)
	}
}
