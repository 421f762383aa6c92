package workers

import (
	"errors"
	"reflect"
	"slices"

	"warren/workers/internal/celery"
)

// freeze brings a canvas into the form the evaluator works on, and fixes every id
// in it: a chord is a chain of its header and its body, chains hold no chains,
// callbacks hang where they are called.
//
// Complete is called with every task and the type of what comes before it, nil
// for nothing, and says of what type its result is.
func freeze(sig Signature, newID func() string, complete completion) (Signature, error) {
	if err := measure(&sig); err != nil {
		return sig, err
	}
	f := freezer{newID: newID, complete: complete}
	sig, _ = f.freeze(sig, CallOptions{}, nil)
	return sig, f.err
}

type completion func(sig *Signature, before reflect.Type) (reflect.Type, error)

type freezer struct {
	newID    func() string
	complete completion
	tasks    int // so far
	err      error
}

func (f *freezer) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// freeze freezes a signature. What its canvas asks for holds for it too, unless
// it asks for something else.
func (f *freezer) freeze(sig Signature, inherited CallOptions, before reflect.Type) (Signature, reflect.Type) {
	if f.err != nil {
		return sig, anyType
	}
	sig.Options = sig.Options.over(inherited)
	f.fail(sig.Options.check())
	if sig.Immutable {
		before = nil
	}
	if sig.Task == chunksTask {
		f.fail(sig.unfold())
	}
	switch sig.Kind {
	case KindTask:
		return f.freezeTask(sig, before)
	case KindGroup:
		return f.freezeGroup(sig, before)
	}
	return f.freezeChain(sig, before)
}

func (f *freezer) freezeTask(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	if f.tasks++; f.tasks > widest { // callbacks that hang on many steps are many
		f.fail(errWidest)
		return sig, anyType
	}
	result, err := f.complete(&sig, before)
	f.fail(err)
	if sig.Options.TaskID == "" {
		sig.Options.TaskID = f.newID()
	}
	return f.freezeCallbacks(sig, result), result
}

func (f *freezer) freezeCallbacks(sig Signature, result reflect.Type) Signature {
	sig.Options.Link = f.freezeAll(sig.Options.Link, result)
	sig.Options.LinkError = f.freezeAll(sig.Options.LinkError, reflect.TypeFor[Failure]())
	return sig
}

func (f *freezer) freezeAll(list []Signature, before reflect.Type) []Signature {
	var frozen []Signature
	for _, sig := range list {
		byID, given := sig.Options.ErrbackID, before
		if byID {
			given = reflect.TypeFor[string]()
		}
		sig, _ = f.freeze(sig, CallOptions{}, given)
		sig.Options.ErrbackID = byID
		frozen = append(frozen, sig)
	}
	return frozen
}

func (f *freezer) freezeGroup(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	if sig.Options.GroupID = sig.Options.TaskID; sig.Options.GroupID == "" {
		sig.Options.GroupID = f.newID()
	}
	f.fail(celery.CheckID(sig.Options.GroupID))
	sig.Options.TaskID = ""
	members := make([]Signature, len(sig.Tasks))
	results := make([]reflect.Type, len(sig.Tasks))
	for i, task := range sig.Tasks {
		members[i], results[i] = f.freeze(task, sig.Options.forMembers(true), before)
	}
	sig.Tasks = members
	result := listType(results)
	return f.freezeCallbacks(sig, result), result
}

func (f *freezer) freezeChain(sig Signature, before reflect.Type) (Signature, reflect.Type) {
	steps := flatten([]Signature{sig})
	if len(steps) == 0 {
		f.fail(errors.New("the chain has no steps"))
		return sig, anyType
	}
	chain := Signature{Kind: KindChain, Tasks: make([]Signature, len(steps))}
	for i, step := range steps {
		chain.Tasks[i], before = f.freeze(step, CallOptions{}, before)
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
			inner = step.hang(flatten(step.Tasks))
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
func (s Signature) hang(steps []Signature) []Signature {
	for i := range steps {
		o := &steps[i].Options
		if i == len(steps)-1 {
			o.TaskID = first(o.TaskID, s.Options.TaskID)
			o.Link = slices.Concat(o.Link, s.Options.Link)
		}
		o.LinkError = slices.Concat(o.LinkError, s.Options.LinkError)
		*o = o.over(s.Options.forMembers(i == 0))
	}
	if s.Immutable && len(steps) > 0 {
		steps[0].Immutable = true
	}
	return steps
}

// forMembers are the options of a canvas that hold for what it is made of: when
// to begin only for what begins first.
func (o CallOptions) forMembers(begins bool) CallOptions {
	o.TaskID, o.GroupID, o.GroupIndex, o.Into, o.ErrbackID = "", "", nil, "", false
	o.Link, o.LinkError = nil, nil
	if !begins {
		o.Countdown, o.ETA = 0, nil
	}
	return o
}
