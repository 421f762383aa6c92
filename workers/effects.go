package workers

import (
	"slices"
	"time"

	"warren/workers/internal/canvas"
)

// effects are what an event brings about, as the evaluator says (package canvas), and how
// far the sending of it has come.
type effects struct {
	canvas.Effects
	written []*Message // the messages of tasks, see messages
	past    []string   // joins that have gone on
	over    []string   // plans of chains that were followed to their end
	launch  *launch    // how the tasks are sent; nil for one by one
	again   bool       // they may have been made before

	// final says which errors are no reason to try again: what cannot be sent is then
	// given up. It is nil where whoever wants it sent is told.
	final   func(error) bool
	refused []refusal
}

// messages are those of all tasks, each made once.
func (eff *effects) messages() []*Message {
	eff.written = slices.Grow(eff.written, len(eff.Tasks))
	for _, t := range eff.Tasks {
		eff.written = append(eff.written, newMessage(t, eff.SentAt))
	}
	eff.Tasks = nil
	return eff.written
}

// none reports whether there is nothing to do.
func (eff *effects) none() bool {
	return len(eff.Joins)+len(eff.messages())+len(eff.Ends)+len(eff.Slots)+len(eff.past)+len(eff.over) == 0
}

// children are the ids of the tasks that an event sends.
func (eff *effects) children() []string {
	ids := make([]string, 0, len(eff.messages()))
	for _, m := range eff.messages() {
		ids = append(ids, m.ID)
	}
	return ids
}

// fail is what follows when a task has failed, for good. The chord that another program
// has begun with it does not go on either.
func (eff *effects) fail(m *Message, f Failure) {
	eff.Fail(f, m.Embed.Errbacks, m.position())
	if m.foreignChord() {
		eff.End(*m.Embed.Chord, f, false)
	}
}

// endRecord is what is recorded of a task that another one's failure kept from running.
func endRecord(e canvas.End, now time.Time) record {
	r := record{Status: Failed, Task: e.Task, ID: e.ID, Failure: &e.Cause, Done: now}
	if e.Revoked {
		r.Status = Revoked
	}
	return r
}

// newMessage is the message of a task that is sent at a time.
func newMessage(t canvas.Task, sent time.Time) *Message {
	o := t.Call.Options
	m := &Message{
		ID: o.TaskID, Task: t.Call.Task, RootID: t.At.Root, ParentID: t.At.Parent,
		Group: t.At.Group, GroupIndex: t.At.Index, Origin: origin, ETA: canvas.DueAt(o, sent),
		Expires: o.Expires.When(sent), SoftLimit: time.Duration(o.SoftLimit), HardLimit: time.Duration(o.HardLimit),
		NoResult: o.NoResult, ResultTTL: time.Duration(o.ResultTTL), Retry: o.Retry,
		Queue: o.Queue, Headers: o.Headers, Args: t.Call.Args, Kwargs: t.Call.Kwargs, replyTo: o.ReplyTo,
		Embed: Embed{Callbacks: o.Link, Errbacks: o.LinkError, Chain: t.At.Rest}, plan: t.At.Plan,
	}
	if t.At.Join != "" {
		m.Embed.Chord = t.At.Reference()
	}
	if o.Priority != nil {
		m.Priority = *o.Priority
	}
	return m
}

// position is that of what follows a task on its way.
func (m *Message) position() canvas.Position {
	at := canvas.Position{
		Root: m.RootID, Parent: m.ID, Rest: m.Embed.Chain, Plan: m.plan,
		Group: m.Group, Index: m.GroupIndex, Headers: m.Headers,
	}
	if m.Embed.Chord != nil && !m.foreignChord() {
		at.Gathering = canvas.Dereference(m.Embed.Chord)
	}
	return at
}

// foreignChord reports whether the task is of the header of a chord that another
// program has begun: it says what comes behind the header, and not how many are in
// it.
func (m *Message) foreignChord() bool {
	return m.Embed.Chord != nil && !canvas.IsReference(m.Embed.Chord)
}
