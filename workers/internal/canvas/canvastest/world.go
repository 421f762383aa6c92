package canvastest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A World is a broker, a store and workers without a server: tasks come in any
// order, some twice, and whoever handles one may die at any step of it.
type World struct {
	*rand.Rand
	// Queue has the tasks that wait.
	Queue []canvas.Task
	// Wired says that tasks and joins are written and read on their way.
	Wired bool
	// Safe says that nobody dies.
	Safe bool

	wire    Wire
	records map[string]Outcome
	joins   map[string]canvas.Join
	slots   map[string]map[int]canvas.Slot
	broken  map[string]int
}

// A Wire writes a task as it travels, and reads it.
type Wire func(canvas.Task) (canvas.Task, error)

// NewWorld makes a world in which tasks travel on a wire, now and then.
func NewWorld(r *rand.Rand, wire Wire) *World {
	return &World{
		Rand: r, Wired: r.IntN(8) == 0, wire: wire, records: map[string]Outcome{}, joins: map[string]canvas.Join{},
		slots: map[string]map[int]canvas.Slot{}, broken: map[string]int{},
	}
}

// Freeze freezes a canvas of tasks that take anything.
func Freeze(sig canvas.Signature) (canvas.Signature, error) {
	n := 0
	newID := func() string { n++; return fmt.Sprintf("id-%d", n) }
	anyTask := func(*canvas.Signature, reflect.Type) (reflect.Type, error) { return canvas.Any, nil }
	return canvas.Freeze(sig, newID, anyTask)
}

// Play freezes a canvas and has it run in a world. It gives the frozen canvas.
func (w *World) Play(sig canvas.Signature) (canvas.Signature, error) {
	frozen, err := Freeze(sig)
	if err != nil {
		return frozen, err
	}
	for {
		err := w.Begin(frozen)
		if err == nil {
			break
		}
		if !errors.Is(err, errDied) {
			return frozen, err
		}
	}
	return frozen, w.run()
}

// Look gives what a task has come to.
func (w *World) Look(id string) (Outcome, bool) {
	o, ok := w.records[id]
	return o, ok
}

// Begin sends what a frozen canvas begins with.
func (w *World) Begin(frozen canvas.Signature) error {
	e := newEffects()
	e.Start(frozen, nil, canvas.Beginning(frozen))
	return w.carry(e)
}

func newEffects() *canvas.Effects { return &canvas.Effects{SentAt: time.Unix(0, 0)} }

var errDied = errors.New("died")

// step is one effect, at which a worker may die.
func (w *World) step() error {
	if !w.Safe && w.IntN(50) == 0 {
		return errDied
	}
	return nil
}

// run handles tasks until there are none.
func (w *World) run() error {
	for len(w.Queue) > 0 {
		i := w.IntN(len(w.Queue))
		t := w.Queue[i]
		w.Queue = append(w.Queue[:i], w.Queue[i+1:]...)
		if w.IntN(5) == 0 {
			w.Queue = append(w.Queue, t) // it comes twice
		}
		switch err := w.handle(t); {
		case errors.Is(err, errDied):
			w.Queue = append(w.Queue, t)
		case err != nil:
			return err
		}
	}
	return nil
}

// handle is what a worker does with a task.
func (w *World) handle(sent canvas.Task) error {
	t, err := w.Receive(sent)
	if err != nil {
		return err
	}
	o := t.Call.Options
	rec, ended := w.records[o.TaskID]
	if !ended {
		rec = attempt(t)
		if err := w.step(); err != nil {
			return err
		}
		w.records[o.TaskID] = rec
	}
	e := newEffects()
	if rec.State == Succeeded {
		e.Succeed(rec.Value, o.Link, t.Next())
	} else {
		e.Fail(*rec.Failure, o.LinkError, t.Next())
	}
	return w.carry(e)
}

// Receive gives a task as it comes out of its queue.
func (w *World) Receive(t canvas.Task) (canvas.Task, error) {
	if !w.Wired {
		return t, nil
	}
	return w.wire(t)
}

// attempt runs a task of a random canvas.
func attempt(t canvas.Task) Outcome {
	var before json.RawMessage
	if len(t.Call.Args) == 2 {
		before = t.Call.Args[0]
	}
	value := Work(before, labelOf(t.Call))
	if t.Call.Task[:2] == "ba" {
		return Outcome{State: Failed, Failure: &celery.Failure{TaskID: t.Call.Options.TaskID, Task: t.Call.Task, Type: "bad", Message: value}}
	}
	return Outcome{State: Succeeded, Value: quote(value)}
}

// carry does what an event brings about, as workers do.
func (w *World) carry(e *canvas.Effects) error {
	if len(e.Joins)+len(e.Tasks)+len(e.Ends)+len(e.Slots) == 0 {
		return nil
	}
	for _, j := range e.Joins {
		if err := w.keep(j); err != nil {
			return err
		}
	}
	for _, end := range e.Ends {
		if err := w.step(); err != nil {
			return err
		}
		if _, ended := w.records[end.ID]; !ended {
			w.records[end.ID] = Outcome{State: Failed, Failure: &end.Cause}
		}
	}
	for _, t := range e.Tasks {
		if err := w.step(); err != nil {
			return err
		}
		w.Queue = append(w.Queue, t)
	}
	next := newEffects()
	for _, s := range e.Slots {
		if err := w.fill(s, next); err != nil {
			return err
		}
	}
	return w.carry(next)
}

func (w *World) keep(j canvas.Join) error {
	if err := w.step(); err != nil {
		return err
	}
	if w.Wired {
		text, err := jsontext.Marshal(j)
		if err != nil {
			return err
		}
		j = canvas.Join{}
		if err := json.Unmarshal(text, &j); err != nil {
			return err
		}
	}
	w.joins[j.ID] = j
	return nil
}

// fill fills a slot: of two values the first counts.
func (w *World) fill(s canvas.Slot, next *canvas.Effects) error {
	if err := w.step(); err != nil {
		return err
	}
	slots := w.slots[s.Join]
	if slots == nil {
		slots = make(map[int]canvas.Slot)
		w.slots[s.Join] = slots
	}
	if was, ok := slots[s.Index]; ok {
		s = was
	}
	slots[s.Index] = s
	j, ok := w.joins[s.Join]
	if !ok || s.Size != j.Size || s.Index < 0 || s.Index >= j.Size {
		return fmt.Errorf("slot %d of %d is of no group %s", s.Index, s.Size, s.Join)
	}
	if s.Failure != nil {
		w.breakJoin(&j, s, next)
		return nil
	}
	values := make([]json.RawMessage, j.Size)
	for i := range values {
		if one, ok := slots[i]; !ok || one.Failure != nil {
			return nil
		}
		values[i] = slots[i].Value
	}
	all, err := jsontext.Marshal(values)
	next.Succeed(all, j.Callbacks, j.Next())
	return err
}

func (w *World) breakJoin(j *canvas.Join, s canvas.Slot, next *canvas.Effects) {
	if by, ok := w.broken[j.ID]; ok && by != s.Index {
		return
	}
	w.broken[j.ID] = s.Index
	var causes []celery.Failure
	for i := range j.Size {
		if one := w.slots[j.ID][i]; one.Failure != nil {
			causes = append(causes, *one.Failure)
		}
	}
	next.Break(j, j.Failure(causes), s.Revoked)
}

// Check makes the canvas of a seed, plays it on a wire, and says what differs from what
// must become of it.
func Check(seed uint64, wire Wire) error {
	g := &Maker{Rand: Seed(seed)}
	sig := g.Make(g.IntN(5), false)
	want, _ := Foretell(sig)
	w := NewWorld(g.Rand, wire)
	frozen, err := w.Play(sig)
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	if wrong := want.Becomes(frozen, w.Look); len(wrong) > 0 {
		text, _ := json.Marshal(sig)
		return fmt.Errorf("seed %d: %q\nof %s", seed, wrong, text)
	}
	return nil
}
