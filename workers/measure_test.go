package workers

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// nestings put a signature into another one, each in its way.
var nestings = map[string]func(Signature) Signature{
	"chain": func(s Signature) Signature { return Signature{Kind: KindChain, Tasks: []Signature{leaf(), s}} },
	"group": func(s Signature) Signature { return Signature{Kind: KindGroup, Tasks: []Signature{s, leaf()}} },
	"chord": func(s Signature) Signature {
		body := leaf()
		return Signature{Kind: KindChord, Tasks: []Signature{s}, Body: &body}
	},
	"chord of a group": func(s Signature) Signature {
		body := leaf()
		return Signature{Kind: KindChord, Tasks: []Signature{s}, Body: &body, header: &Signature{Kind: KindGroup}}
	},
	"body": func(s Signature) Signature { return Signature{Kind: KindChord, Tasks: []Signature{leaf()}, Body: &s} },
	"link": func(s Signature) Signature {
		return Signature{Task: "t", Options: CallOptions{Link: []Signature{s}}}
	},
	"link of a chain": func(s Signature) Signature {
		return Signature{Kind: KindChain, Tasks: []Signature{leaf(), leaf()}, Options: CallOptions{Link: []Signature{s}}}
	},
	"link of a chord": func(s Signature) Signature {
		body := leaf()
		return Signature{Kind: KindChord, Tasks: []Signature{leaf()}, Body: &body, Options: CallOptions{Link: []Signature{s}}}
	},
	"groups in chains": func(s Signature) Signature {
		return Signature{Kind: KindChain, Tasks: []Signature{leaf(), {Kind: KindGroup, Tasks: []Signature{s}}, leaf()}}
	},
}

func leaf() Signature {
	deep := strings.Repeat("[", deepestArgument) + strings.Repeat("]", deepestArgument)
	return Signature{Task: "t", Args: []json.RawMessage{json.RawMessage(deep)}}
}

func anyTask(*Signature, reflect.Type) (reflect.Type, error) { return anyType, nil }

// Whatever is allowed can be sent, by those who get it too.
func TestCanvasesAsDeepAsIsAllowedTravel(t *testing.T) {
	t.Parallel()
	for name, nest := range nestings {
		t.Run(name, func(t *testing.T) {
			sig, deeper := leaf(), nest(leaf())
			for measure(&deeper) == nil {
				sig, deeper = deeper, nest(deeper)
			}
			travels(t, sig)
			_, err := freeze(deeper, newIDs().next, anyTask)
			if err == nil || !strings.Contains(err.Error(), "more than 100 deep") {
				t.Errorf("one deeper: got %v, want that it is too deep", err)
			}
		})
	}
}

// travels begins a canvas and has all of it written and read, by itself and as it
// goes on.
func travels(t *testing.T, sig Signature) {
	t.Helper()
	text, err := json.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	var back Signature
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	frozen, err := freeze(back, newIDs().next, anyTask)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(newSeed(1))
	w.wire, w.safe = true, true
	mv := &moves{sentAt: time.Unix(0, 0)}
	mv.start(frozen, nil, spot{root: rootOf(frozen), index: -1})
	if err := w.carry(mv); err != nil {
		t.Fatal(err)
	}
	for _, m := range w.queue {
		if _, err := w.receive(m); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsTooLargeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	doubled := leaf()
	for range 90 {
		doubled = Signature{Kind: KindGroup, Tasks: []Signature{doubled, doubled}}
	}
	circle := Signature{Kind: KindGroup, Tasks: make([]Signature, 2)}
	circle.Tasks[0], circle.Tasks[1] = circle, circle
	argument := leaf()
	argument.Args[0] = json.RawMessage("[" + string(argument.Args[0]) + "]")
	named := Signature{Task: "t", Kwargs: map[string]json.RawMessage{"x": argument.Args[0]}}
	for _, test := range []struct {
		name string
		sig  Signature
		want string
	}{
		{"tasks", doubled, "more than 250000 tasks"},
		{"a circle", circle, "more than 100 deep"},
		{"an argument", argument, "more than 200 deep"},
		{"a named argument", named, "more than 200 deep"},
	} {
		if _, err := freeze(test.sig, newIDs().next, anyTask); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		if _, err := json.Marshal(test.sig); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s as JSON: got %v, want %q", test.name, err, test.want)
		}
	}
}

// Callbacks of a chain hang on each of its steps: in one another they grow.
func TestCallbacksThatGrowAreRefused(t *testing.T) {
	t.Parallel()
	sig := leaf()
	for range 40 {
		sig = Signature{Kind: KindChain, Tasks: []Signature{{Task: "t"}, {Task: "t"}}, Options: CallOptions{LinkError: []Signature{sig}}}
	}
	if _, err := freeze(sig, func() string { return "x" }, anyTask); !errors.Is(err, errWidest) {
		t.Errorf("got %v, want %v", err, errWidest)
	}
}

func TestJSONThatIsTooDeepIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, open := range []string{
		`{"subtask_type": "chain", "kwargs": {"tasks": [`,
		`{"task": "t", "options": {"link": [`,
		`{"task": "t", "options": {"link": `,
		`{"subtask_type": "chord", "kwargs": {"body": `,
		`{"task": "t", "args": [`,
	} {
		var sig Signature
		text := strings.Repeat(open, 3000)
		if err := sig.UnmarshalJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 512 deep") {
			t.Errorf("%s...: got %v, want that it is too deep", open, err)
		}
	}
}

// A long chain and a wide group are no deep ones.
func TestWideCanvasesTravel(t *testing.T) {
	t.Parallel()
	many := make([]Signature, 5000)
	for i := range many {
		many[i] = Signature{Task: "t"}
	}
	for _, kind := range []Kind{KindChain, KindGroup} {
		travels(t, Signature{Kind: kind, Tasks: many})
	}
}
