package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// Result is a handle on what becomes of a call: Celery's AsyncResult, and its
// GroupResult. It may be used from any goroutine, and needs no closing.
type Result[R any] struct{ h *handle }

// handle is a result whose type is not known: of a task, or of a group.
type handle struct {
	c       *client
	cell    *cell     // of a task
	group   string    // the id of a group
	members []*handle // of a group
	parent  *handle   // of what it follows in a chain
	fresh   bool      // its task was sent by this handle's maker, after it was made
	claimed bool      // its task was, or is being, sent by somebody else
	noValue bool
}

// handle makes the handle of a canvas that is about to be sent.
func (r *results) handle(sig Signature) *handle {
	switch sig.Kind {
	case KindChain:
		var h *handle
		for _, step := range sig.Tasks {
			next := r.handle(step)
			next.parent = h
			h = next
		}
		return h
	case KindGroup:
		h := &handle{c: r.c, group: sig.Options.GroupID, members: make([]*handle, len(sig.Tasks))}
		for i, task := range sig.Tasks {
			h.members[i] = r.handle(task)
		}
		return h
	}
	return &handle{c: r.c, cell: r.cell(sig.Options.TaskID), fresh: true, noValue: sig.Options.NoResult}
}

// ResultOf gives a handle on the task of an id, of whoever sent it. That nobody
// knows it is told when it is used.
func ResultOf[R any](app *App, id string) (*Result[R], error) {
	c, err := app.connected()
	if err != nil {
		return nil, err
	}
	if err := celery.CheckID(id); err != nil {
		return nil, err
	}
	return &Result[R]{&handle{c: c, cell: c.results.cell(id)}}, nil
}

// ID is the id of the task; of a group, that of the group.
func (r *Result[R]) ID() string { return r.h.id() }

// String says what it is a handle on. It asks nobody.
func (r *Result[R]) String() string {
	if r.h.cell == nil {
		return "group " + r.h.group
	}
	return "task " + r.h.cell.id
}

func (h *handle) id() string {
	if h.cell == nil {
		return h.group
	}
	return h.cell.id
}

// Get waits for the result, until the context ends and no longer. A task that
// failed gives its [Failure], what waited for a group of which members failed a
// [ChordError], a revoked one ErrRevoked or ErrExpired; an id nobody knows
// ErrUnknown at once. A group gives the results of its members in their order, or
// the error of the first that fails.
func (r *Result[R]) Get(ctx context.Context) (R, error) {
	var value R
	text, err := r.h.get(ctx)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return value, fmt.Errorf("result of task %s is %s, not a %T: %w", r.ID(), jsontext.Clip(text), value, ErrArguments)
	}
	return value, nil
}

// errNoResult is that a task keeps none.
var errNoResult = errors.New("the task was sent with IgnoreResult and keeps no result")

func (h *handle) get(ctx context.Context) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.cell == nil {
		return h.getGroup(ctx)
	}
	if h.noValue {
		return nil, fmt.Errorf("task %s: %w", h.cell.id, errNoResult)
	}
	r, err := h.c.results.wait(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("wait for task %s: %w", h.cell.id, err)
	}
	if r.Failure != nil {
		whole := h.c.wholeFailure(ctx, *r.Failure)
		r.Failure = &whole
	}
	value, err := r.value(h.c.app)
	if err != nil {
		return nil, err
	}
	if value, err = h.c.fetch(ctx, value); err != nil {
		return nil, fmt.Errorf("result of task %s: %w", h.cell.id, err)
	}
	return value, nil
}

// getGroup gets the results of the members, all at once; the first error that
// arrives ends it.
func (h *handle) getGroup(ctx context.Context) (json.RawMessage, error) {
	if h.parent != nil && h.hollow() {
		if _, err := h.parent.get(ctx); err != nil {
			return nil, err
		}
	}
	values := make([]json.RawMessage, len(h.members))
	var failure error
	for i, got := range h.arrivals(ctx) {
		if got.err != nil {
			failure = got.err
			break
		}
		values[i] = got.value
	}
	if failure != nil {
		return nil, failure
	}
	return jsontext.Marshal(values)
}

// hollow reports whether no task is in a group: it is what it follows.
func (h *handle) hollow() bool {
	if h.cell != nil {
		return false
	}
	for _, member := range h.members {
		if !member.hollow() {
			return false
		}
	}
	return true
}

type arrived struct {
	value json.RawMessage
	err   error
}

// arrivals ranges over the members of a group as they end.
func (h *handle) arrivals(ctx context.Context) iter.Seq2[int, arrived] {
	return func(yield func(int, arrived) bool) {
		ctx, cancel := context.WithCancel(ctx)
		type numbered struct {
			i int
			arrived
		}
		ends := make(chan numbered, len(h.members))
		for i, member := range h.members {
			go func() {
				value, err := member.get(ctx)
				ends <- numbered{i, arrived{value, err}}
			}()
		}
		n := 0
		defer func() {
			cancel()
			for ; n < len(h.members); n++ {
				<-ends
			}
		}()
		for n < len(h.members) {
			end := <-ends
			n++
			if !yield(end.i, end.arrived) {
				return
			}
		}
	}
}

// value is what a record that has ended says to who asked.
func (r record) value(app *App) (json.RawMessage, error) {
	switch {
	case r.Status == Succeeded && r.Result == nil:
		return json.RawMessage("null"), nil
	case r.Status == Succeeded:
		return r.Result, nil
	}
	return nil, r.problem(app)
}

// problem is the error of a record.
func (r record) problem(app *App) error {
	if r.Failure == nil {
		return fmt.Errorf("task %s: %w", r.ID, ErrRevoked)
	}
	f := *r.Failure
	celery.Recognise(&f, app.sentinel)
	if f.Type == celery.ChordError {
		return &ChordError{f}
	}
	return &f
}

// State is what has become of the call. A group has succeeded when all its
// members have, has failed when one has, and is otherwise as far as the member
// that is least far.
func (r *Result[R]) State(ctx context.Context) (State, error) { return r.h.state(ctx) }

func (h *handle) state(ctx context.Context) (State, error) {
	if h.cell != nil {
		r, err := h.c.read(ctx, h.cell.id)
		switch {
		case errors.Is(err, ErrUnknown):
			return Unknown, nil
		case err != nil:
			return Unknown, fmt.Errorf("state of task %s: %w", h.cell.id, err)
		}
		return r.Status, nil
	}
	if h.parent != nil && h.hollow() {
		return h.parent.state(ctx)
	}
	worst := Succeeded
	for _, member := range h.members {
		s, err := member.state(ctx)
		if err != nil {
			return Unknown, err
		}
		if rank(s) < rank(worst) {
			worst = s
		}
	}
	return worst, nil
}

// rank orders states by which counts for a group.
func rank(s State) int {
	return strings.Index("FAILURE REVOKED UNKNOWN PENDING RECEIVED RETRY STARTED SUCCESS", string(s))
}

// Ready reports whether the call has ended, well or not.
func (r *Result[R]) Ready(ctx context.Context) (bool, error) { return r.h.ready(ctx) }

func (h *handle) ready(ctx context.Context) (bool, error) {
	if h.cell != nil {
		s, err := h.state(ctx)
		return s.Ready(), err
	}
	if h.parent != nil && h.hollow() {
		return h.parent.ready(ctx)
	}
	for _, member := range h.members {
		if ok, err := member.ready(ctx); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// Forget forgets the record of the task, or of all tasks of a group, and of what
// they follow. What runs still runs, and its result is recorded anew.
func (r *Result[R]) Forget(ctx context.Context) error { return r.h.forget(ctx) }

func (h *handle) forget(ctx context.Context) error {
	if h == nil {
		return nil
	}
	for _, member := range h.members {
		if err := member.forget(ctx); err != nil {
			return err
		}
	}
	if h.cell != nil {
		for _, key := range []string{stateKey(h.cell.id), sentKey(h.cell.id)} {
			if err := h.c.store.Delete(ctx, key); err != nil {
				return fmt.Errorf("forget task %s: %w", h.cell.id, err)
			}
		}
	}
	return h.parent.forget(ctx)
}

// Parent is what the call follows in its chain; nil if it follows nothing. Its
// result is raw, as it may be of any type.
func (r *Result[R]) Parent() *Result[json.RawMessage] {
	if r.h.parent == nil {
		return nil
	}
	return &Result[json.RawMessage]{r.h.parent}
}

// Members are the members of a group, in their order; none for a task.
func (r *Result[R]) Members() []*Result[json.RawMessage] {
	list := make([]*Result[json.RawMessage], len(r.h.members))
	for i, member := range r.h.members {
		list[i] = &Result[json.RawMessage]{member}
	}
	return list
}

// AsCompleted ranges over the members of a group as they end, with their index.
func (r *Result[R]) AsCompleted(ctx context.Context) iter.Seq2[int, Completed] {
	return func(yield func(int, Completed) bool) {
		for i, got := range r.h.arrivals(ctx) {
			if !yield(i, Completed{got.value, got.err}) {
				return
			}
		}
	}
}

// Completed is how a member of a group has ended.
type Completed struct {
	// Value is its result, as JSON.
	Value json.RawMessage
	// Err is why it has none.
	Err error
}
