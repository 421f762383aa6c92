package workers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

func sigs(s *shop, n int) []workers.Sig[int] {
	var calls []workers.Sig[int]
	for i := range n {
		calls = append(calls, s.add.S(i, i))
	}
	return calls
}

func evens(n int) []int {
	list := []int{}
	for i := range n {
		list = append(list, 2*i)
	}
	return list
}

func TestTheLecturesCanvas(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	r, err := s.add.Delay(s.ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	is(s, r, workers.Pending)
	s.work(workers.WorkerConfig{})
	if n, err := r.Get(s.ctx); n != 2 || err != nil {
		t.Errorf("add(1, 1) = %d, %v; want 2", n, err)
	}
	is(s, r, workers.Succeeded)
	if n, err := s.add.Call(s.ctx, 1, 1); n != 2 || err != nil {
		t.Errorf("add(1, 1) here = %d, %v; want 2", n, err)
	}
	if got := run(s, workers.Group(sigs(s, 10)...)); !slices.Equal(got, evens(10)) {
		t.Errorf("the group gave %v", got)
	}
	if got := run(s, workers.Chain2(s.add.S(4, 4), s.mul.P(8))); got != 64 {
		t.Errorf("the chain gave %d, want 64", got)
	}
	if got := run(s, workers.Chord(workers.Group(sigs(s, 10)...), s.xsum.P())); got != 90 {
		t.Errorf("the chord gave %d, want 90", got)
	}
	failed := apply(s, s.broken.S().LinkErrorID(s.note.P("broken_task")))
	if got, want := s.await(1)[0], failed.ID()+" broken_task"; got != want {
		t.Errorf("the error callback noted %q, want %q", got, want)
	}
}

// The worked examples of Celery, and what it gets wrong as it should be.
func TestCanvases(t *testing.T) {
	t.Parallel()
	s := open(t)
	two := []workers.Sig[int]{s.add.S(1, 1), s.add.S(2, 2)}
	for _, test := range []struct {
		name string
		got  func() any
		want any
	}{
		{"a skipped value", func() any {
			return run(s, workers.Chain2(s.add.S(2, 2), workers.Skip[int](s.mul.S(3, 3))))
		}, 9},
		{"a group, a task, another one", func() any {
			return run(s, workers.Chain3(workers.Group(two...), s.xsum.P(), s.mul.P(10)))
		}, 60},
		{"a chain into a group", func() any {
			return run(s, workers.Chain2(s.add.S(1, 1), workers.GroupOf(s.add.P(1), s.add.P(2))))
		}, []int{3, 4}},
		{"a chain in a group", func() any {
			return run(s, workers.Group(workers.Chain2(s.add.S(1, 1), s.mul.P(3)), s.add.S(1, 2)))
		}, []int{6, 3}},
		{"a group of none", func() any { return run(s, workers.Group[int]()) }, []int{}},
		{"a chord of none", func() any {
			return run(s, workers.Chord(workers.Group[int](), s.xsum.P()))
		}, 0},
		{"a chord of one", func() any {
			return run(s, workers.Chord(workers.Group(s.add.S(3, 4)), s.xsum.P()))
		}, 7},
		{"a map", func() any { return run(s, workers.Map(s.xsum, [][]int{{1, 2}, {3}})) }, []int{3, 3}},
		{"a starmap", func() any {
			return run(s, workers.Starmap(s.mul, []workers.Pair[int, int]{{1, 2}, {3, 4}}))
		}, []int{2, 12}},
		{"chunks", func() any { return run(s, workers.Chunks(s.mul, squares(5), 2)) }, [][]int{{0, 1}, {4, 9}, {16}}},
		{"groups in a group", func() any {
			return run(s, workers.Group(workers.Group(s.ident.S(1), s.ident.S(2)), workers.Group(s.ident.S(3))))
		}, [][]int{{1, 2}, {3}}},
		{"groups in a chord keep their order", func() any {
			inner := workers.Group(workers.Group(s.ident.S(1), s.ident.S(2)), workers.Group(s.ident.S(3)))
			return run(s, workers.Chord(inner, s.flat.P()))
		}, []int{1, 2, 3}},
		{"a chord in a chord", func() any {
			inner := workers.Chord(workers.Group(two...), s.xsum.P())
			return run(s, workers.Chord(workers.Group(inner, s.add.S(3, 4)), s.xsum.P()))
		}, 13},
		{"steps of a pipe", func() any {
			return run(s, workers.Chain2(s.add.S(1, 2), workers.Pipe(s.add.P(3), s.mul.P(2))))
		}, 12},
		{"a long chain", func() any { return run(s, workers.Repeat(s.add.S(0, 0), s.add.P(1), 50)) }, 50},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.got(); fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func squares(n int) []workers.Pair[int, int] {
	var pairs []workers.Pair[int, int]
	for i := range n {
		pairs = append(pairs, workers.Pair[int, int]{First: i, Second: i})
	}
	return pairs
}

func TestLargeGroupsAreGathered(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, n := range []int{127, 128, 129, 300} {
		if got := run(s, workers.Chord(workers.Group(sigs(s, n)...), s.xsum.P())); got != n*(n-1) {
			t.Errorf("a chord of %d gave %d, want %d", n, got, n*(n-1))
		}
	}
}

func TestWhatStandsBehindAFailureEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := apply(s, workers.Chain3(s.add.S(1, 1), s.fails.P(), workers.GroupOf(s.add.P(1), s.add.P(2))))
	_, err := r.Get(s.ctx)
	var f *workers.Failure
	if !errors.Is(err, errKnown) || !errors.As(err, &f) || f.Task != "fails" || f.Message != "2: a known error" {
		t.Errorf("got %v, want the failure of the second step", err)
	}
	for _, member := range r.Members() {
		if _, err := member.Get(s.ctx); !errors.Is(err, errKnown) { // the group is told of the first
			t.Errorf("a member gave %v, want the failure of the second step", err)
		}
		is(s, member, workers.Failed)
	}
	is(s, r.Parent(), workers.Failed)
	is(s, r.Parent().Parent(), workers.Succeeded)
}

func TestAFailedChordIsOneErrorThroughEveryHandle(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := s.xsum.P().LinkError(s.onFail.P("body"))
	r := apply(s, workers.Chord(workers.Group(s.add.S(1, 1), s.fails.S(7), s.add.S(2, 2)), body))
	byID, err := workers.ResultOf[int](s.App, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, handle := range []*workers.Result[int]{r, byID} {
		_, err := handle.Get(s.ctx)
		var chord *workers.ChordError
		if !errors.As(err, &chord) || len(chord.Causes) != 1 || chord.Causes[0].Message != "7: a known error" {
			t.Errorf("got %v (%T), want a ChordError with one cause", err, err)
		}
		if !errors.Is(err, errKnown) {
			t.Errorf("%v is not the registered error", err)
		}
	}
	if got := s.await(1); len(got) != 1 || !strings.HasPrefix(got[0], "body: xsum dependency ") {
		t.Errorf("noted %q, want one call of the body's error callback", got)
	}
}

// TestGetWaitsForAStepThatIsNotSentYet: also under an id that was chosen.
func TestGetWaitsForAStepThatIsNotSentYet(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	r := apply(s, workers.Chain2(s.add.S(1, 1), s.mul.P(3).With(workers.ID("the-last-step"))))
	got := make(chan error, 1)
	go func() {
		n, err := r.Get(s.ctx)
		if n != 6 && err == nil {
			err = fmt.Errorf("it gave %d, want 6", n)
		}
		got <- err
	}()
	s.work(workers.WorkerConfig{})
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestCallbacksGetTheResult(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := apply(s, s.add.S(1, 1).Link(s.show.P("a"), s.show.P("b")))
	if n, err := r.Get(s.ctx); n != 2 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	got := s.await(2)
	slices.Sort(got)
	if want := []string{"2 a", "2 b"}; !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestACallbackOfAGroupGetsTheList(t *testing.T) {
	t.Parallel()
	s := open(t)
	list := workers.Group(s.add.S(1, 1), s.add.S(2, 2)).Link(s.xsum.P().Link(s.show.P("sum")))
	if got := run(s, list); !slices.Equal(got, []int{2, 4}) {
		t.Errorf("got %v", got)
	}
	if got := s.await(1); got[0] != "6 sum" {
		t.Errorf("noted %q, want the sum of the list", got)
	}
}

func TestSignaturesTravelAsCelerysJSON(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sig := workers.Chord(workers.Group(s.add.S(1, 1), workers.Chain2(s.add.S(2, 2), s.mul.P(3))), s.xsum.P()).
		With(workers.Queue("io")).LinkError(s.onFail.P("x")).Signature()
	text, err := json.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	var back workers.Signature
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := values(t, again), values(t, text); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", again, text)
	}
}

func values(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The error callbacks of a chain are called once, whichever step fails, and of a
// group those of what it was for.
func TestErrorCallbacksAreCalledOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		call func(s *shop) workers.Sig[int]
		want []string
	}{
		{"a step", func(s *shop) workers.Sig[int] {
			return workers.Chain3(s.add.S(1, 1), s.fails.P(), s.add.P(1))
		}, []string{"chain: fails 2: a known error"}},
		{"a group before a task", func(s *shop) workers.Sig[int] {
			return workers.Chain2(workers.Group(s.ident.S(1), s.fails.S(2)), s.xsum.P().LinkError(s.onFail.P("body")))
		}, []string{"body: xsum", "chain: xsum"}},
		{"a group before a group", func(s *shop) workers.Sig[int] {
			sums := workers.GroupOf(s.xsum.P(), s.xsum.P()).LinkError(s.onFail.P("group"))
			return workers.Chain3(workers.Group(s.ident.S(1), s.fails.S(2)), sums, s.xsum.P().LinkError(s.onFail.P("body")))
		}, []string{"chain: ", "group: "}},
		{"a body", func(s *shop) workers.Sig[int] {
			return workers.Chain3(workers.Group(s.ident.S(1)), s.xsum.P(), s.fails.P().LinkError(s.onFail.P("body")))
		}, []string{"body: fails 1: a known error", "chain: fails 1: a known error"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			_ = failing(s, test.call(s).LinkError(s.onFail.P("chain")))
			got := s.await(len(test.want))
			slices.Sort(got)
			for i := range test.want {
				if !strings.HasPrefix(got[i], test.want[i]) || len(got) != len(test.want) {
					t.Fatalf("noted %q, want %q", got, test.want)
				}
			}
		})
	}
}

func TestAnEmptyGroupFailsWithWhatItFollows(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := apply(s, workers.Chain2(s.fails.S(1), workers.GroupOf[int, int]()))
	if _, err := r.Get(s.ctx); !errors.Is(err, errKnown) {
		t.Errorf("got %v, want the failure before it", err)
	}
	is(s, r, workers.Failed)
}

// What a canvas asks for holds for what it is made of, wherever it stands.
func TestACanvasInAChainKeepsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	s := open(t)
	inner := workers.Chain2(s.add.S(1, 2), s.mul.P(2))
	if got := run(s, workers.Chain2(s.add.S(9, 9), workers.Skip[int](inner))); got != 6 {
		t.Errorf("a skipped chain gave %d, want 6", got)
	}
	late := workers.Pipe(s.ident.P(), s.ident.P()).With(workers.ExpiresAt(time.Now().Add(-time.Hour)))
	if err := failing(s, workers.Chain2(s.add.S(1, 1), late)); !errors.Is(err, workers.ErrExpired) {
		t.Errorf("got %v, want that it expired", err)
	}
}

// Nobody is told of a member that was revoked, nor of what waited for it.
func TestOfWhatIsRevokedNobodyIsTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	expired := s.add.S(1, 1).With(workers.ExpiresAt(time.Now().Add(-time.Hour)))
	inner := workers.Chord(workers.Group(expired), s.xsum.P().LinkError(s.onFail.P("inner")))
	r := apply(s, workers.Chord(workers.Group(inner), s.xsum.P().LinkError(s.onFail.P("outer"))))
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrExpired) {
		t.Errorf("got %v, want that it expired", err)
	}
	is(s, r, workers.Revoked)
	run(s, s.show.S(1, "after"))
	if got, want := s.notes(), []string{"1 after"}; !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}
