package canvas

import (
	"encoding/json"
	"slices"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A Position is where a signature stands in its canvas.
type Position struct {
	// Root is the id that all tasks of the canvas know, Parent that of the task before.
	Root, Parent string
	Rest         []Signature // what follows, the next step last
	Plan         *Plan       // what follows that; nil for nothing
	Gathering
	Group   string
	Index   int // in the group, -1 without one
	Headers map[string]string
}

// Beginning is the position of a frozen canvas.
func Beginning(sig Signature) Position { return Position{Root: Root(sig), Index: -1} }

// Effects are what an event brings about: what is to be sent and recorded when a canvas
// begins, when a task of it has succeeded, and when one has failed. Every id in it is
// fixed, so that doing it twice changes nothing. Joins and ends are recorded before the
// tasks are sent.
//
// The methods add effects, and look at nothing else.
type Effects struct {
	Joins []Join
	Tasks []Task
	Ends  []End  // of tasks that will not run
	Slots []Slot // filled
	// SentAt is when this is done: countdowns begin.
	SentAt time.Time
}

// A Task is to be sent: a single call, with what came before it among its arguments.
type Task struct {
	Call Signature
	At   Position
}

// Next is the position of what follows the task.
func (t *Task) Next() Position {
	at := t.At
	at.Parent, at.Headers = t.Call.Options.TaskID, t.Call.Options.Headers
	return at
}

// A Gathering is the join that a task goes into.
type Gathering struct {
	Join string    // the group whose members all go into what follows it
	Size int       // how many those are
	Due  time.Time // when the last of those is, if not at once
}

// A Slot is what one member of a join has come to: a value, or a failure.
type Slot struct {
	Gathering
	Index   int
	Value   json.RawMessage
	Failure *celery.Failure
	// Revoked says that the failure is none: the member was revoked.
	Revoked bool
}

// An End is that of a task that another one's failure, or revocation, kept from running.
type End struct {
	ID, Task string
	ReplyTo  string
	Revoked  bool
	Cause    celery.Failure
}

// Start begins a canvas with what comes before it, if anything does.
func (e *Effects) Start(sig Signature, before json.RawMessage, at Position) {
	if sig.Immutable {
		before = nil
	}
	switch sig.Kind {
	case KindChain:
		e.startChain(sig, before, at)
	case KindGroup:
		e.startGroup(sig, before, at)
	default:
		e.Tasks = append(e.Tasks, newTask(sig, before, at))
	}
}

func (e *Effects) startChain(sig Signature, before json.RawMessage, at Position) {
	if len(sig.Tasks) == 0 {
		e.proceed(before, at)
		return
	}
	rest := slices.Clone(sig.Tasks[1:])
	slices.Reverse(rest)
	at.Rest = append(slices.Clone(at.Rest), rest...)
	e.Start(sig.Tasks[0], before, at)
}

func (e *Effects) startGroup(sig Signature, before json.RawMessage, at Position) {
	member := Position{Root: at.Root, Parent: at.Parent, Group: sig.Options.GroupID, Headers: at.Headers}
	if len(sig.Tasks) == 0 {
		e.Succeed(json.RawMessage("[]"), sig.Options.Link, at)
		return
	}
	if joined(sig) || len(at.Rest) > 0 || at.Plan != nil || at.Join != "" {
		member.Gathering = Gathering{Join: sig.Options.GroupID, Size: len(sig.Tasks)}
		if due := Due(&sig, e.SentAt); due.After(e.SentAt) {
			member.Due = due
		}
		e.Joins = append(e.Joins, newJoin(sig, member.Due, at))
	}
	e.Tasks = slices.Grow(e.Tasks, len(sig.Tasks)) // most members are tasks
	for i, task := range sig.Tasks {
		member.Index = i
		e.Start(task, before, member)
	}
}

// joined reports whether somebody waits for a group as a whole.
func joined(s Signature) bool {
	return s.Kind == KindGroup && len(s.Options.Link)+len(s.Options.LinkError) > 0
}

// newTask is the task that a signature stands for, with what comes before it in
// front of its arguments or where it says.
func newTask(sig Signature, before json.RawMessage, at Position) Task {
	if at.Root == "" {
		at.Root = sig.Options.TaskID
	}
	if at.Group == "" {
		at.Index = -1
	}
	o := &sig.Options
	for name, value := range at.Headers {
		if _, ok := o.Headers[name]; !ok {
			o.Headers = WithHeader(o.Headers, name, value)
		}
	}
	t := Task{Call: sig, At: at}
	t.takePlan()
	t.give(before)
	return t
}

// give puts a value in front of the arguments, or into the one that is named.
func (t *Task) give(before json.RawMessage) {
	switch into := t.Call.Options.Into; {
	case before == nil:
	case into == "":
		t.Call.Args = append([]json.RawMessage{before}, t.Call.Args...)
	default:
		t.Call.Kwargs = WithValue(t.Call.Kwargs, into, before)
	}
}

// joinTask is what a join is called where Celery has the body of a chord.
const joinTask = "warren.join"

// Reference stands for a gathering where Celery has the body of a chord.
func (g Gathering) Reference() *Signature {
	o := Options{GroupID: g.Join, ChordSize: g.Size}
	if !g.Due.IsZero() {
		o.ETA = &celery.Moment{Time: g.Due}
	}
	return &Signature{Task: joinTask, Options: o}
}

// IsReference reports whether a body of a chord stands for a gathering. Otherwise another
// program has begun the chord: it says what comes behind the header, and not how many are
// in it.
func IsReference(body *Signature) bool { return body.Task == joinTask }

// Dereference undoes Reference.
func Dereference(body *Signature) Gathering {
	o := body.Options
	return Gathering{o.GroupID, o.ChordSize, DueAt(o, time.Time{})}
}

// Succeed calls back, and goes on.
func (e *Effects) Succeed(value json.RawMessage, callbacks []Signature, at Position) {
	for _, callback := range callbacks {
		e.Start(callback, value, Position{Root: at.Root, Parent: at.Parent, Index: -1, Headers: at.Headers})
	}
	e.proceed(value, at)
}

// proceed gives a value to the next step, or to the group that waits for it. Steps of a
// plan have been read before, as many as it takes.
func (e *Effects) proceed(value json.RawMessage, at Position) {
	if n := len(at.Rest); n > 0 {
		next := at.Rest[n-1]
		at.Rest = at.Rest[: n-1 : n-1]
		e.Start(next, value, at)
		return
	}
	if at.Join != "" {
		e.Slots = append(e.Slots, Slot{Gathering: at.Gathering, Index: at.Index, Value: value})
	}
}

// Fail is what follows when a task has failed for good: its error callbacks are called,
// and whatever stood behind it ends at once.
func (e *Effects) Fail(f celery.Failure, errbacks []Signature, at Position) {
	e.callErrbacks(errbacks, f, at)
	e.Stop(f, false, at)
}

// Stop ends what stands behind a position, and tells the group that waits for it. Nobody
// is called. All steps of a plan have been read before; of one that is lost, the last task
// is known.
func (e *Effects) Stop(f celery.Failure, revoked bool, at Position) {
	for i := len(at.Rest) - 1; i >= 0; i-- {
		e.End(at.Rest[i], f, revoked)
	}
	if at.Plan != nil {
		last := Options{TaskID: at.Plan.Last, ReplyTo: at.Plan.ReplyTo}
		e.End(Signature{Task: at.Plan.LastTask, Options: last}, f, revoked)
	}
	if at.Join != "" {
		e.Slots = append(e.Slots, Slot{Gathering: at.Gathering, Index: at.Index, Failure: &f, Revoked: revoked})
	}
}

// End ends every task of a signature. One that another program has given no id, or one
// that is none, nobody can ask for.
func (e *Effects) End(sig Signature, f celery.Failure, revoked bool) {
	if sig.Kind == KindTask {
		if celery.CheckID(sig.Options.TaskID) != nil {
			return
		}
		e.Ends = append(e.Ends, End{ID: sig.Options.TaskID, Task: sig.Task, ReplyTo: sig.Options.ReplyTo, Revoked: revoked, Cause: f})
		return
	}
	for _, task := range sig.Tasks {
		e.End(task, f, revoked)
	}
}

// callErrbacks sends the error callbacks of a failed task.
func (e *Effects) callErrbacks(errbacks []Signature, f celery.Failure, at Position) {
	for _, errback := range errbacks {
		before, err := celery.Given(f)
		if errback.Options.ErrbackID {
			before, err = jsontext.Marshal(f.TaskID)
		}
		if err != nil {
			continue // a failure is made of strings and numbers
		}
		e.Start(errback, before, Position{Root: at.Root, Parent: f.TaskID, Index: -1, Headers: at.Headers})
	}
}

// Break is what follows when members of a join have failed: what would have come
// next has failed of it, and whoever is to be told is, once. Of a member that was
// revoked nobody is told.
func (e *Effects) Break(j *Join, f celery.Failure, revoked bool) {
	at := j.Next()
	if !revoked {
		e.callErrbacks(j.Errbacks, f, at)
	}
	e.Stop(f, revoked, at)
}
