package workers

import "warren/workers/internal/canvas"

// A Signature is a call as data: Celery's JSON form of a task that is to run, or
// of a chain, a group or a chord of them. Typed calls ([Sig], [Step]) are
// signatures underneath; [App.Signature] makes one of a name and arguments that
// are known at run time only.
//
// Its fields are Task, the name of the task, which a canvas has none of; Args and Kwargs,
// the arguments by position and by name, as JSON; Options, those of the call; Kind, Tasks
// and Body, which canvas it is and what it is made of; and Immutable, that it ignores what
// comes before it.
type Signature = canvas.Signature

// CallOptions are what one call asks for beyond its arguments. The zero value
// asks for nothing: what its task was defined with holds. Each field is an [Option].
type CallOptions = canvas.Options

// Kind is what a signature is: Celery's subtask_type.
type Kind = canvas.Kind

// The kinds of canvas. A single task has none.
const (
	KindTask  = canvas.KindTask
	KindChain = canvas.KindChain
	KindGroup = canvas.KindGroup
	KindChord = canvas.KindChord
)
