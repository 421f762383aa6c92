package workers

import (
	"encoding/json"
	"slices"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// The evaluator of canvases. It is pure: it says what is to be sent and recorded
// when a canvas begins, when a task of it has succeeded, and when one has failed.
// Every id in what it is given is fixed, so that saying it twice changes nothing.

// A spot is where a signature stands in its canvas.
type spot struct {
	root, parent string
	rest         []Signature // what follows, the next step last
	plan         *chainPlan  // what follows that; nil for nothing
	gathering
	group   string
	index   int // in the group, -1 without one
	headers map[string]string
}

// moves are what an event brings about. Joins and records are written before the
// tasks are sent.
type moves struct {
	joins  []join
	tasks  []*Message
	ends   []end    // of tasks that will not run
	slots  []slot   // filled
	past   []string // joins that have gone on
	over   []string // plans of chains that were followed to their end
	launch *launch  // how the tasks are sent; nil for one by one
	again  bool     // they may have been made before
	sentAt time.Time

	// final says which errors are no reason to try again: what cannot be sent is then
	// given up. It is nil where whoever wants it sent is told.
	final   func(error) bool
	refused []refusal
}

// A join is a group whose results are gathered: for what follows it in a chain,
// for the group it is a member of, or for its callbacks. It is recorded once, and
// its members carry its name.
type join struct {
	ID     string `json:"id"`
	Size   int    `json:"size"`
	Root   string `json:"root_id"`
	Parent string `json:"parent_id,omitempty"`
	// Rest is what follows, the next step last.
	Rest []Signature `json:"rest,omitempty"`
	// Plan is where what follows that is kept; nil for nothing.
	Plan *chainPlan `json:"chain,omitempty"`
	// Due is when the last of its members is, if not at once.
	Due time.Time `json:"due,omitzero"`
	// Join, Group and Index are where the group itself belongs.
	Join      string            `json:"join,omitempty"`
	JoinSize  int               `json:"join_size,omitempty"`
	JoinDue   time.Time         `json:"join_due,omitzero"`
	Group     string            `json:"group,omitempty"`
	Index     int               `json:"index"`
	Callbacks []Signature       `json:"callbacks,omitempty"`
	Errbacks  []Signature       `json:"errbacks,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	// At is where all of it is kept, if it is large.
	At *celery.Claim `json:"at,omitempty"`
}

// A gathering is the join that a task goes into.
type gathering struct {
	join string    // the group whose members all go into what follows it
	size int       // how many those are
	due  time.Time // when the last of those is, if not at once
}

// A slot is what one member of a join has come to.
type slot struct {
	gathering
	index int
	value json.RawMessage
	fail  *Failure
	// revision is that of the slot, or of the one above it, once it is filled.
	revision uint64
	// revoked says that the failure is none: the member was revoked.
	revoked bool
}

// An end is the record of a task that another one's failure, or revocation, kept
// from running.
type end struct {
	id, task string
	replyTo  string
	revoked  bool
	cause    Failure
}

// record is what is recorded of it.
func (e *end) record(now time.Time) record {
	r := record{Status: Failed, Task: e.task, ID: e.id, Failure: &e.cause, Done: now}
	if e.revoked {
		r.Status = Revoked
	}
	return r
}

// start begins a canvas with what comes before it, if anything does.
func (mv *moves) start(sig Signature, before json.RawMessage, at spot) {
	if sig.Immutable {
		before = nil
	}
	switch sig.Kind {
	case KindChain:
		mv.startChain(sig, before, at)
	case KindGroup:
		mv.startGroup(sig, before, at)
	default:
		mv.tasks = append(mv.tasks, mv.message(sig, before, at))
	}
}

func (mv *moves) startChain(sig Signature, before json.RawMessage, at spot) {
	if len(sig.Tasks) == 0 {
		mv.proceed(before, at)
		return
	}
	rest := slices.Clone(sig.Tasks[1:])
	slices.Reverse(rest)
	at.rest = append(slices.Clone(at.rest), rest...)
	mv.start(sig.Tasks[0], before, at)
}

func (mv *moves) startGroup(sig Signature, before json.RawMessage, at spot) {
	member := spot{root: at.root, parent: at.parent, group: sig.Options.GroupID, headers: at.headers}
	if len(sig.Tasks) == 0 {
		mv.succeed(json.RawMessage("[]"), sig.Options.Link, at)
		return
	}
	if joined(sig) || len(at.rest) > 0 || at.plan != nil || at.join != "" {
		member.gathering = gathering{join: sig.Options.GroupID, size: len(sig.Tasks)}
		if due := canvas.Due(&sig, mv.sentAt); due.After(mv.sentAt) {
			member.due = due
		}
		mv.joins = append(mv.joins, join{
			ID: sig.Options.GroupID, Size: len(sig.Tasks), Due: member.due, Root: at.root, Parent: at.parent,
			Rest: at.rest, Plan: at.plan, Join: at.join, JoinSize: at.size, JoinDue: at.due, Group: at.group, Index: at.index,
			Callbacks: sig.Options.Link, Errbacks: sig.Options.LinkError, Headers: at.headers,
		})
	}
	for i, task := range sig.Tasks {
		member.index = i
		mv.start(task, before, member)
	}
}

// joined reports whether somebody waits for a group as a whole.
func joined(s Signature) bool {
	return s.Kind == KindGroup && len(s.Options.Link)+len(s.Options.LinkError) > 0
}

// message is the task that a signature stands for, with what comes before it in
// front of its arguments or where it says.
func (mv *moves) message(sig Signature, before json.RawMessage, at spot) *Message {
	o := sig.Options
	m := &Message{
		ID: o.TaskID, Task: sig.Task, RootID: at.root, ParentID: at.parent,
		Group: at.group, GroupIndex: at.index, Origin: origin, ETA: canvas.DueAt(o, mv.sentAt),
		Expires: o.Expires.When(mv.sentAt), SoftLimit: time.Duration(o.SoftLimit), HardLimit: time.Duration(o.HardLimit),
		NoResult: o.NoResult, ResultTTL: time.Duration(o.ResultTTL), Retry: o.Retry,
		Queue: o.Queue, Headers: o.Headers, Args: sig.Args, Kwargs: sig.Kwargs, replyTo: o.ReplyTo,
		Embed: Embed{Callbacks: o.Link, Errbacks: o.LinkError, Chain: at.rest}, plan: at.plan,
	}
	if m.RootID == "" {
		m.RootID = m.ID
	}
	if at.group == "" {
		m.GroupIndex = -1
	}
	if at.join != "" {
		m.Embed.Chord = at.reference()
	}
	if o.Priority != nil {
		m.Priority = *o.Priority
	}
	for name, value := range at.headers {
		if _, ok := m.Headers[name]; !ok {
			m.Headers = canvas.WithHeader(m.Headers, name, value)
		}
	}
	m.takePlan()
	m.give(before, o.Into)
	return m
}

// give puts a value in front of the arguments, or into the one that is named.
func (m *Message) give(before json.RawMessage, into string) {
	switch {
	case before == nil:
	case into == "":
		m.Args = append([]json.RawMessage{before}, m.Args...)
	default:
		m.Kwargs = canvas.WithValue(m.Kwargs, into, before)
	}
}

// joinTask is what a join is called where Celery has the body of a chord.
const joinTask = "warren.join"

func (g gathering) reference() *Signature {
	o := CallOptions{GroupID: g.join, ChordSize: g.size}
	if !g.due.IsZero() {
		o.ETA = &Moment{Time: g.due}
	}
	return &Signature{Task: joinTask, Options: o}
}

// spot is where a task on its way stands.
func (m *Message) spot() spot {
	at := spot{
		root: m.RootID, parent: m.ID, rest: m.Embed.Chain, plan: m.plan,
		group: m.Group, index: m.GroupIndex, headers: m.Headers,
	}
	if m.Embed.Chord != nil && !m.foreignChord() {
		o := m.Embed.Chord.Options
		at.gathering = gathering{o.GroupID, o.ChordSize, canvas.DueAt(o, time.Time{})}
	}
	return at
}

// foreignChord reports whether the task is of the header of a chord that another
// program has begun: it says what comes behind the header, and not how many are in
// it.
func (m *Message) foreignChord() bool { return m.Embed.Chord != nil && m.Embed.Chord.Task != joinTask }

// succeeded is what follows when a task has.
func (mv *moves) succeeded(m *Message, result json.RawMessage) {
	mv.succeed(result, m.Embed.Callbacks, m.spot())
}

// succeed calls back, and goes on.
func (mv *moves) succeed(value json.RawMessage, callbacks []Signature, at spot) {
	for _, callback := range callbacks {
		mv.start(callback, value, spot{root: at.root, parent: at.parent, index: -1, headers: at.headers})
	}
	mv.proceed(value, at)
}

// proceed gives a value to the next step, or to the group that waits for it. Steps of a
// plan have been read before, see ahead.
func (mv *moves) proceed(value json.RawMessage, at spot) {
	if n := len(at.rest); n > 0 {
		next := at.rest[n-1]
		at.rest = at.rest[: n-1 : n-1]
		mv.start(next, value, at)
		return
	}
	if at.join != "" {
		mv.slots = append(mv.slots, slot{gathering: at.gathering, index: at.index, value: value})
	}
}

// failed is what follows when a task has, for good: its error callbacks are
// called, and whatever stood behind it ends at once.
func (mv *moves) failed(m *Message, f Failure) {
	mv.callErrbacks(m.Embed.Errbacks, f, m.spot())
	mv.stop(f, false, m.spot())
	if m.foreignChord() {
		mv.end(*m.Embed.Chord, f, false)
	}
}

// revoked is what follows when a task was: nobody is called.
func (mv *moves) revoked(m *Message, f Failure) { mv.stop(f, true, m.spot()) }

// stop ends what stands behind a spot, and tells the group that waits for it. All steps of
// a plan have been read before, see allSteps; of one that is lost, the last task is known.
func (mv *moves) stop(f Failure, revoked bool, at spot) {
	for i := len(at.rest) - 1; i >= 0; i-- {
		mv.end(at.rest[i], f, revoked)
	}
	if at.plan != nil {
		mv.end(Signature{Task: at.plan.LastTask, Options: CallOptions{TaskID: at.plan.Last, ReplyTo: at.plan.ReplyTo}}, f, revoked)
	}
	if at.join != "" {
		mv.slots = append(mv.slots, slot{gathering: at.gathering, index: at.index, fail: &f, revoked: revoked})
	}
}

// end ends every task of a signature. One that another program has given no id, or one
// that is none, nobody can ask for.
func (mv *moves) end(sig Signature, f Failure, revoked bool) {
	if sig.Kind == KindTask {
		if celery.CheckID(sig.Options.TaskID) != nil {
			return
		}
		mv.ends = append(mv.ends, end{id: sig.Options.TaskID, task: sig.Task, replyTo: sig.Options.ReplyTo, revoked: revoked, cause: f})
		return
	}
	for _, task := range sig.Tasks {
		mv.end(task, f, revoked)
	}
}

// callErrbacks sends the error callbacks of a failed task.
func (mv *moves) callErrbacks(errbacks []Signature, f Failure, at spot) {
	for _, errback := range errbacks {
		before, err := celery.Given(f)
		if errback.Options.ErrbackID {
			before, err = jsontext.Marshal(f.TaskID)
		}
		if err != nil {
			continue // a failure is made of strings and numbers
		}
		mv.start(errback, before, spot{root: at.root, parent: f.TaskID, index: -1, headers: at.headers})
	}
}

// own is the gathering that the members of a join go into.
func (j *join) own() gathering { return gathering{j.ID, j.Size, j.Due} }

// spot is where what follows a join stands.
func (j *join) spot() spot {
	return spot{
		root: j.Root, parent: j.Parent, rest: j.Rest, plan: j.Plan, gathering: gathering{j.Join, j.JoinSize, j.JoinDue},
		group: j.Group, index: j.Index, headers: j.Headers,
	}
}

// failure is that of what waits for a join of which members have failed.
func (j *join) failure(causes []Failure) Failure {
	id, task := j.ID, ""
	if n := len(j.Rest); n > 0 {
		next := j.Rest[n-1]
		id, task = first(next.Options.TaskID, next.Options.GroupID), next.Task
	}
	return celery.NewChordFailure(id, task, causes)
}

// broke is what follows when members of a join have failed: what would have come
// next has failed of it, and whoever is to be told is, once. Of a member that was
// revoked nobody is told.
func (mv *moves) broke(j *join, f Failure, revoked bool) {
	at := j.spot()
	if !revoked {
		mv.callErrbacks(j.Errbacks, f, at)
	}
	mv.stop(f, revoked, at)
}
