package workers

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/jsontext"
)

// world is a broker, a store and workers without a server: messages come in any
// order, some twice, and whoever handles one may die at any step of it.
type world struct {
	*rand.Rand
	queue   []*Message
	records map[string]record
	joins   map[string]join
	slots   map[string]map[int]slot
	broken  map[string]int
	wire    bool // whether messages and joins are written and read on their way
	safe    bool // whether nobody dies
}

func newWorld(r *rand.Rand) *world {
	return &world{
		Rand: r, records: map[string]record{}, joins: map[string]join{}, slots: map[string]map[int]slot{},
		broken: map[string]int{}, wire: r.IntN(8) == 0,
	}
}

var errDied = errors.New("died")

// step is one effect, at which a worker may die.
func (w *world) step() error {
	if !w.safe && w.IntN(50) == 0 {
		return errDied
	}
	return nil
}

// run handles messages until there are none.
func (w *world) run() error {
	for len(w.queue) > 0 {
		i := w.IntN(len(w.queue))
		m := w.queue[i]
		w.queue = append(w.queue[:i], w.queue[i+1:]...)
		if w.IntN(5) == 0 {
			w.queue = append(w.queue, m) // it comes twice
		}
		switch err := w.handle(m); {
		case errors.Is(err, errDied):
			w.queue = append(w.queue, m)
		case err != nil:
			return err
		}
	}
	return nil
}

// handle is what a worker does with a task.
func (w *world) handle(sent *Message) error {
	m, err := w.receive(sent)
	if err != nil {
		return err
	}
	rec, ended := w.records[m.ID]
	if !ended {
		rec = w.attempt(m)
		if err := w.step(); err != nil {
			return err
		}
		w.records[m.ID] = rec
	}
	mv := &moves{sentAt: time.Unix(0, 0)}
	if rec.Status == Succeeded {
		mv.succeeded(m, rec.Result)
	} else {
		mv.failed(m, *rec.Failure)
	}
	return w.carry(mv)
}

func (w *world) receive(m *Message) (*Message, error) {
	if !w.wire {
		return m, nil
	}
	out, err := m.encode()
	if err != nil {
		return nil, err
	}
	return decodeMessage(out)
}

// attempt runs a task of a random canvas.
func (w *world) attempt(m *Message) record {
	var before json.RawMessage
	if len(m.Args) == 2 {
		before = m.Args[0]
	}
	var label string
	_ = json.Unmarshal(m.Args[len(m.Args)-1], &label)
	value := work(before, label)
	if m.Task[:2] == "ba" {
		f := &Failure{TaskID: m.ID, Task: m.Task, Type: "bad", Message: value}
		return record{Status: Failed, ID: m.ID, Failure: f}
	}
	return record{Status: Succeeded, ID: m.ID, Result: quote(value)}
}

// carry does what an event brings about, as client.carry does.
func (w *world) carry(mv *moves) error {
	if mv.none() {
		return nil
	}
	for _, j := range mv.joins {
		if err := w.keep(j); err != nil {
			return err
		}
	}
	for _, e := range mv.ends {
		if err := w.step(); err != nil {
			return err
		}
		if _, ended := w.records[e.id]; !ended {
			w.records[e.id] = record{Status: Failed, ID: e.id, Failure: &e.cause}
		}
	}
	for _, m := range mv.tasks {
		if err := w.step(); err != nil {
			return err
		}
		w.queue = append(w.queue, m)
	}
	next := &moves{sentAt: mv.sentAt}
	for _, s := range mv.slots {
		if err := w.fill(s, next); err != nil {
			return err
		}
	}
	return w.carry(next)
}

func (w *world) keep(j join) error {
	if err := w.step(); err != nil {
		return err
	}
	if w.wire {
		text, err := jsontext.Marshal(j)
		if err != nil {
			return err
		}
		j = join{}
		if err := json.Unmarshal(text, &j); err != nil {
			return err
		}
	}
	w.joins[j.ID] = j
	return nil
}

// fill fills a slot: of two values the first counts.
func (w *world) fill(s slot, next *moves) error {
	if err := w.step(); err != nil {
		return err
	}
	slots := w.slots[s.join]
	if slots == nil {
		slots = make(map[int]slot)
		w.slots[s.join] = slots
	}
	if was, ok := slots[s.index]; ok {
		s = was
	}
	slots[s.index] = s
	j, ok := w.joins[s.join]
	if !ok || s.size != j.Size || s.index < 0 || s.index >= j.Size {
		return fmt.Errorf("slot %d of %d is of no group %s", s.index, s.size, s.join)
	}
	if s.fail != nil {
		w.breakJoin(&j, s, next)
		return nil
	}
	values := make([]json.RawMessage, j.Size)
	for i := range values {
		if one, ok := slots[i]; !ok || one.fail != nil {
			return nil
		}
		values[i] = slots[i].value
	}
	all, err := jsontext.Marshal(values)
	next.succeed(all, j.Callbacks, j.spot())
	return err
}

func (w *world) breakJoin(j *join, s slot, next *moves) {
	if by, ok := w.broken[j.ID]; ok && by != s.index {
		return
	}
	w.broken[j.ID] = s.index
	var causes []Failure
	for i := range j.Size {
		if one := w.slots[j.ID][i]; one.fail != nil {
			causes = append(causes, *one.fail)
		}
	}
	next.broke(j, j.failure(causes), s.revoked)
}

// played is what becomes of a canvas in a world.
func played(r *rand.Rand, sig Signature) (*world, Signature, error) {
	frozen, err := canvas.Freeze(sig, newIDs().next, anyTask)
	if err != nil {
		return nil, frozen, err
	}
	w := newWorld(r)
	for {
		mv := &moves{sentAt: time.Unix(0, 0)}
		mv.start(frozen, nil, spot{root: canvas.Root(frozen), index: -1})
		err := w.carry(mv)
		if err == nil {
			break
		}
		if !errors.Is(err, errDied) {
			return w, frozen, err
		}
	}
	return w, frozen, w.run()
}

func newSeed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Random canvases come to what they must, in whatever order their messages come,
// how often, and whoever dies.
func TestCanvasesComeToWhatTheyMust(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		checkCanvas(t, seed)
	}
}

func checkCanvas(t *testing.T, seed uint64) {
	t.Helper()
	g := &canvasMaker{Rand: newSeed(seed)}
	sig := g.make(g.IntN(5), false)
	want, _ := foretell(sig)
	w, frozen, err := played(g.Rand, sig)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	wrong := want.becomes(frozen, func(id string) (record, bool) {
		rec, ok := w.records[id]
		return rec, ok
	})
	if len(wrong) > 0 {
		text, _ := json.Marshal(sig)
		t.Fatalf("seed %d: %q\nof %s", seed, wrong, text)
	}
}
