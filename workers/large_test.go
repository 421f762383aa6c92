package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"warren/workers"
)

// largeShop has a worker on a server that takes 64 kB in a message.
func largeShop(t *testing.T, define func(s *shop)) sender {
	t.Helper()
	s := newShop(t)
	if define != nil {
		define(s)
	}
	s.connect(smallServer(t), workers.Config{})
	s.work(workers.WorkerConfig{})
	return sender{s, session(t, s.conn)}
}

// verbose is a task that fails with so many words.
func verbose(s *shop) workers.Task1[int, int] {
	return workers.Func1(s.App, "verbose", func(_ context.Context, n int) (int, error) {
		return 0, fmt.Errorf("%s: %w", strings.Repeat("e", n), errKnown)
	})
}

func TestLargeFailure_BreaksItsChordAtOnce(t *testing.T) {
	t.Parallel()
	var fail workers.Task1[int, int]
	s := largeShop(t, func(s *shop) { fail = verbose(s) })
	err := failing(s.shop, workers.Chord(workers.Group(fail.S(50<<10), fail.S(50<<10), fail.S(200<<10)), s.xsum.P()))
	var chord *workers.ChordError
	if !errors.As(err, &chord) || !strings.Contains(err.Error(), "eeee") || !errors.Is(err, errKnown) {
		t.Errorf("got %.100v, want a *ChordError with the words of a member, and its error", err)
	}
}

// So many members that not even the beginnings of their failures fit into a message.
func TestLargeFailure_OfManyMembers(t *testing.T) {
	t.Parallel()
	var fail workers.Task1[int, int]
	s := largeShop(t, func(s *shop) { fail = verbose(s) })
	members := make([]workers.Sig[int], 60)
	for i := range members {
		members[i] = fail.S(10 << 10)
	}
	var chord *workers.ChordError
	if err := failing(s.shop, workers.Chord(workers.Group(members...), s.xsum.P())); !errors.As(err, &chord) {
		t.Errorf("got %.100v, want a *ChordError", err)
	}
}

func TestLargeFailure_KeepsItsWords(t *testing.T) {
	t.Parallel()
	var fail workers.Task1[int, int]
	var length workers.Task1[workers.Failure, int]
	lengths := make(chan int, 1)
	s := largeShop(t, func(s *shop) {
		fail = verbose(s)
		length = workers.Func1(s.App, "length", func(_ context.Context, f workers.Failure) (int, error) {
			lengths <- len(f.Message)
			return 0, nil
		})
	})
	const size = 300 << 10
	r := apply(s.shop, fail.S(size).LinkError(length.P()), workers.Retry(workers.RetryPolicy{Max: 1}))
	var f *workers.Failure
	if _, err := r.Get(s.ctx); !errors.As(err, &f) || len(f.Message) < size || !errors.Is(err, errKnown) {
		t.Errorf("got %.100v, want all its words", err)
	}
	if n := <-lengths; n < size {
		t.Errorf("the error callback got %d bytes, want them all", n)
	}
	if l := s.letter(r.ID(), "eeee"); len(l.Failure.Message) < size {
		t.Errorf("the dead letter has %d bytes, want them all", len(l.Failure.Message))
	}
}

func TestLargeFailure_OfAPanicHasItsStack(t *testing.T) {
	t.Parallel()
	s := largeShop(t, func(s *shop) {
		workers.Func0(s.App, "panics", func(context.Context) (int, error) { panic(strings.Repeat("p", 100<<10)) })
	})
	_, err := s.Signature("panics").Run(s.ctx)
	var f *workers.Failure
	if !errors.As(err, &f) || len(f.Message) < 100<<10 || !strings.Contains(f.Traceback, "goroutine") {
		t.Errorf("got %.100v, want all its words and its stack", err)
	}
}

func TestLargeDeadLetter_OfLargeHeaders(t *testing.T) {
	t.Parallel()
	s := largeShop(t, nil)
	s.send(time.Time{}, fields{"id": "stamped", "task": "broken", "stamps": strings.Repeat("s", 25<<10), "note": strings.Repeat("n", 10<<10)}, []int{}, fields{}, fields{})
	l := s.letter("stamped", "failed")
	if len(fmt.Sprint(l.Message.Headers["stamps"])) != 25<<10 {
		t.Errorf("got headers of %d bytes, want all of them", len(fmt.Sprint(l.Message.Headers)))
	}
	s.works()
}

func TestLargeProgress_IsRefused(t *testing.T) {
	t.Parallel()
	told := make(chan error, 2)
	s := largeShop(t, func(s *shop) {
		workers.Func0(s.App, "tells", func(ctx context.Context) (int, error) {
			told <- workers.Progress(ctx, strings.Repeat("x", 100<<10))
			told <- workers.Progress(ctx, "half")
			return 7, nil
		})
	})
	if n, err := s.Signature("tells").Run(s.ctx); string(n) != "7" || err != nil {
		t.Errorf("got %s, %v, want 7", n, err)
	}
	if err := <-told; err == nil {
		t.Error("a progress of 100 kB was told where a message has 64 kB")
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
}

// Every argument fits into a message, and all together do not.
func TestLargeMessage_OfManyArguments(t *testing.T) {
	t.Parallel()
	s := largeShop(t, func(s *shop) {
		workers.Func4(s.App, "lengths", func(_ context.Context, a, b []string, c, d string) (int, error) {
			return len(strings.Join(a, "") + strings.Join(b, "") + c + d), nil
		})
	})
	part := strings.Repeat("x", 7<<10)
	list := s.Signature("lengths", []string{part}, []string{part}, part, part).With(workers.Header("note", strings.Repeat("n", 36<<10)))
	if n, err := list.Run(s.ctx); string(n) != fmt.Sprint(4*len(part)) || err != nil {
		t.Errorf("got %s, %v, want %d", n, err, 4*len(part))
	}
}

// reference looks like what an earlier version put in place of a large value.
func reference(id string, size, pieces int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"warren.blob":%q,"size":%d,"pieces":%d}`, id, size, pieces))
}

func TestReference_WhatLooksLikeOneIsTheUsers(t *testing.T) {
	t.Parallel()
	var same workers.Task1[json.RawMessage, json.RawMessage]
	var list workers.Task1[[]json.RawMessage, []json.RawMessage]
	s := largeShop(t, func(s *shop) {
		same = workers.Func1(s.App, "same", func(_ context.Context, v json.RawMessage) (json.RawMessage, error) { return v, nil })
		list = workers.Func1(s.App, "list", func(_ context.Context, v []json.RawMessage) ([]json.RawMessage, error) { return v, nil })
	})
	for _, v := range []json.RawMessage{
		reference("x", 3, 1), reference(strings.Repeat("i", 5000), 3, 1), reference("x", 3, 1<<30), reference("", 0, 0), reference("a b*", -1, -1),
	} {
		if got := run(s.shop, workers.Chain2(same.S(v), same.P())); string(got) != string(v) {
			t.Errorf("got %.100s, want %.100s", got, v)
		}
		if got := run(s.shop, workers.Chord(workers.Group(same.S(v), same.S(v)), list.P())); len(got) != 2 || string(got[1]) != string(v) {
			t.Errorf("got %.100s, want it twice: %.100s", got, v)
		}
		id := fmt.Sprintf("of-celery-%d", len(v))
		s.send(time.Time{}, fields{"id": id, "lang": "py", "task": "same"}, []any{v}, fields{}, fields{})
		r, err := workers.ResultOf[json.RawMessage](s.App, id)
		if err != nil {
			t.Fatal(err)
		}
		s.until("it has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
		if got, err := r.Get(s.ctx); string(got) != string(v) {
			t.Errorf("of a Celery client: got %.100s, %v, want %.100s", got, err, v)
		}
	}
	for l, err := range s.DeadLetters(s.ctx) {
		t.Errorf("got a dead letter: %+v, %v", l, err)
	}
}

// What looks like a reference comes back from a dead letter as it was.
func TestReference_WhatLooksLikeOneIsReplayed(t *testing.T) {
	t.Parallel()
	mended := make(chan struct{})
	s := largeShop(t, func(s *shop) {
		workers.Func1(s.App, "moody", func(_ context.Context, v json.RawMessage) (json.RawMessage, error) {
			select {
			case <-mended:
				return v, nil
			default:
				return nil, errKnown
			}
		})
	})
	v := reference("x", 3, 1)
	r, err := s.Signature("moody", v).Apply(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.letter(r.ID(), "known")
	close(mended)
	if err := s.Replay(s.ctx, r.ID()); err != nil {
		t.Fatal(err)
	}
	asked, err := workers.ResultOf[json.RawMessage](s.App, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	s.until("it has ended", func() bool { state, err := asked.State(s.ctx); return state == workers.Succeeded && err == nil })
}

// What an earlier version has stored is read.
func TestReference_OfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s := largeShop(t, func(s *shop) {
		workers.Func1(s.App, "length", func(_ context.Context, v string) (int, error) { return len(v), nil })
	})
	const id = "00000000-0000-4000-8000-000000000001"
	s.put("blob."+id+".0", `"ab`)
	s.put("blob."+id+".1", `cd"`)
	s.send(time.Time{}, fields{"id": "there", "task": "length"}, []any{reference(id, 6, 2)}, fields{}, fields{})
	r, err := workers.ResultOf[int](s.App, "there")
	if err != nil {
		t.Fatal(err)
	}
	s.until("it has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
	if n, err := r.Get(s.ctx); n != 4 || err != nil {
		t.Errorf("got %d, %v, want 4", n, err)
	}
	s.send(time.Time{}, fields{"id": "gone", "task": "length"}, []any{reference("gone", 6, 2)}, fields{}, fields{})
	s.ends("gone", "a large value is not kept any more")
	s.put(workers.StateKey("done"), fmt.Sprintf(`{"status":"SUCCESS","task_id":"done","result":%s}`, reference(id, 6, 2)))
	text, err := workers.ResultOf[string](s.App, "done")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := text.Get(s.ctx); got != "abcd" || err != nil {
		t.Errorf("got %q, %v, want the result of an earlier version", got, err)
	}
}

// A message says of itself that a value is kept where there is none.
func TestReference_ThatIsWrongEndsWithAReason(t *testing.T) {
	t.Parallel()
	s := largeShop(t, nil)
	for i, header := range []any{
		`{"args":{"0":{"id":"nowhere","size":6,"pieces":2}}}`, `{"args":{"7":{"id":"x","size":6,"pieces":2}}}`,
		`{"args":{"-1":{"id":"x","size":6,"pieces":2}}}`, `{"kwargs":{"x":{"id":"x","size":6,"pieces":2}}}`, "nonsense", int64(7), nil,
		`{"args":{"0":{"id":"x","size":-6,"pieces":1000000000}}}`, `{"args":{"0":{"id":"*","size":6,"pieces":2}}}`,
	} {
		s.send(time.Time{}, fields{"id": fmt.Sprintf("wrong-%d", i), "warren_apart": header})
		s.until("it is given up", func() bool { return len(dead(s.shop)) == i+1 })
	}
	s.works()
}

func TestLargePlan_OfAGroup(t *testing.T) {
	t.Parallel()
	s := largeShop(t, nil)
	label := strings.Repeat("l", 45<<10)
	body := s.xsum.P().Link(workers.Skip[int](s.note.S(label, "called")))
	if n := run(s.shop, workers.Chord(workers.Group(s.ident.S(1), s.ident.S(2)), body)); n != 3 {
		t.Errorf("got %d, want 3", n)
	}
	s.await(1)
}
