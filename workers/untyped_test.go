package workers_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"warren/workers"
)

func TestUntypedCallsRun(t *testing.T) {
	t.Parallel()
	s := open(t)
	call := func(task string, args ...any) workers.Untyped { return s.Signature(task, args...) }
	group := workers.Signature{Kind: workers.KindGroup, Tasks: []workers.Signature{
		call("add", 1, 1).Signature(), call("add", 2, 2).Then(call("mul", 3)).Signature(),
	}}
	var chunks workers.Signature
	text := `{"task": "celery.chunks", "args": [], "kwargs": {"task": {"task": "mul"}, "it": [[1, 2], [3, 4], [5, 6]], "n": 2}}`
	if err := json.Unmarshal([]byte(text), &chunks); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		call workers.Untyped
		want string
	}{
		{"a task", call("add", 1, 2), "3"},
		{"a chain", call("add", 4, 4).Then(call("mul", 8), call("add", 1)), "65"},
		{"a skipped value", call("add", 4, 4).Then(call("mul", 3, 3).Skip()), "9"},
		{"a skipped chain", call("add", 4, 4).Then(call("mul", 3, 3).Then(call("add", 1)).Skip()), "10"},
		{"a group", s.Canvas(group), "[2,12]"},
		{"a chord", s.Canvas(group).Then(call("xsum")), "14"},
		{"chunks", s.Canvas(chunks), "[[2,12],[30]]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := test.call.Run(s.ctx); string(got) != test.want || err != nil {
				t.Errorf("got %s, %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestUntypedCallsGoWithTypedOnes(t *testing.T) {
	t.Parallel()
	s := open(t)
	sum := workers.Chain2(workers.As[int](s.Signature("add", 1, 2)), s.mul.P(2))
	if got := run(s, workers.Chain2(sum, workers.Takes[int, int](s.Signature("add", 1)))); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	r, err := s.Signature("fails", 7).LinkError(s.Signature("on_fail", "x")).Apply(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Errorf("got %v, want the registered error", err)
	}
	if got, want := s.await(1), []string{"x: fails 7: a known error"}; !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

// Nothing is sent of a call that cannot work.
func TestUntypedCallsAreCheckedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	s := open(t)
	call := func(task string, args ...any) workers.Untyped { return s.Signature(task, args...) }
	group := func(calls ...workers.Untyped) workers.Untyped {
		sig := workers.Signature{Kind: workers.KindGroup}
		for _, c := range calls {
			sig.Tasks = append(sig.Tasks, c.Signature())
		}
		return s.Canvas(sig)
	}
	for _, test := range []struct {
		name string
		call workers.Untyped
		want string
	}{
		{"too few arguments", call("add", 1), "takes int, int; it was given 1"},
		{"an argument of another type", call("add", 1, "x"), `argument 2 is "x", not a int`},
		{"an argument that is no JSON", call("add", 1, func() {}), "cannot be given these arguments"},
		{"an argument by name", call("add", 1).Named("y", 2), "takes its arguments by position"},
		{"too many behind a step", call("add", 1, 1).Then(call("mul", 2, 3)), "given 3"},
		{"another type behind a step", call("add", 1, 1).Then(call("mul", "x")), `argument 2 is "x"`},
		{"a number for a list", call("add", 1, 1).Then(call("xsum")), "takes a []int from what comes before it, which gives a int"},
		{"a list for a number", group(call("add", 1, 1)).Then(call("ident")), "takes a int from what comes before it, which gives a []int"},
		{"a list of lists", group(group(call("add", 1, 1))).Then(call("xsum")), "which gives a [][]int"},
		{"a callback of another type", call("add", 1, 1).Link(call("note", "x")), "takes a string from what comes before it"},
		{"an error callback of another type", call("add", 1, 1).LinkError(call("ident")), "which gives a workers.Failure"},
		{"an error callback that takes no id", call("add", 1, 1).LinkErrorID(call("ident")), "which gives a string"},
		{"a step that takes nothing", call("add", 1, 1).Then(call("broken")), "takes no arguments"},
		{"a chain of no steps", s.Canvas(workers.Signature{Kind: workers.KindChain}), "no steps"},
		{"a chord without a body", s.Canvas(workers.Signature{Kind: workers.KindChord}), "no body"},
		{"a canvas nobody knows", s.Canvas(workers.Signature{Kind: "star"}), `no canvas "star"`},
		{"no name", call(""), "names no task"},
	} {
		r, err := test.call.Apply(s.ctx)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v; want an error with %q", test.name, r, err, test.want)
		}
	}
}
