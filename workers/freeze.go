package workers

import (
	"errors"
	"fmt"
	"slices"
)

// freeze brings a canvas into the form the evaluator works on, and fixes every id
// in it: a chord is a chain of its header and its body, chains hold no chains,
// callbacks hang where they are called.
//
// Complete is called with every task, and whether it follows something.
func freeze(sig Signature, newID func() string, complete func(sig *Signature, follows bool) error) (Signature, error) {
	if err := measure(&sig); err != nil {
		return sig, err
	}
	f := freezer{newID: newID, complete: complete}
	sig = f.freeze(sig, CallOptions{}, false)
	return sig, f.err
}

type freezer struct {
	newID    func() string
	complete func(*Signature, bool) error
	err      error
}

func (f *freezer) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// freeze freezes a signature. What its canvas asks for holds for it too, unless
// it asks for something else.
func (f *freezer) freeze(sig Signature, inherited CallOptions, follows bool) Signature {
	own := sig.Options
	sig.Options = own.over(inherited)
	f.fail(sig.Options.check())
	follows = follows && !sig.Immutable
	switch sig.Kind {
	case KindTask:
		return f.freezeTask(sig, follows)
	case KindGroup:
		return f.freezeGroup(sig, follows)
	case KindChord:
		return f.freezeChain(chordAsChain(sig), follows)
	case KindChain:
		return f.freezeChain(sig, follows)
	}
	f.fail(fmt.Errorf("there is no canvas %q", sig.Kind))
	return sig
}

func (f *freezer) freezeTask(sig Signature, follows bool) Signature {
	f.fail(f.complete(&sig, follows))
	if sig.Options.TaskID == "" {
		sig.Options.TaskID = f.newID()
	}
	return f.freezeCallbacks(sig)
}

func (f *freezer) freezeCallbacks(sig Signature) Signature {
	sig.Options.Link = f.freezeAll(sig.Options.Link)
	sig.Options.LinkError = f.freezeAll(sig.Options.LinkError)
	return sig
}

func (f *freezer) freezeAll(list []Signature) []Signature {
	var frozen []Signature
	for _, sig := range list {
		byID := sig.Options.ErrbackID
		sig = f.freeze(sig, CallOptions{}, true)
		sig.Options.ErrbackID = byID
		frozen = append(frozen, sig)
	}
	return frozen
}

func (f *freezer) freezeGroup(sig Signature, follows bool) Signature {
	if sig.Options.GroupID = sig.Options.TaskID; sig.Options.GroupID == "" {
		sig.Options.GroupID = f.newID()
	}
	sig.Options.TaskID = ""
	members := make([]Signature, len(sig.Tasks))
	for i, task := range sig.Tasks {
		members[i] = f.freeze(task, sig.Options.forMembers(true), follows)
	}
	sig.Tasks = members
	return f.freezeCallbacks(sig)
}

// chordAsChain is what a chord means.
func chordAsChain(sig Signature) Signature {
	header := Signature{Kind: KindGroup, Tasks: sig.Tasks}
	if sig.header != nil {
		header.Options, header.Immutable = sig.header.Options, sig.header.Immutable
	}
	return Signature{Kind: KindChain, Tasks: []Signature{header, *sig.Body}, Options: sig.Options, Immutable: sig.Immutable}
}

func (f *freezer) freezeChain(sig Signature, follows bool) Signature {
	steps := flatten(sig.Tasks)
	if len(steps) == 0 {
		f.fail(errors.New("the chain has no steps"))
		return sig
	}
	sig.Tasks = make([]Signature, len(steps))
	for i, step := range sig.hang(steps) {
		sig.Tasks[i] = f.freeze(step, sig.Options.forMembers(i == 0), follows || i > 0)
	}
	sig.Options = CallOptions{Into: sig.Options.Into}
	if len(sig.Tasks) == 1 {
		only := sig.Tasks[0]
		only.Immutable = only.Immutable || sig.Immutable
		return only
	}
	return sig
}

// flatten takes chains, and chords, out of a chain.
func flatten(steps []Signature) []Signature {
	var flat []Signature
	for _, step := range steps {
		if step.Kind == KindChord && step.Body != nil {
			step = chordAsChain(step)
		}
		if step.Kind != KindChain {
			flat = append(flat, step)
			continue
		}
		inner := step.hang(flatten(step.Tasks))
		for i := range inner {
			inner[i].Options = inner[i].Options.over(step.Options.forMembers(i == 0))
		}
		if len(inner) > 0 && step.Immutable {
			inner[0].Immutable = true
		}
		flat = append(flat, inner...)
	}
	return flat
}

// hang hangs the callbacks of a chain on its steps: those of its success on the
// last one, those of its failure on each; a group has them if it is the last,
// otherwise what follows it.
func (s Signature) hang(steps []Signature) []Signature {
	hung := slices.Clone(steps)
	for i := range hung {
		o := &hung[i].Options
		last := i == len(hung)-1
		if last {
			o.TaskID = first(o.TaskID, s.Options.TaskID)
			o.Link = slices.Concat(o.Link, s.Options.Link)
		}
		if last || hung[i].Kind != KindGroup {
			o.LinkError = slices.Concat(o.LinkError, s.Options.LinkError)
		}
	}
	return hung
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
