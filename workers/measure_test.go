package workers

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"warren/workers/internal/canvas"
	"warren/workers/internal/canvas/canvastest"
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
		return canvas.WithHeaderGroup(Signature{Kind: KindChord, Tasks: []Signature{s}, Body: &body}, &Signature{Kind: KindGroup})
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
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	return Signature{Task: "t", Args: []json.RawMessage{json.RawMessage(deep)}}
}

func anyTask(*Signature, reflect.Type) (reflect.Type, error) { return canvas.Any, nil }

// Whatever is allowed can be sent, by those who get it too.
func TestCanvasesAsDeepAsIsAllowedTravel(t *testing.T) {
	t.Parallel()
	for name, nest := range nestings {
		t.Run(name, func(t *testing.T) {
			sig, deeper := leaf(), nest(leaf())
			for canvas.Measure(&deeper) == nil {
				sig, deeper = deeper, nest(deeper)
			}
			travels(t, sig)
			_, err := canvas.Freeze(deeper, newIDs().next, anyTask)
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
	frozen, err := canvas.Freeze(back, newIDs().next, anyTask)
	if err != nil {
		t.Fatal(err)
	}
	w := canvastest.NewWorld(canvastest.Seed(1), asMessage)
	w.Wired, w.Safe = true, true
	if err := w.Begin(frozen); err != nil {
		t.Fatal(err)
	}
	for _, task := range w.Queue {
		if _, err := w.Receive(task); err != nil {
			t.Fatal(err)
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
