// Package canvastest plays random canvases in a world without a server, and says what must
// become of them: for tests of the evaluator, and of those who carry out what it says.
package canvastest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// What must become of a random canvas is worked out one call after another.
//
// Every task has a label as its last argument. What one comes to is made of its
// label and of what it was given, so that a result tells how it came about. Names
// that begin with "bad" fail; "1" and "2" is how many arguments a task has.

// Seed gives the random numbers of a seed.
func Seed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// A Maker makes random canvases.
type Maker struct {
	*rand.Rand
	labels int
}

func (g *Maker) chance(percent int) bool { return g.IntN(100) < percent }

// Make makes a canvas, of which something comes before it or not.
func (g *Maker) Make(depth int, follows bool) canvas.Signature {
	var s canvas.Signature
	if follows && g.chance(15) {
		s.Immutable, follows = true, false
	}
	switch n := g.IntN(10); {
	case depth == 0 || n < 3 || g.labels > 60:
		s.Task, s.Args = g.task(follows)
	case n < 6:
		s.Kind = canvas.KindChain
		s.Tasks = append([]canvas.Signature{g.Make(depth-1, follows)}, g.list(2, depth-1, true)...)
	case n < 8:
		s.Kind, s.Tasks = canvas.KindGroup, g.list(3, depth-1, follows)
	default:
		s.Kind, s.Tasks = canvas.KindChord, g.list(3, depth-1, follows)
		body := g.Make(depth-1, true)
		s.Body = &body
		if g.chance(20) {
			s = canvas.WithHeaderGroup(s, &canvas.Signature{Kind: canvas.KindGroup, Options: canvas.Options{LinkError: g.callbacks(depth)}})
		}
	}
	if g.chance(15) {
		s.Options.Link = g.callbacks(depth)
	}
	if g.chance(20) {
		s.Options.LinkError = g.callbacks(depth)
		for i := range s.Options.LinkError {
			s.Options.LinkError[i].Options.ErrbackID = g.chance(30)
		}
	}
	return s
}

func (g *Maker) list(most, depth int, follows bool) []canvas.Signature {
	list := make([]canvas.Signature, g.IntN(most+1))
	for i := range list {
		list[i] = g.Make(depth, follows)
	}
	return list
}

func (g *Maker) callbacks(depth int) []canvas.Signature {
	return g.list(2, max(depth-2, 0), true)
}

func (g *Maker) task(follows bool) (string, []json.RawMessage) {
	g.labels++
	name, args := "ok1", []json.RawMessage{quote(fmt.Sprintf("t%d", g.labels))}
	if follows {
		name = "ok2"
	}
	if g.chance(12) {
		name = "bad" + name[2:]
	}
	return name, args
}

func quote(s string) json.RawMessage { return json.RawMessage(`"` + s + `"`) }

// Work is what a task of a random canvas does: before is nil for nothing.
func Work(before json.RawMessage, label string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(given(before)))
	return fmt.Sprintf("v:%s:%08x", label, h.Sum32())
}

// given is what a task makes of what it is given: failures and ids are as they
// come, so that nothing is made of them.
func given(before json.RawMessage) string {
	var s string
	switch {
	case before == nil:
		return ""
	case jsontext.IsObject(before):
		return "failure"
	case json.Unmarshal(before, &s) == nil && !strings.HasPrefix(s, "v:"):
		return "id"
	}
	return string(before)
}

// A Fate is what must become of a canvas: what each task comes to, as often as it
// does, and which tasks a failure may be made of.
type Fate struct {
	Ends   map[string][]string   // by label
	causes map[string][][]string // by label, what its failure can come from
}

// A Result is a value, or the labels of the tasks that failed, in their order.
type Result struct {
	Value  json.RawMessage
	Failed []string
}

// Foretell says what must become of a canvas.
func Foretell(sig canvas.Signature) (Fate, Result) {
	f := Fate{Ends: map[string][]string{}, causes: map[string][][]string{}}
	o := f.run(sig, nil, nil, nil)
	return f, o
}

func labelOf(s canvas.Signature) string {
	var label string
	_ = json.Unmarshal(s.Args[len(s.Args)-1], &label)
	return label
}

// run works a canvas out: with what comes before it, and the callbacks that are
// called of it beside its own.
func (f Fate) run(s canvas.Signature, before json.RawMessage, links, errbacks []canvas.Signature) Result {
	if s.Immutable {
		before = nil
	}
	links = slices.Concat(s.Options.Link, links)
	errbacks = slices.Concat(s.Options.LinkError, errbacks)
	switch s.Kind {
	case canvas.KindChain:
		return f.chain(s.Tasks, before, links, errbacks)
	case canvas.KindChord:
		header := canvas.Signature{Kind: canvas.KindGroup, Tasks: s.Tasks}
		if group := canvas.HeaderGroup(s); group != nil {
			header.Options = group.Options
		}
		return f.chain([]canvas.Signature{header, *s.Body}, before, links, errbacks)
	}
	var o Result
	if s.Kind == canvas.KindGroup {
		o = f.group(s.Tasks, before)
	} else {
		o = f.task(s, before)
	}
	f.call(o, links, errbacks)
	return o
}

func (f Fate) call(o Result, links, errbacks []canvas.Signature) {
	if o.Failed == nil {
		for _, link := range links {
			f.run(link, o.Value, nil, nil)
		}
		return
	}
	for _, errback := range errbacks {
		failure := json.RawMessage("{}")
		if errback.Options.ErrbackID {
			failure = quote("id")
		}
		f.run(errback, failure, nil, nil)
	}
}

func (f Fate) task(s canvas.Signature, before json.RawMessage) Result {
	label := labelOf(s)
	if strings.HasPrefix(s.Task, "bad") {
		f.note(label, "failed "+Work(before, label), []string{label})
		return Result{Failed: []string{label}}
	}
	value := Work(before, label)
	f.note(label, "succeeded "+value, nil)
	return Result{Value: quote(value)}
}

func (f Fate) note(label, end string, causes []string) {
	f.Ends[label] = append(f.Ends[label], end)
	if causes != nil {
		f.causes[label] = append(f.causes[label], causes)
	}
}

func (f Fate) group(members []canvas.Signature, before json.RawMessage) Result {
	values, failed := []json.RawMessage{}, []string(nil)
	for _, member := range members {
		o := f.run(member, before, nil, nil)
		values = append(values, o.Value)
		failed = append(failed, o.Failed...)
	}
	if failed != nil {
		return Result{Failed: failed}
	}
	text, _ := jsontext.Marshal(values)
	return Result{Value: text}
}

// chain runs steps until one fails; the others end of it. A group that fails
// calls the error callbacks of the step it was for, too.
func (f Fate) chain(steps []canvas.Signature, before json.RawMessage, links, errbacks []canvas.Signature) Result {
	if len(steps) == 0 {
		return Result{Value: before}
	}
	s, rest := steps[0], steps[1:]
	called := errbacks
	if len(rest) == 0 {
		return f.run(s, before, links, errbacks)
	}
	o := f.runBefore(s, rest[0], before, called)
	if o.Failed == nil {
		return f.chain(rest, o.Value, links, errbacks)
	}
	for _, step := range rest {
		f.end(step, o.Failed)
	}
	return o
}

// runBefore runs a step of a chain. If it ends in a group, the error callbacks of
// what is next are called of that group's failure, and of no other.
func (f Fate) runBefore(s, next canvas.Signature, before json.RawMessage, errbacks []canvas.Signature) Result {
	if s.Immutable {
		before = nil
	}
	switch s.Kind {
	case canvas.KindTask:
		return f.run(s, before, nil, errbacks)
	case canvas.KindGroup:
		return f.run(s, before, nil, slices.Concat(errbacks, errbacksOf(next)))
	}
	steps := s.Tasks
	if s.Kind == canvas.KindChord {
		header := canvas.Signature{Kind: canvas.KindGroup, Tasks: s.Tasks}
		if group := canvas.HeaderGroup(s); group != nil {
			header.Options = group.Options
		}
		steps = []canvas.Signature{header, *s.Body}
	}
	errbacks = slices.Concat(s.Options.LinkError, errbacks)
	o := Result{Value: before}
	for i, step := range steps {
		switch {
		case i == len(steps)-1:
			step.Options.Link = slices.Concat(step.Options.Link, s.Options.Link)
			o = f.runBefore(step, next, o.Value, errbacks)
		default:
			o = f.runBefore(step, steps[i+1], o.Value, errbacks)
		}
		if o.Failed != nil {
			for _, behind := range steps[i+1:] {
				f.end(behind, o.Failed)
			}
			return o
		}
	}
	return o
}

// errbacksOf are called when a step cannot begin, because the group it waits for
// has failed: those of its beginning.
func errbacksOf(s canvas.Signature) []canvas.Signature {
	var of []canvas.Signature
	switch s.Kind {
	case canvas.KindChain:
		of = errbacksOf(s.Tasks[0])
		if len(s.Tasks) > 1 && endsInGroup(s.Tasks[0]) && !severalSteps(s.Tasks[0]) {
			of = slices.Concat(of, errbacksOf(s.Tasks[1]))
		}
	case canvas.KindChord:
		if group := canvas.HeaderGroup(s); group != nil {
			of = group.Options.LinkError
		}
		of = slices.Concat(of, errbacksOf(*s.Body))
	}
	return slices.Concat(of, s.Options.LinkError)
}

func severalSteps(s canvas.Signature) bool {
	return s.Kind == canvas.KindChord || s.Kind == canvas.KindChain && (len(s.Tasks) > 1 || severalSteps(s.Tasks[0]))
}

func endsInGroup(s canvas.Signature) bool {
	return s.Kind == canvas.KindGroup || s.Kind == canvas.KindChain && endsInGroup(s.Tasks[len(s.Tasks)-1])
}

// end ends every task of a step that does not come any more.
func (f Fate) end(s canvas.Signature, failed []string) {
	if s.Kind == canvas.KindTask {
		f.note(labelOf(s), "ended", failed)
		return
	}
	for _, task := range s.Tasks {
		f.end(task, failed)
	}
	if s.Body != nil {
		f.end(*s.Body, failed)
	}
}

// An Outcome is what one task has come to.
type Outcome struct {
	State   string // Succeeded, Failed, or another word
	Value   json.RawMessage
	Failure *celery.Failure
}

// The states of tasks whose outcome is foretold.
const (
	Succeeded = "SUCCESS"
	Failed    = "FAILURE"
)

// Becomes compares what became of the tasks of a frozen canvas with what must
// have, and says what differs.
func (f Fate) Becomes(frozen canvas.Signature, look func(id string) (Outcome, bool)) []string {
	ends := make(map[string][]string)
	var wrong []string
	for id, label := range TasksOf(frozen) {
		rec, ok := look(id)
		if !ok {
			continue
		}
		end, causes := endOf(id, rec)
		ends[label] = append(ends[label], end)
		if causes != nil && !slices.ContainsFunc(f.causes[label], func(may []string) bool { return Within(causes, may) }) {
			wrong = append(wrong, fmt.Sprintf("%s failed of %v, want some of %v", label, causes, f.causes[label]))
		}
	}
	for label := range f.Ends {
		ends[label] = append([]string{}, ends[label]...)
	}
	for label, got := range ends {
		want := slices.Sorted(slices.Values(f.Ends[label]))
		if slices.Sort(got); !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: got %q, want %q", label, got, want))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// endOf words an outcome, and says which tasks its failure came from.
func endOf(id string, rec Outcome) (string, []string) {
	switch {
	case rec.State == Succeeded:
		var value string
		_ = json.Unmarshal(rec.Value, &value)
		return "succeeded " + value, nil
	case rec.State != Failed || rec.Failure == nil:
		return rec.State, nil
	case rec.Failure.TaskID == id && rec.Failure.Type != celery.ChordError:
		return "failed " + rec.Failure.Message, Leaves(*rec.Failure)
	}
	return "ended", Leaves(*rec.Failure)
}

// Leaves are the labels of the tasks that a failure came from.
func Leaves(f celery.Failure) []string {
	if f.Type != celery.ChordError {
		return []string{strings.Split(f.Message, ":")[1]}
	}
	list := []string{}
	for _, cause := range f.Causes {
		list = append(list, Leaves(cause)...)
	}
	return list
}

// Within reports whether a list is some of another, at least one, in its order.
func Within(some, all []string) bool {
	n := len(some)
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return n > 0 && len(some) == 0
}

// TasksOf are the ids of a frozen canvas, callbacks included, with their labels.
func TasksOf(s canvas.Signature) map[string]string {
	labels := make(map[string]string)
	addTasks(s, labels)
	return labels
}

func addTasks(s canvas.Signature, labels map[string]string) {
	if s.Kind == canvas.KindTask {
		labels[s.Options.TaskID] = labelOf(s)
	}
	for _, list := range [][]canvas.Signature{s.Tasks, s.Options.Link, s.Options.LinkError} {
		for _, inner := range list {
			addTasks(inner, labels)
		}
	}
}
