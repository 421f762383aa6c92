package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// stored are the readers of everything that is kept in a store. Each reads what may be
// anything, and gives what it is written as; "" where it is refused.
var stored = []func(*testing.T, []byte) string{
	func(t *testing.T, text []byte) string {
		t.Helper()
		r, err := parseRecord("x", text)
		return rewritten(t, r, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		j, err := canvas.ReadJoin("g", text)
		return rewritten(t, j, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		p, err := canvas.ReadPage("c", 1, text)
		return rewritten(t, p, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		p, err := canvas.ReadPlan(string(text))
		return rewritten(t, p, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		f, err := parseSlot(text)
		return rewritten(t, f, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		p, err := parsePlan(text)
		return rewritten(t, p, err)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		return rewritten(t, parseTurns(text), nil)
	},
	reader[Failure], reader[deadJSON], reader[celery.Claim], reader[argumentPlaces], reader[presence],
	reader[RetryPolicy], reader[CallOptions],
}

func reader[T any](t *testing.T, text []byte) string {
	t.Helper()
	var v T
	err := json.Unmarshal(text, &v)
	return rewritten(t, v, err)
}

func rewritten(t *testing.T, v any, err error) string {
	t.Helper()
	if err != nil {
		return ""
	}
	out, err := jsontext.Marshal(v)
	if err != nil {
		refusedForSize(t, err)
		return ""
	}
	return string(out)
}

// FuzzStored: what is kept may be damaged. It is refused, or it is read, and then it is
// written so that it is read as the same.
func FuzzStored(f *testing.F) {
	for _, text := range []string{
		`{"status":"SUCCESS","result":[1],"task_id":"x","date_done":"2030-01-02T03:04:05Z","children":["a"]}`,
		`{"status":"SUCCESS","result_at":{"id":"x","size":6,"pieces":2}}`,
		`{"status":"SUCCESS","result":{"warren.blob":"x","size":6,"pieces":2}}`,
		`{"status":"FAILURE","failure":{"task_id":"x","exc_type":"E","exc_message":["a",1],"causes":[{"exc_message":"b"}],"whole":{"id":"x","size":1,"pieces":1}}}`,
		`{"id":"g","size":2,"root_id":"r","rest":[{"task":"t","args":[],"kwargs":{},"options":{"task_id":"b"}}],"join":"h","join_size":2,"index":1}`,
		`{"id":"g","size":1,"at":{"id":"x","size":6,"pieces":2}}`,
		`{"id":"c","page":1,"rest":[{"task":"t","args":[1],"options":{"task_id":"b","queue":"q"}}]}`, `{"id":"c","page":1,"at":{"id":"x","size":6,"pieces":2}}`,
		`{"id":"c","page":1,"pages":7,"until":"2030-01-02T03:04:05Z","queue":"q","last":"z","last_task":"t"}`,
		`{"id":"g","size":2,"rest":[{"task":"warren.chain"},{"task":"t"}],"chain":{"id":"c","page":1,"pages":7}}`,
		`{"value":1}`, `{"failure":{"exc_message":"no"},"revoked":true}`, `{"value_at":{}, "value":{"warren.blob":"x"}}`,
		`{"canvas":{"task":"t"},"sent_at":"2030-01-02T03:04:05Z","sent":1,"worker":"w"}`,
		`{"next":"2030-01-02T03:04:05Z"}`,
		`{"id":"x","task":"t","attempt":1,"message":{"Headers":{"a":1}},"body":"YWI="}`, `{"id":"x","all_at":{"id":"x","size":6,"pieces":2}}`,
		`{"args":{"0":{"id":"x","size":6,"pieces":2}},"kwargs":{"k":{}}}`, `{"max_retries":3,"delay":1000,"backoff":2.5}`, `null`, `[]`, `nonsense`,
	} {
		for kind := range stored {
			f.Add(uint8(kind), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		read := stored[int(kind)%len(stored)]
		out := read(t, text)
		if out == "" {
			return
		}
		if again := read(t, []byte(out)); again != out {
			t.Errorf("reader %d: %q was written as\n%s and then as\n%s", int(kind)%len(stored), text, out, again)
		}
	})
}

// FuzzReply: a reply of another program is refused, or it is the record of a task, which
// is written so that it is read as the same.
func FuzzReply(f *testing.F) {
	for _, text := range []string{
		`{"task_id":"x","status":"SUCCESS","result":[1],"traceback":null,"children":[[["a","x"],null],[["g",null],[[["b",null],null]]]]}`,
		`{"task_id":"x","status":"FAILURE","result":{"exc_type":"KeyError","exc_message":["k",1],"exc_module":"builtins"},"traceback":"T","children":[]}`,
		`{"task_id":"x","status":"REVOKED","result":{"exc_type":"TaskRevokedError","exc_message":["expired"],"exc_module":"celery.exceptions"}}`,
		`{"task_id":"x","status":"STARTED","result":{"pid":1,"hostname":"celery@h"}}`, `{"task_id":"x","status":"PROGRESS","result":0.5}`,
		`{"task_id":"","status":"SUCCESS"}`, `{"task_id":"x","status":"RETRY","result":"text"}`, `{"task_id":"x","children":["a",[],[[]],[[1]]]}`, `null`, `nonsense`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rec, err := parseReply(text)
		if err != nil {
			if lastingOf(err) != permanent {
				t.Errorf("%q is refused with %v, and tried again", text, err)
			}
			return
		}
		out := rewritten(t, rec, nil)
		if out == "" {
			return
		}
		back, err := parseRecord(rec.ID, []byte(out))
		if again := rewritten(t, back, err); again != out || back.Status != rec.Status {
			t.Errorf("%q is recorded as\n%s and read as\n%s, %v", text, out, again, err)
		}
	})
}

// FuzzReference: a value is written into a record, and read, as what it is.
func FuzzReference(f *testing.F) {
	for _, text := range []string{`1`, `{"warren.blob":"x","size":6,"pieces":2}`, `{"warren.blob":1}`, `null`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) {
			return
		}
		compact, err := jsontext.Marshal(json.RawMessage(value))
		if err != nil {
			t.Fatal(err)
		}
		if celery.IsReference(compact) {
			t.Fatalf("%q is JSON, and a reference", value)
		}
		got, err := celery.Together(celery.Apart(compact))
		if err != nil || string(got) != string(compact) {
			t.Errorf("%s in a record is %s, %v", compact, got, err)
		}
		m := &Message{Task: "t", ID: "x", GroupIndex: -1, Args: []json.RawMessage{compact}, Kwargs: map[string]json.RawMessage{"k": compact}}
		out, err := m.encode()
		if !utf8.Valid(value) {
			if err == nil {
				t.Errorf("%q is not UTF-8, and was sent", value)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeMessage(out)
		if err != nil || !reflect.DeepEqual(back.Args, m.Args) || !reflect.DeepEqual(back.Kwargs, m.Kwargs) {
			t.Errorf("%s in a message is %s, %v", compact, back.Args, err)
		}
	})
}

// FuzzQueueName: what is accepted as the name of a queue is one at the broker, of
// every level that it is accepted for.
func FuzzQueueName(f *testing.F) {
	for _, name := range []string{"celery", "", "warren.x", "amq.x", "a\nb", "\xff", strings.Repeat("q", 255), "a.b*>"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, l := range levels {
			if checkQueue(name, l) != nil {
				continue
			}
			if n := len(l.queue(name)); n > longestKey {
				t.Errorf("the queue of %s tasks of %q has a name of %d bytes", l, name, n)
			}
			if l == Normal {
				continue
			}
			if key := levelKey(name, l); len(key) > longestKey {
				t.Errorf("the key of level %s of %q has %d bytes", l, name, len(key))
			}
			if queue, level, ok := parseLevelKey(levelKey(name, l)); queue != name || level != l || !ok {
				t.Errorf("the key of level %s of %q is of level %s of %q", l, name, level, queue)
			}
		}
	})
}

// A mill is a worker that is sent anything.
type mill struct {
	app     *App
	session *streams.Session
	queue   string
	add     Task2[int, int, int]
}

// newMill starts a worker, which ends with the test.
func newMill(tb testing.TB) *mill {
	tb.Helper()
	m := &mill{app: New("mill"), queue: "celery"}
	m.add = Func2(m.app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	Func1(m.app, "ident", func(_ context.Context, v json.RawMessage) (json.RawMessage, error) { return v, nil })
	Func0(m.app, "broken", func(context.Context) (int, error) { return 0, errors.New("failed") })
	Func0(m.app, "again", func(context.Context) (int, error) { return 0, RetryIn(0, errors.New("not yet")) })
	nc := embeddedtest.Connect(tb)
	ctx, cancel := context.WithCancel(context.Background())
	if err := m.app.Connect(ctx, nc, Config{Queue: "celery", Logger: slog.New(slog.DiscardHandler)}); err != nil {
		tb.Fatal(err)
	}
	var err error
	if m.session, err = streams.Open(ctx, nc, streams.Config{}); err != nil {
		tb.Fatal(err)
	}
	w := m.app.Worker(WorkerConfig{})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
		_ = m.session.Close(context.Background())
		_ = m.app.Close(context.Background())
	})
	return m
}

// grind sends a message, and waits until it has left the queue. False says that the
// broker does not take it.
func (m *mill) grind(ctx context.Context, in streams.Message) (bool, error) {
	if err := m.session.Publish(ctx, "", m.queue, in); err != nil {
		return false, nil
	}
	for {
		info, err := m.session.InspectQueue(ctx, m.queue)
		switch {
		case ctx.Err() != nil:
			return true, fmt.Errorf("it is in its queue still: %w", ctx.Err())
		case err != nil:
			return true, err
		case info.Ready+info.Unacked == 0:
			return true, nil
		}
		pause(ctx, time.Millisecond)
	}
}

// ended reports whether what was sent has ended, or waits for its time.
func (m *mill) ended(ctx context.Context, in streams.Message) error {
	task, err := m.app.client.receive(in, time.Now())
	if err != nil {
		for _, err := range m.app.DeadLetters(ctx) {
			return err // one is enough
		}
		return fmt.Errorf("it was refused, and is no dead letter: %w", err)
	}
	if task.NoResult || task.ETA.After(time.Now()) {
		return nil
	}
	state, err := (&handle{c: m.app.client, cell: m.app.client.results.cell(task.ID)}).state(ctx)
	if err == nil && !state.Ready() && state != Retrying {
		err = fmt.Errorf("task %q is %s", task.ID, state)
	}
	return err
}

// FuzzWorker: whatever is sent to a worker ends somewhere, and the worker goes on.
func FuzzWorker(f *testing.F) {
	seedWorker(f)
	m := newMill(f)
	f.Fuzz(func(t *testing.T, headers, body []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		in := streams.Message{Headers: tableOf(headers), Body: body}
		if in.Headers["id"] == "x" {
			in.Headers["id"] = newIDs().next()
		}
		sent, err := m.grind(ctx, in)
		if err == nil && sent {
			err = m.ended(ctx, in)
		}
		if err != nil {
			t.Errorf("%v %s: %v", in.Headers, body, err)
		}
		if _, err := m.app.DropDeadLetters(ctx); err != nil {
			t.Error(err)
		}
		if n, err := m.add.S(20, 22).Run(ctx); n != 42 || err != nil {
			t.Errorf("after %v %s, another task came to %d, %v, want 42", in.Headers, body, n, err)
		}
	})
}

func seedWorker(f *testing.F) {
	f.Helper()
	for _, celery := range celerys {
		for _, c := range readCaptured(f, celery, "messages") {
			for _, one := range c.Messages {
				headers, err := json.Marshal(one.Headers)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(headers, []byte(one.Body))
			}
		}
	}
	const call = `{"task":"ident","args":[],"kwargs":{},"options":{"task_id":"c","queue":"%s"}}`
	for _, embed := range []string{
		`{}`, `{"callbacks":[` + fmt.Sprintf(call, "warren.x") + `]}`, `{"errbacks":[` + fmt.Sprintf(call, "a\\nb") + `]}`,
		`{"chain":[` + fmt.Sprintf(call, "celery") + `,{"subtask_type":"group","kwargs":{"tasks":[` + fmt.Sprintf(call, "celery") + `]},"options":{"group_id":"g"}}]}`,
		`{"chord":{"task":"warren.join","options":{"group_id":"g","chord_size":2}}}`,
	} {
		for _, headers := range []string{
			`{"lang":"go","task":"ident","id":"x"}`, `{"lang":"py","task":"broken","id":"x","retries":1}`,
			`{"lang":"go","task":"again","id":"x","group":"g","group_index":1,"warren_retry":"{\"max_retries\":1}"}`,
			`{"lang":"go","task":"ident","id":"x","warren_queue":"warren.x","warren_apart":"{}"}`,
		} {
			f.Add([]byte(headers), []byte(`[[1],{},`+embed+`]`))
		}
	}
}

// FuzzGroup: whatever is recorded of a group, a member of it ends, and the worker
// goes on.
func FuzzGroup(f *testing.F) {
	for _, plan := range []string{
		`{"id":"ID","size":2,"root_id":"r","rest":[{"task":"ident","options":{"task_id":"b"}}]}`, `{"id":"ID","size":-1}`,
		`{"id":"ID","size":2,"join":"h","join_size":1,"index":7}`, `{"id":"ID","size":1,"at":{"id":"x","size":9,"pieces":9}}`, `nonsense`,
	} {
		for _, slot := range []string{`{"value":1}`, `{"failure":{"exc_message":"no"}}`, `{"value_at":{"id":"x","size":9,"pieces":9}}`, `nonsense`} {
			f.Add([]byte(plan), []byte(slot))
		}
	}
	m := newMill(f)
	f.Fuzz(func(t *testing.T, plan, slot []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		id := newIDs().next()
		for key, value := range map[string][]byte{
			joinKey(id, "plan"): []byte(strings.ReplaceAll(string(plan), "ID", id)), slotKey(id, 0, 1): slot,
		} {
			if err := m.app.client.keep(ctx, streams.Put{Key: key, Value: value}); err != nil {
				return
			}
		}
		in := streams.Message{
			Headers: streams.Table{"lang": "go", "task": "ident", "id": newIDs().next(), "group": id, "group_index": int64(0)},
			Body:    fmt.Appendf(nil, `[[1],{},{"chord":{"task":"warren.join","options":{"group_id":%q,"chord_size":2}}}]`, id),
		}
		_, err := m.grind(ctx, in)
		if err == nil {
			err = m.ended(ctx, in)
		}
		if err != nil {
			t.Errorf("plan %s, slot %s: %v", plan, slot, err)
		}
	})
}

// FuzzChain: whatever is recorded of the steps that follow a task, it ends, and the worker
// goes on.
func FuzzChain(f *testing.F) {
	for _, plan := range []string{
		`{"id":"ID","page":0,"pages":2,"last":"z","queue":"celery"}`, `{"id":"ID","page":1,"pages":2}`, `{"id":"ID","page":2,"pages":2}`,
		`{"id":"a b","page":0,"pages":1}`, `{"id":"ID","page":-1,"pages":300000000}`, `{"id":"ID","page":0,"pages":1,"last":"\n","last_task":""}`, `{}`, `null`, `nonsense`,
	} {
		for _, page := range []string{
			`{"id":"ID","page":0,"rest":[{"task":"ident","options":{"task_id":"b"}}]}`, `{"id":"ID","page":0,"rest":[]}`, `{"id":"ID","page":1}`,
			`{"id":"ID","page":0,"rest":[{"subtask_type":"group","kwargs":{"tasks":[]},"options":{"group_id":"g"}}]}`,
			`{"id":"ID","page":0,"rest":[{"task":"warren.chain","options":{"task_id":"b","headers":{"warren_chain":"{}"}}}]}`,
			`{"id":"ID","page":0,"at":{"id":"x","size":9,"pieces":9}}`, `{"id":"other","page":0}`, `nonsense`,
		} {
			f.Add([]byte(plan), []byte(page), "ident")
			f.Add([]byte(plan), []byte(page), "broken")
			f.Add([]byte(plan), []byte(page), canvas.PlanTask)
		}
	}
	m := newMill(f)
	f.Fuzz(func(t *testing.T, plan, page []byte, task string) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		id := newIDs().next()
		if err := m.app.client.keep(ctx, streams.Put{Key: pageKey(id, 0), Value: []byte(strings.ReplaceAll(string(page), "ID", id))}); err != nil {
			return
		}
		in := streams.Message{
			Headers: streams.Table{"lang": "go", "task": task, "id": newIDs().next(), canvas.HeaderPlan: strings.ReplaceAll(string(plan), "ID", id)},
			Body:    []byte(`[[1],{},{}]`),
		}
		sent, err := m.grind(ctx, in)
		if err == nil && sent {
			err = m.ended(ctx, in)
		}
		if err != nil {
			t.Errorf("plan %s, page %s: %v", plan, page, err)
		}
		if _, err := m.app.DropDeadLetters(ctx); err != nil {
			t.Error(err)
		}
	})
}

// FuzzLaunch: whatever is recorded of a canvas whose client died, it is sent or given
// up.
func FuzzLaunch(f *testing.F) {
	for _, plan := range []string{
		`{"canvas":{"task":"ident","args":[1],"options":{"task_id":"a"}},"sent":0}`, `{"canvas":{"subtask_type":"group","kwargs":{"tasks":[]}},"sent":0}`,
		`{"canvas":{"task":"ident"},"sent":-1}`, `{"canvas":{"task":"ident"},"sent":7}`, `{"canvas_at":{"id":"x","size":9,"pieces":9}}`, `{}`, `nonsense`,
		`{"canvas":{"subtask_type":"group","kwargs":{"tasks":[{"task":"ident","options":{"queue":"warren.x","task_id":"b"}}]},"options":{"group_id":"g","link":[{"task":"ident"}]}}}`,
	} {
		f.Add([]byte(plan))
	}
	m := newMill(f)
	f.Fuzz(func(t *testing.T, plan []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		c := m.app.client
		key := launchKey(c.ids.next())
		revision, err := c.store.Put(ctx, streams.Put{Key: key, Value: plan})
		if err != nil {
			return
		}
		w := m.app.Worker(WorkerConfig{Name: "heir"})
		w.c, w.cfg, w.log = c, w.cfg.withDefaults(c.cfg), c.cfg.Logger
		l := &launches{w: w}
		seen := seenPlan{Entry: streams.Entry{Key: key, Value: plan, Revision: revision}, tries: math.MaxInt32}
		if err := l.takeOver(ctx, seen); err != nil {
			t.Errorf("plan %s: %v", plan, err)
		}
		if _, err := c.store.Get(ctx, key); !errors.Is(err, streams.ErrNoEntry) {
			t.Errorf("plan %s is still there (%v)", plan, err)
		}
	})
}
