package canvas

import (
	"cmp"
	"errors"
	"reflect"
	"slices"

	"warren/workers/internal/celery"
)

// Freeze brings a canvas into the form the evaluator works on, and fixes every id
// in it: a chord is a chain of its header and its body, chains hold no chains,
// callbacks hang where they are called.
//
// Complete is called with every task and the type of what comes before it, nil
// for nothing, and says of what type its result is.
func Freeze(sig Signature, newID func() string, complete Completion) (Signature, error) {
	if err := Measure(&sig); err != nil {
		return sig, err
	}
	f := NewFreezer(newID, complete)
	sig, _ = f.freeze(sig, Options{}, nil)
	return sig, f.err
}

// Root is the id that all tasks of a canvas know: by it, they are revoked
// together.
func Root(sig Signature) string {
	switch {
	case sig.Kind == KindGroup:
		return sig.Options.GroupID
	case sig.Kind == KindChain && len(sig.Tasks) > 0:
		return Root(sig.Tasks[0])
	}
	return sig.Options.TaskID
}

// A Completion adds to a task what it was defined with, and says of what type its result
// is. Before is the type of what comes before it; nil for nothing.
type Completion func(sig *Signature, before reflect.Type) (reflect.Type, error)

// A Freezer freezes what follows a task, piece by piece.
type Freezer struct {
	newID    func() string
	complete Completion
	tasks    int // so far
	err      error
}

// NewFreezer makes a freezer that gives ids, and completes tasks.
func NewFreezer(newID func() string, complete Completion) *Freezer {
	return &Freezer{newID: newID, complete: complete}
}

// Err is what was wrong first.
func (f *Freezer) Err() error { return f.err }

func (f *Freezer) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// freeze freezes a signature. What its canvas asks for holds for it too, unless
// it asks for something else.
func (f *Freezer) freeze(sig Signature, inherited Options, before reflect.Type) (Signature, reflect.Type) {
	if f.err != nil {
		return sig, Any
	}
	sig.Options = Over(sig.Options, inherited)
	f.fail(CheckOptions(sig.Options))
	if sig.Immutable {
		before = nil
	}
	if sig.Task == chunksTask {
		f.fail(unfold(&sig))
	}
	switch sig.Kind {
	case KindTask:
		return f.freezeTask(sig, before)
	case KindGroup:
		return f.freezeGroup(sig, before)
	}
	return f.freezeChain(sig, before)
}

func (f *Freezer) freezeTask(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	if f.tasks++; f.tasks > Widest { // callbacks that hang on many steps are many
		f.fail(errWidest)
		return sig, Any
	}
	result, err := f.complete(&sig, before)
	f.fail(err)
	if sig.Options.TaskID == "" {
		sig.Options.TaskID = f.newID()
	}
	return f.freezeCallbacks(sig, result), result
}

func (f *Freezer) freezeCallbacks(sig Signature, result reflect.Type) Signature {
	sig.Options.Link = f.Callbacks(sig.Options.Link, result)
	sig.Options.LinkError = f.Callbacks(sig.Options.LinkError, reflect.TypeFor[celery.Failure]())
	return sig
}

// Callbacks freezes callbacks, which are given a value of a type.
func (f *Freezer) Callbacks(list []Signature, before reflect.Type) []Signature {
	var frozen []Signature
	for _, sig := range list {
		byID, given := sig.Options.ErrbackID, before
		if byID {
			given = reflect.TypeFor[string]()
		}
		sig, _ = f.freeze(sig, Options{}, given)
		sig.Options.ErrbackID = byID
		frozen = append(frozen, sig)
	}
	return frozen
}

// Rest freezes the rest of a chain, whose next step is the last.
func (f *Freezer) Rest(rest []Signature) []Signature {
	steps := slices.Clone(rest)
	slices.Reverse(steps)
	chain, _ := f.freeze(Signature{Kind: KindChain, Tasks: steps}, Options{}, Any)
	if chain.Kind != KindChain {
		return []Signature{chain}
	}
	slices.Reverse(chain.Tasks)
	return chain.Tasks
}

func (f *Freezer) freezeGroup(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	if sig.Options.GroupID = sig.Options.TaskID; sig.Options.GroupID == "" {
		sig.Options.GroupID = f.newID()
	}
	f.fail(celery.CheckID(sig.Options.GroupID))
	sig.Options.TaskID = ""
	members := make([]Signature, len(sig.Tasks))
	results := make([]reflect.Type, len(sig.Tasks))
	for i, task := range sig.Tasks {
		members[i], results[i] = f.freeze(task, forMembers(sig.Options, true), before)
	}
	sig.Tasks = members
	result := listType(results)
	return f.freezeCallbacks(sig, result), result
}

func (f *Freezer) freezeChain(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	steps := flatten([]Signature{sig})
	if len(steps) == 0 {
		f.fail(errors.New("the chain has no steps"))
		return sig, Any
	}
	chain := Signature{Kind: KindChain, Tasks: make([]Signature, len(steps))}
	for i, step := range steps {
		chain.Tasks[i], before = f.freeze(step, Options{}, before)
	}
	if len(steps) == 1 {
		return chain.Tasks[0], before
	}
	return chain, before
}

// chordAsChain is what a chord means.
func chordAsChain(sig Signature) Signature {
	header := Signature{Kind: KindGroup, Tasks: sig.Tasks}
	if sig.header != nil {
		header.Options, header.Immutable = sig.header.Options, sig.header.Immutable
	}
	return Signature{Kind: KindChain, Tasks: []Signature{header, *sig.Body}, Options: sig.Options, Immutable: sig.Immutable}
}

// flatten takes chains, and chords, out of a list of steps. What they ask for is
// asked for by their steps, and their callbacks hang on their steps.
func flatten(steps []Signature) []Signature {
	var flat []Signature
	for _, step := range steps {
		inner := []Signature{step}
		if step.Kind == KindChord {
			step = chordAsChain(step)
		}
		if step.Kind == KindChain {
			inner = hang(step, flatten(step.Tasks))
		}
		flat = follow(flat, inner)
	}
	return flat
}

// follow puts steps behind others. When a group fails on which they wait, they
// are called back of it, as it was theirs to come next.
func follow(flat, next []Signature) []Signature {
	if last := len(flat) - 1; last >= 0 && len(next) > 0 && flat[last].Kind == KindGroup {
		o := &flat[last].Options
		o.LinkError = slices.Concat(o.LinkError, next[0].Options.LinkError)
	}
	return append(flat, next...)
}

// hang hangs what a chain asks for on its steps: the callbacks of its success on
// the last one, those of its failure on each.
func hang(s Signature, steps []Signature) []Signature {
	for i := range steps {
		o := &steps[i].Options
		if i == len(steps)-1 {
			o.TaskID = cmp.Or(o.TaskID, s.Options.TaskID)
			o.Link = slices.Concat(o.Link, s.Options.Link)
		}
		o.LinkError = slices.Concat(o.LinkError, s.Options.LinkError)
		*o = Over(*o, forMembers(s.Options, i == 0))
	}
	if s.Immutable && len(steps) > 0 {
		steps[0].Immutable = true
	}
	return steps
}

// forMembers are the options of a canvas that hold for what it is made of: when
// to begin only for what begins first.
func forMembers(o Options, begins bool) Options {
	o.TaskID, o.GroupID, o.GroupIndex, o.Into, o.ErrbackID = "", "", nil, "", false
	o.Link, o.LinkError = nil, nil
	if !begins {
		o.Countdown, o.ETA = 0, nil
	}
	return o
}
