package workers

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

// A random canvas, and what must become of it, worked out one call after another.
//
// Every task has a label as its last argument. What one comes to is made of its
// label and of what it was given, so that a result tells how it came about. Names
// that begin with "bad" fail; "1" and "2" is how many arguments a task has.

// canvasMaker makes random canvases.
type canvasMaker struct {
	*rand.Rand
	labels int
}

func (g *canvasMaker) chance(percent int) bool { return g.IntN(100) < percent }

// make makes a canvas, of which something comes before it or not.
func (g *canvasMaker) make(depth int, follows bool) Signature {
	var s Signature
	if follows && g.chance(15) {
		s.Immutable, follows = true, false
	}
	switch n := g.IntN(10); {
	case depth == 0 || n < 3 || g.labels > 60:
		s.Task, s.Args = g.task(follows)
	case n < 6:
		s.Kind = KindChain
		s.Tasks = append([]Signature{g.make(depth-1, follows)}, g.list(2, depth-1, true)...)
	case n < 8:
		s.Kind, s.Tasks = KindGroup, g.list(3, depth-1, follows)
	default:
		s.Kind, s.Tasks = KindChord, g.list(3, depth-1, follows)
		body := g.make(depth-1, true)
		s.Body = &body
		if g.chance(20) {
			s = canvas.WithHeaderGroup(s, &Signature{Kind: KindGroup, Options: CallOptions{LinkError: g.callbacks(depth)}})
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

func (g *canvasMaker) list(most, depth int, follows bool) []Signature {
	list := make([]Signature, g.IntN(most+1))
	for i := range list {
		list[i] = g.make(depth, follows)
	}
	return list
}

func (g *canvasMaker) callbacks(depth int) []Signature {
	return g.list(2, max(depth-2, 0), true)
}

func (g *canvasMaker) task(follows bool) (string, []json.RawMessage) {
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

// work is what a task of a random canvas does: before is nil for nothing.
func work(before json.RawMessage, label string) string {
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

// fate is what must become of a canvas: what each task comes to, as often as it
// does, and which tasks a failure may be made of.
type fate struct {
	ends   map[string][]string   // by label
	causes map[string][][]string // by label, what its failure can come from
}

// outcomeOf is a value, or the labels of the tasks that failed, in their order.
type outcomeOf struct {
	value  json.RawMessage
	failed []string
}

func foretell(sig Signature) (fate, outcomeOf) {
	f := fate{ends: map[string][]string{}, causes: map[string][][]string{}}
	o := f.run(sig, nil, nil, nil)
	return f, o
}

func labelOf(s Signature) string {
	var label string
	_ = json.Unmarshal(s.Args[len(s.Args)-1], &label)
	return label
}

// run works a canvas out: with what comes before it, and the callbacks that are
// called of it beside its own.
func (f fate) run(s Signature, before json.RawMessage, links, errbacks []Signature) outcomeOf {
	if s.Immutable {
		before = nil
	}
	links = slices.Concat(s.Options.Link, links)
	errbacks = slices.Concat(s.Options.LinkError, errbacks)
	switch s.Kind {
	case KindChain:
		return f.chain(s.Tasks, before, links, errbacks)
	case KindChord:
		header := Signature{Kind: KindGroup, Tasks: s.Tasks}
		if group := canvas.HeaderGroup(s); group != nil {
			header.Options = group.Options
		}
		return f.chain([]Signature{header, *s.Body}, before, links, errbacks)
	}
	var o outcomeOf
	if s.Kind == KindGroup {
		o = f.group(s.Tasks, before)
	} else {
		o = f.task(s, before)
	}
	f.call(o, links, errbacks)
	return o
}

func (f fate) call(o outcomeOf, links, errbacks []Signature) {
	if o.failed == nil {
		for _, link := range links {
			f.run(link, o.value, nil, nil)
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

func (f fate) task(s Signature, before json.RawMessage) outcomeOf {
	label := labelOf(s)
	if strings.HasPrefix(s.Task, "bad") {
		f.note(label, "failed "+work(before, label), []string{label})
		return outcomeOf{failed: []string{label}}
	}
	value := work(before, label)
	f.note(label, "succeeded "+value, nil)
	return outcomeOf{value: quote(value)}
}

func (f fate) note(label, end string, causes []string) {
	f.ends[label] = append(f.ends[label], end)
	if causes != nil {
		f.causes[label] = append(f.causes[label], causes)
	}
}

func (f fate) group(members []Signature, before json.RawMessage) outcomeOf {
	values, failed := []json.RawMessage{}, []string(nil)
	for _, member := range members {
		o := f.run(member, before, nil, nil)
		values = append(values, o.value)
		failed = append(failed, o.failed...)
	}
	if failed != nil {
		return outcomeOf{failed: failed}
	}
	text, _ := jsontext.Marshal(values)
	return outcomeOf{value: text}
}

// chain runs steps until one fails; the others end of it. A group that fails
// calls the error callbacks of the step it was for, too.
func (f fate) chain(steps []Signature, before json.RawMessage, links, errbacks []Signature) outcomeOf {
	if len(steps) == 0 {
		return outcomeOf{value: before}
	}
	s, rest := steps[0], steps[1:]
	called := errbacks
	if len(rest) == 0 {
		return f.run(s, before, links, errbacks)
	}
	o := f.runBefore(s, rest[0], before, called)
	if o.failed == nil {
		return f.chain(rest, o.value, links, errbacks)
	}
	for _, step := range rest {
		f.end(step, o.failed)
	}
	return o
}

// runBefore runs a step of a chain. If it ends in a group, the error callbacks of
// what is next are called of that group's failure, and of no other.
func (f fate) runBefore(s, next Signature, before json.RawMessage, errbacks []Signature) outcomeOf {
	if s.Immutable {
		before = nil
	}
	switch s.Kind {
	case KindTask:
		return f.run(s, before, nil, errbacks)
	case KindGroup:
		return f.run(s, before, nil, slices.Concat(errbacks, errbacksOf(next)))
	}
	steps := s.Tasks
	if s.Kind == KindChord {
		header := Signature{Kind: KindGroup, Tasks: s.Tasks}
		if group := canvas.HeaderGroup(s); group != nil {
			header.Options = group.Options
		}
		steps = []Signature{header, *s.Body}
	}
	errbacks = slices.Concat(s.Options.LinkError, errbacks)
	o := outcomeOf{value: before}
	for i, step := range steps {
		switch {
		case i == len(steps)-1:
			step.Options.Link = slices.Concat(step.Options.Link, s.Options.Link)
			o = f.runBefore(step, next, o.value, errbacks)
		default:
			o = f.runBefore(step, steps[i+1], o.value, errbacks)
		}
		if o.failed != nil {
			for _, behind := range steps[i+1:] {
				f.end(behind, o.failed)
			}
			return o
		}
	}
	return o
}

// errbacksOf are called when a step cannot begin, because the group it waits for
// has failed: those of its beginning.
func errbacksOf(s Signature) []Signature {
	var of []Signature
	switch s.Kind {
	case KindChain:
		of = errbacksOf(s.Tasks[0])
		if len(s.Tasks) > 1 && endsInGroup(s.Tasks[0]) && !severalSteps(s.Tasks[0]) {
			of = slices.Concat(of, errbacksOf(s.Tasks[1]))
		}
	case KindChord:
		if group := canvas.HeaderGroup(s); group != nil {
			of = group.Options.LinkError
		}
		of = slices.Concat(of, errbacksOf(*s.Body))
	}
	return slices.Concat(of, s.Options.LinkError)
}

func severalSteps(s Signature) bool {
	return s.Kind == KindChord || s.Kind == KindChain && (len(s.Tasks) > 1 || severalSteps(s.Tasks[0]))
}

func endsInGroup(s Signature) bool {
	return s.Kind == KindGroup || s.Kind == KindChain && endsInGroup(s.Tasks[len(s.Tasks)-1])
}

// end ends every task of a step that does not come any more.
func (f fate) end(s Signature, failed []string) {
	if s.Kind == KindTask {
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

// becomes compares what became of the tasks of a frozen canvas with what must
// have, and says what differs.
func (f fate) becomes(frozen Signature, look func(id string) (record, bool)) []string {
	ends := make(map[string][]string)
	var wrong []string
	for id, label := range tasksOf(frozen, map[string]string{}) {
		rec, ok := look(id)
		if !ok {
			continue
		}
		end, causes := endOf(id, rec)
		ends[label] = append(ends[label], end)
		if causes != nil && !slices.ContainsFunc(f.causes[label], func(may []string) bool { return within(causes, may) }) {
			wrong = append(wrong, fmt.Sprintf("%s failed of %v, want some of %v", label, causes, f.causes[label]))
		}
	}
	for label := range f.ends {
		ends[label] = append([]string{}, ends[label]...)
	}
	for label, got := range ends {
		want := slices.Sorted(slices.Values(f.ends[label]))
		if slices.Sort(got); !slices.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: got %q, want %q", label, got, want))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// endOf words a record, and says which tasks its failure came from.
func endOf(id string, rec record) (string, []string) {
	switch {
	case rec.Status == Succeeded:
		var value string
		_ = json.Unmarshal(rec.Result, &value)
		return "succeeded " + value, nil
	case rec.Status != Failed || rec.Failure == nil:
		return string(rec.Status), nil
	case rec.Failure.TaskID == id && rec.Failure.Type != celery.ChordError:
		return "failed " + rec.Failure.Message, leaves(*rec.Failure)
	}
	return "ended", leaves(*rec.Failure)
}

// leaves are the labels of the tasks that a failure came from.
func leaves(f Failure) []string {
	if f.Type != celery.ChordError {
		return []string{strings.Split(f.Message, ":")[1]}
	}
	list := []string{}
	for _, cause := range f.Causes {
		list = append(list, leaves(cause)...)
	}
	return list
}

// within reports whether a list is some of another, at least one, in its order.
func within(some, all []string) bool {
	n := len(some)
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return n > 0 && len(some) == 0
}

// tasksOf are the ids of a frozen canvas, callbacks included, with their labels.
func tasksOf(s Signature, into map[string]string) map[string]string {
	if s.Kind == KindTask {
		into[s.Options.TaskID] = labelOf(s)
	}
	for _, list := range [][]Signature{s.Tasks, s.Options.Link, s.Options.LinkError} {
		for _, inner := range list {
			tasksOf(inner, into)
		}
	}
	return into
}
