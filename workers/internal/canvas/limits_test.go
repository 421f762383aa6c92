package canvas

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func leaf() Signature {
	deep := strings.Repeat("[", deepestArgument) + strings.Repeat("]", deepestArgument)
	return Signature{Task: "t", Args: []json.RawMessage{json.RawMessage(deep)}}
}

func anyTask(*Signature, reflect.Type) (reflect.Type, error) { return Any, nil }

func newID() string { return "x" }

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
		if _, err := Freeze(test.sig, newID, anyTask); err == nil || !strings.Contains(err.Error(), test.want) {
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
		sig = Signature{Kind: KindChain, Tasks: []Signature{{Task: "t"}, {Task: "t"}}, Options: Options{LinkError: []Signature{sig}}}
	}
	if _, err := Freeze(sig, newID, anyTask); !errors.Is(err, errWidest) {
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
