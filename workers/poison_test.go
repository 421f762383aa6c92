package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
	"warren/workers/beat"
)

// badQueues are names of queues that are refused when something is sent there.
var badQueues = map[string]string{
	"reserved":     "warren.mine",
	"the broker's": "amq.mine",
	"too long":     strings.Repeat("q", 300),
	"a line break": "two\nlines",
	"not UTF-8":    "\xff",
}

func TestQueueName_IsCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	for what, name := range badQueues {
		bad := s.add.S(1, 1).With(workers.Queue(name))
		text, err := json.Marshal(map[string]any{"task": "add", "args": []int{1, 1}, "kwargs": map[string]any{}, "options": map[string]any{"queue": strings.ToValidUTF8(name, "\r")}})
		if err != nil {
			t.Fatal(err)
		}
		var raw workers.Signature
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatal(err)
		}
		untyped := s.Canvas(raw)
		later := workers.Countdown(time.Hour)
		calls := map[string]error{
			"a call":                   applied(s, bad),
			"a call for later":         applied(s, bad.With(later)),
			"a callback":               applied(s, s.ident.S(1).With(later).Link(workers.Skip[int](bad))),
			"an error callback":        applied(s, s.broken.S().LinkError(workers.Skip[workers.Failure](bad))),
			"a step":                   applied(s, workers.Chain2(s.ident.S(1), workers.Skip[int](bad))),
			"a member":                 applied(s, workers.Group(s.add.S(1, 1), bad)),
			"a chord's body":           applied(s, workers.Chord(workers.Group(s.add.S(1, 1)), s.xsum.P().With(workers.Queue(name)))),
			"a callback's callback":    applied(s, s.ident.S(1).Link(workers.Skip[int](s.ident.S(1).Link(workers.Skip[int](bad))))),
			"a signature":              applied(s, workers.As[int](untyped)),
			"a step of a signature":    applied(s, workers.As[int](s.Signature("unknown", 1).Then(untyped))),
			"a callback of an untyped": applied(s, workers.As[int](s.Signature("unknown", 1).Link(untyped))),
			"an entry":                 beat.Put(s.ctx, s.App, beat.Entry{Name: "e", Schedule: beat.Every(time.Hour), Call: raw}),
		}
		for call, err := range calls {
			if err == nil {
				t.Errorf("%s with a queue name that is %s was accepted", call, what)
			}
		}
	}
	for one, err := range s.Scheduled(s.ctx) {
		t.Errorf("%v waits for its time (%v), want nothing to have been sent", one, err)
	}
}

func applied[R any](s *shop, sig workers.Sig[R]) error {
	_, err := sig.Apply(s.ctx)
	return err
}

func TestQueueName_IsCheckedWhereAnAppConnects(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	for what, name := range badQueues {
		defined := workers.New("x")
		workers.Func0(defined, "f", func(context.Context) (int, error) { return 0, nil }, workers.Queue(name))
		for where, err := range map[string]error{
			"Config.Queue":       workers.New("x").Connect(t.Context(), nc, workers.Config{Queue: name}),
			"Config.Routes":      workers.New("x").Connect(t.Context(), nc, workers.Config{Routes: map[string]string{"*": name}}),
			"a task's own queue": defined.Connect(t.Context(), nc, workers.Config{}),
		} {
			if err == nil {
				t.Errorf("%s that is %s was accepted", where, what)
			}
		}
	}
}

// The other names of a canvas, and what could not be sent for another reason.
func TestCanvas_IsCheckedWholeBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	for what, call := range map[string]workers.Sig[int]{
		"an id of 5000 bytes":   s.ident.S(1).With(workers.ID(strings.Repeat("i", 5000))),
		"a callback's id":       s.ident.S(1).Link(s.ident.P().With(workers.ID(strings.Repeat("i", 256)))),
		"a callback's header":   s.ident.S(1).Link(s.ident.P().With(workers.Header("task", "x"))),
		"a callback's own ours": s.ident.S(1).Link(s.ident.P().With(workers.Header("warren_queue", "x"))),
		"a callback for 2300":   s.ident.S(1).Link(s.ident.P().With(workers.ETA(time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)))),
		"a callback's name":     s.ident.S(1).Link(workers.Takes[int, int](s.Signature(strings.Repeat("n", 300)))),
		"a group's id":          workers.Chord(workers.Group(s.ident.S(1)).With(workers.ID(strings.Repeat("g", 256))), s.xsum.P()),
		"High and 250 bytes":    s.ident.S(1).Link(s.ident.P().With(workers.Queue(strings.Repeat("q", 250)), workers.Priority(workers.High))),
	} {
		if err := applied(s, call); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

// A sender is a program that sends what is accepted by no client of this version: an
// earlier one of Warren, or a hostile one.
type sender struct {
	*shop
	session *streams.Session
}

func newSender(t *testing.T) sender {
	t.Helper()
	s := open(t)
	return sender{s, session(t, s.conn)}
}

type fields map[string]any

// send publishes a task to the default queue, or to wait for its time.
func (s sender) send(at time.Time, headers fields, body ...any) {
	s.Helper()
	table := streams.Table{"lang": "go", "task": "ident", "root_id": headers["id"], "retries": int64(0)}
	for name, value := range headers {
		table[name] = value
	}
	if len(body) == 0 {
		body = []any{[]int{1}, fields{}, fields{}}
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	id, _ := headers["id"].(string)
	m := streams.Message{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: streams.Persistent,
		CorrelationID: id[:min(len(id), 255)], Headers: table, Body: text,
	}
	if at.IsZero() {
		err = s.session.Publish(s.ctx, "", "celery", m)
	} else {
		err = s.session.PublishAt(s.ctx, at, "warren.later", id[:min(len(id), 255)], m)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// ends checks that a task fails with a reason, and is a dead letter.
func (s sender) ends(id, reason string) {
	s.Helper()
	r, err := workers.ResultOf[json.RawMessage](s.App, id)
	if err != nil {
		s.Fatal(err)
	}
	s.until(id+" has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
	var f *workers.Failure
	if _, err := r.Get(s.ctx); !errors.As(err, &f) || !strings.Contains(f.Message, reason) {
		s.Errorf("task %s: got %.200v, want a failure that says %q", id, err, reason)
	}
	s.letter(id, reason)
}

// letter waits for the dead letter of an id.
func (s sender) letter(id, reason string) workers.DeadLetter {
	s.Helper()
	var found workers.DeadLetter
	s.until("the dead letter of "+id, func() bool {
		return slices.ContainsFunc(dead(s.shop), func(l workers.DeadLetter) bool {
			found = l
			return l.ID == id && strings.Contains(l.Failure.Message, reason)
		})
	})
	return found
}

// works checks that the worker runs the tasks of others, at once and later.
func (s sender) works() {
	s.Helper()
	if n := run(s.shop, s.add.S(1, 1)); n != 2 {
		s.Errorf("got %d, want 2", n)
	}
	if n := run(s.shop, s.add.S(1, 2).With(workers.Countdown(time.Millisecond))); n != 3 {
		s.Errorf("got %d, want 3", n)
	}
}

func call(id string, options fields, args ...int) fields {
	o := fields{"task_id": id}
	for name, value := range options {
		o[name] = value
	}
	return fields{"task": "ident", "args": args, "kwargs": fields{}, "options": o, "subtask_type": nil, "immutable": false}
}

func TestPoison_WhatFollowsATaskEndsWithAReason(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	for i, name := range []string{"warren.mine", strings.Repeat("q", 300), "two\nlines"} {
		id := fmt.Sprintf("task-%d", i)
		bad := fields{"queue": name}
		s.send(time.Time{}, fields{"id": id}, []int{1}, fields{}, fields{
			"callbacks": []any{call(id+"-callback", bad)},
			"chain":     []any{call(id+"-third", nil), call(id+"-second", bad)},
		})
		s.send(time.Time{}, fields{"id": id + "-broken", "task": "broken"}, []int{}, fields{}, fields{
			"errbacks": []any{call(id+"-errback", bad)},
		})
		s.ends(id+"-callback", "queue")
		s.ends(id+"-second", "queue")
		s.ends(id+"-errback", "queue")
		r, err := workers.ResultOf[int](s.App, id+"-third")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(s.ctx); err == nil {
			t.Error("what stands behind a step that cannot be sent has a result")
		}
		r, err = workers.ResultOf[int](s.App, id)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Get(s.ctx); n != 1 || err != nil {
			t.Errorf("the task itself came to %d, %v, want 1", n, err)
		}
	}
	s.works()
}

func TestPoison_AStepThatCannotBeSentBreaksItsChord(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	body := call("body", nil)
	s.send(time.Time{}, fields{"id": "first"}, []int{1}, fields{}, fields{"chain": []any{body, fields{
		"task": "celery.group", "args": []int{}, "subtask_type": "group", "immutable": true,
		"kwargs":  fields{"tasks": []any{call("good", nil, 1), call("bad", fields{"queue": "warren.mine"}, 2)}},
		"options": fields{"group_id": "the-group"},
	}}})
	s.ends("bad", "queue")
	r, err := workers.ResultOf[int](s.App, "body")
	if err != nil {
		t.Fatal(err)
	}
	s.until("the body has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
	var chord *workers.ChordError
	if _, err := r.Get(s.ctx); !errors.As(err, &chord) {
		t.Errorf("the body came to %v, want a *ChordError", err)
	}
}

func TestPoison_ARetryEndsWithAReason(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	retry := `{"max_retries":2,"delay":1000000}`
	s.send(time.Time{}, fields{"id": "retried", "task": "broken", "warren_queue": "warren.mine", "warren_retry": retry}, []int{}, fields{}, fields{})
	s.ends("retried", "queue")
	s.send(time.Time{}, fields{"id": "for-ever", "task": "broken", "warren_retry": `{"max_retries":2,"delay":8000000000000000000,"max_delay":9000000000000000000}`}, []int{}, fields{}, fields{})
	s.ends("for-ever", "due in")
	s.works()
}

// Eighty poisoned messages are more than a worker forwards at once.
func TestPoison_LaterHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	soon := time.Now().Add(50 * time.Millisecond)
	for i := range 80 {
		s.send(soon, fields{"id": fmt.Sprintf("later-%d", i), "warren_queue": "warren.mine"})
	}
	s.works()
	for i := range 80 {
		s.ends(fmt.Sprintf("later-%d", i), "queue")
	}
}

func TestPoison_AnIDThatNoKeyCanHold(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.send(time.Time{}, fields{"id": strings.Repeat("i", 5000)})
	s.until("it is given up", func() bool { return len(dead(s.shop)) == 1 })
	s.works()
}

func TestPoison_AChordIndexBeyondItsSize(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.send(time.Time{}, fields{"id": "member", "group": "g", "group_index": int64(5)}, []int{1}, fields{},
		fields{"chord": fields{"task": "warren.join", "args": []int{}, "kwargs": fields{}, "options": fields{"group_id": "g", "chord_size": 2}}})
	s.ends("member", "member 5 of a group of 2")
	s.works()
}

func TestPoison_ADamagedRecord(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.put("task.811c9dc5.x.state", "nonsense") // of nobody
	s.put(workers.StateKey("damaged"), "nonsense")
	s.put(workers.StateKey("damaged-retry"), "nonsense")
	if err := s.Revoke(s.ctx, "damaged-too"); err != nil {
		t.Fatal(err)
	}
	s.send(time.Time{}, fields{"id": "damaged"})
	s.send(time.Time{}, fields{"id": "damaged-retry", "retries": int64(1)})
	s.ends("damaged-retry", "read the record")
	r, err := workers.ResultOf[int](s.App, "damaged")
	if err != nil {
		t.Fatal(err)
	}
	s.until("it has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
	s.put(workers.StateKey("waits"), "nonsense")
	if err := s.Revoke(s.ctx, "waits"); err != nil {
		t.Errorf("a task whose record is damaged cannot be revoked: %v", err)
	}
	s.works()
}

// put writes a record of the store as nobody would.
func (s sender) put(key, value string) {
	s.Helper()
	store, err := s.session.DeclareStore(s.ctx, "tasks", streams.StoreOptions{})
	if err == nil {
		_, err = store.Put(s.ctx, streams.Put{Key: key, Value: []byte(value)})
	}
	if err != nil {
		s.Fatal(err)
	}
}

func TestPoison_ADamagedGroup(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.put("join.g.plan", "nonsense")
	s.send(time.Time{}, fields{"id": "member", "group": "g", "group_index": int64(0)}, []int{1}, fields{},
		fields{"chord": fields{"task": "warren.join", "args": []int{}, "kwargs": fields{}, "options": fields{"group_id": "g", "chord_size": 1}}})
	s.letter("member", "read group g")
	s.works()
}

func TestPoison_ADamagedSlotBreaksTheChord(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	plan, err := json.Marshal(fields{"id": "g", "size": 2, "root_id": "g", "rest": []any{call("body", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	s.put("join.g.plan", string(plan))
	s.put("join.g.0.1", "nonsense")
	s.send(time.Time{}, fields{"id": "member", "group": "g", "group_index": int64(0)}, []int{1}, fields{},
		fields{"chord": fields{"task": "warren.join", "args": []int{}, "kwargs": fields{}, "options": fields{"group_id": "g", "chord_size": 2}}})
	r, err := workers.ResultOf[int](s.App, "body")
	if err != nil {
		t.Fatal(err)
	}
	s.until("the body has ended", func() bool { ready, err := r.Ready(s.ctx); return ready && err == nil })
	var chord *workers.ChordError
	if _, err := r.Get(s.ctx); !errors.As(err, &chord) {
		t.Errorf("the body came to %v, want a *ChordError", err)
	}
	s.works()
}

func TestPoison_EqualGarbageIsAsManyDeadLetters(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	for range 20 {
		if err := s.session.Publish(s.ctx, "", "celery", streams.Message{Body: []byte("garbage")}); err != nil {
			t.Fatal(err)
		}
	}
	s.until("all are dead letters", func() bool { return len(dead(s.shop)) == 20 })
	id := dead(s.shop)[0].ID
	if err := s.Replay(s.ctx, id); err != nil {
		t.Fatal(err)
	}
	s.until("it is given up again", func() bool { return len(dead(s.shop)) == 20 })
}

func TestSharedRate_DamagedTurnsBeginAnew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paced := workers.Func0(s.App, "paced", func(context.Context) (int, error) { return 7, nil }, workers.SharedRateLimit(100, time.Second))
	s.connect(embeddedtest.Connect(t), workers.Config{})
	sender{s, session(t, s.conn)}.put("rate.paced", "nonsense")
	s.work(workers.WorkerConfig{})
	if n := run(s, paced.S()); n != 7 {
		t.Errorf("got %d, want 7", n)
	}
}

// An entry that an earlier version has stored with a queue that is refused today has
// its runs given up, and holds up no others.
func TestPoison_AnEntryEndsWithAReason(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	if err := beat.Put(s.ctx, s.App, beat.Entry{Name: "old", Schedule: beat.Every(time.Hour), AtStart: true, Call: s.note.S("from", "beat")}); err != nil {
		t.Fatal(err)
	}
	store, err := s.session.DeclareStore(s.ctx, "beat", streams.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.Keys(s.ctx, "entry.>")
	if err != nil || len(keys) != 1 {
		t.Fatalf("got entries %q, %v, want one", keys, err)
	}
	e, err := store.Get(s.ctx, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(e.Value), `"options":{`, `"options":{"queue":"warren.mine"`, 1)
	if _, err := store.Put(s.ctx, streams.Put{Key: keys[0], Value: []byte(old)}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.ctx)
	ended := make(chan error, 1)
	scheduler := beat.New(s.App, beat.Config{Entries: []beat.Entry{{
		Name: "new", Schedule: beat.Every(time.Hour), AtStart: true, Call: s.note.S("from", "another"),
	}}})
	go func() { ended <- scheduler.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	s.await(1)
	s.until("the run is a dead letter", func() bool {
		list := dead(s.shop)
		return len(list) == 1 && list[0].Task == "note" && strings.Contains(list[0].Failure.Message, "queue")
	})
	s.ends(dead(s.shop)[0].ID, "queue")
}
