package workers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"warren/workers"
)

// The children of a task are what its end has called, each with its state.
func TestChildren(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.add.S(1, 1).Link(s.show.P("callback"))
	r := apply(s, workers.Chain2(first, workers.GroupOf(s.add.P(2), s.mul.P(3))))
	if _, err := r.Get(s.ctx); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what string
		of   *workers.Result[json.RawMessage]
		want string
	}{
		{"the first task", r.Parent(), "[add mul show]"},
		{"a member", r.Members()[0], "[]"},
	} {
		list, err := test.of.Children(s.ctx)
		if got := fmt.Sprint(names(s, list)); err != nil || got != test.want {
			t.Errorf("%s has the children %s, %v; want %s", test.what, got, err, test.want)
		}
	}
	members, err := r.Children(s.ctx)
	if err != nil || len(members) != 2 || members[1].ID() != r.Members()[1].ID() {
		t.Errorf("the group has the children %v, %v; want its members", members, err)
	}
	if _, err := r.Info(s.ctx); err == nil {
		t.Error("a group has a record, want an error")
	}
	info, err := r.Members()[0].Info(s.ctx)
	if err != nil || info.Parent != r.Parent().ID() || info.Root != r.Parent().ID() || info.Group != r.ID() {
		t.Errorf("got %+v, %v; want the first task as parent and root, and the group", info, err)
	}
}

// The children of a task that failed are its error callbacks; one that waits has
// none, and nobody is none.
func TestChildrenOfAFailure(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := apply(s, s.broken.S().LinkError(s.onFail.P("it")))
	_, _ = r.Get(s.ctx)
	list, err := r.Children(s.ctx)
	if got := fmt.Sprint(names(s, list)); err != nil || got != "[on_fail]" {
		t.Errorf("got the children %s, %v; want [on_fail]", got, err)
	}
	later := apply(s, s.add.S(1, 1), workers.Countdown(time.Hour))
	if list, err := later.Children(s.ctx); len(list) > 0 || err != nil {
		t.Errorf("a task that waits has the children %v, %v; want none", list, err)
	}
	nobody, err := workers.ResultOf[int](s.App, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.Children(s.ctx); !errors.Is(err, workers.ErrUnknown) {
		t.Errorf("got %v, want %v", err, workers.ErrUnknown)
	}
}

// names are the tasks of handles, sorted, each once it has ended well.
func names(s *shop, list []*workers.Result[json.RawMessage]) []string {
	s.Helper()
	var all []string
	for _, r := range list {
		if _, err := r.Get(s.ctx); err != nil {
			s.Fatal(err)
		}
		info, err := r.Info(s.ctx)
		if err != nil || info.State != workers.Succeeded || info.Done.Before(info.Began) || info.Worker == "" {
			s.Fatalf("got %+v, %v", info, err)
		}
		all = append(all, info.Name)
	}
	slices.Sort(all)
	return all
}
