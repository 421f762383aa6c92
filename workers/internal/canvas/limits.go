package canvas

import (
	"errors"
	"fmt"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// How large a canvas may be. What is larger is refused before anything of it is
// sent, or read.
const (
	// deepest is how deep canvases and callbacks may lie in one another.
	deepest = 100
	// deepestArgument is how deep the arrays and objects of an argument may.
	deepestArgument = 200
	// deepestJSON is how deep a signature that deep may lie in JSON.
	deepestJSON = 512
	// Widest is how many tasks there may be in all.
	Widest = 250_000
)

var errReference = celery.Permanent(errors.New("an argument is no JSON"))

var errWidest = fmt.Errorf("the canvas has more than %d tasks", Widest)

// Measure refuses a signature that is too large, or of which something is missing.
// It looks at no more than is allowed, however the signature is made.
func Measure(s *Signature) error {
	left := Widest
	return s.measure(1, &left)
}

func (s *Signature) measure(depth int, left *int) error {
	if depth > deepest {
		return fmt.Errorf("the canvas is more than %d deep", deepest)
	}
	if *left--; *left < 0 {
		return errWidest
	}
	if err := s.complete(); err != nil {
		return err
	}
	for _, arg := range s.Args {
		if celery.IsReference(arg) {
			return errReference
		}
		if jsontext.Nests(arg, deepestArgument) {
			return fmt.Errorf("an argument of %s nests more than %d deep", Title(*s), deepestArgument)
		}
	}
	for name, arg := range s.Kwargs {
		if celery.IsReference(arg) {
			return errReference
		}
		if jsontext.Nests(arg, deepestArgument) {
			return fmt.Errorf("argument %q of %s nests more than %d deep", name, Title(*s), deepestArgument)
		}
	}
	return s.measureParts(depth, left)
}

// complete says what is missing of a signature.
func (s *Signature) complete() error {
	switch {
	case s.Kind == KindTask && s.Task == "":
		return errNoTask
	case s.Kind == KindChord && s.Body == nil:
		return errNoBody
	case s.Kind != KindTask && canvasTasks[s.Kind] == "":
		return fmt.Errorf("there is no canvas %q", s.Kind)
	}
	return nil
}

// measureParts counts as deep as what is made of a canvas when it is sent: a
// chord becomes a chain with a group in it, and the callbacks of a chain are hung
// on its steps.
func (s *Signature) measureParts(depth int, left *int) error {
	members, calls := depth+1, depth+1
	switch s.Kind {
	case KindChord:
		members, calls = depth+2, depth+2
	case KindChain:
		calls = depth + 2
	}
	if s.Body != nil {
		if err := s.Body.measure(depth+1, left); err != nil {
			return err
		}
	}
	if err := measureAll(s.Tasks, members, left); err != nil {
		return err
	}
	if err := measureAll(s.Options.Link, calls, left); err != nil {
		return err
	}
	return measureAll(s.Options.LinkError, calls, left)
}

// MeasureAll is Measure for a list, which counts as one canvas.
func MeasureAll(list []Signature) error {
	left := Widest
	return measureAll(list, 1, &left)
}

func measureAll(list []Signature, depth int, left *int) error {
	for i := range list {
		if err := list[i].measure(depth, left); err != nil {
			return err
		}
	}
	return nil
}

// Title is what a message calls a signature.
func Title(s Signature) string {
	if s.Kind == KindTask {
		return fmt.Sprintf("task %q", s.Task)
	}
	return string(s.Kind)
}
