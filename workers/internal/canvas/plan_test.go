package canvas

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Pages have all steps, in the order in which they run, and are no larger than they may be
// unless one step is.
func TestPlan_PagesHaveAllSteps(t *testing.T) {
	t.Parallel()
	const most = 2000
	rest := make([]Signature, 40)
	for i := range rest {
		rest[i].Task = strings.Repeat("t", 1+i*i*2)
	}
	pages := Pages(rest, most)
	for i, page := range pages {
		if len(page) == 0 || len(page) > 1 && SizeOf(page) > most {
			t.Errorf("page %d has %d steps of %d bytes, want %d at most", i, len(page), SizeOf(page), most)
		}
	}
	slices.Reverse(pages)
	if got := slices.Concat(pages...); len(pages) < 5 || !reflect.DeepEqual(got, rest) {
		t.Errorf("%d pages have %d steps, or in another order, want %d", len(pages), len(got), len(rest))
	}
}

// What cannot read plans sends the step that stands for one as a task. Who gets that goes
// on with the plan.
func TestPlan_IsInTheStepThatStandsForIt(t *testing.T) {
	t.Parallel()
	plan := &Plan{ID: "p", Page: 1, Pages: 3, Queue: "q", Last: "z"}
	rest := []Signature{{Task: "a"}, {Task: "b"}}
	all, err := WithPlan(rest, plan)
	if err != nil || len(all) != 3 {
		t.Fatalf("got %d steps, %v; want 3", len(all), err)
	}
	if got := WithoutPlan(all); !reflect.DeepEqual(got, rest) {
		t.Errorf("got %v, want %v", got, rest)
	}
	var e Effects
	e.Start(all[0], nil, Position{Index: -1, Headers: map[string]string{"h": "1"}})
	task := e.Tasks[0]
	if !reflect.DeepEqual(task.At.Plan, plan) || task.Call.Options.Queue != "q" {
		t.Errorf("the task %+v has the plan %+v, want %+v", task.Call, task.At.Plan, plan)
	}
	if h := task.Call.Options.Headers; len(h) != 1 || h["h"] != "1" {
		t.Errorf("its headers are %v, want those without the plan", h)
	}
}

// A plan is named by what is in it and whose it is: who writes it again writes the same.
func TestPlan_IsNamedByWhatIsInIt(t *testing.T) {
	t.Parallel()
	name := func(owner string, tasks ...string) string {
		var rest []Signature
		for _, task := range tasks {
			rest = append(rest, Signature{Task: task})
		}
		p := new(Plan)
		if _, err := p.Write(owner, Pages(rest, 1)); err != nil {
			t.Fatal(err)
		}
		return p.ID
	}
	if once, again := name("x", "a", "b"), name("x", "a", "b"); once != again {
		t.Errorf("the same plan has the names %s and %s", once, again)
	}
	seen := map[string]bool{}
	for _, id := range []string{name("x", "a", "b"), name("y", "a", "b"), name("x", "b", "a"), name("x", "a")} {
		if seen[id] {
			t.Errorf("two plans have the name %s", id)
		}
		seen[id] = true
	}
}
