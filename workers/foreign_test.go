package workers_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// celeryClient sends to task queues what clients of Celery send, and follows what
// becomes of it.
type celeryClient struct {
	*shop
	*streams.Session

	mu    sync.Mutex
	fates map[string]fate
	told  chan struct{}
}

// fate is the record of a task that has ended.
type fate struct {
	ID      string           `json:"task_id"`
	Status  workers.State    `json:"status"`
	Result  json.RawMessage  `json:"result"`
	Failure *workers.Failure `json:"failure"`
}

func newCeleryClient(s *shop, nc *nats.Conn) *celeryClient {
	s.Helper()
	session, err := streams.Open(s.ctx, nc, streams.Config{})
	if err != nil {
		s.Fatal(err)
	}
	c := &celeryClient{shop: s, Session: session, fates: make(map[string]fate), told: make(chan struct{}, 1)}
	store, err := session.DeclareStore(s.ctx, "tasks", streams.StoreOptions{TTL: 30 * 24 * time.Hour})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { _ = store.Follow(ctx, "task.*.*.state", c.hear, func() {}) })
	s.Cleanup(func() {
		cancel()
		following.Wait()
		_ = session.Close(context.Background())
	})
	return c
}

func (c *celeryClient) hear(e streams.Entry) {
	var f fate
	if json.Unmarshal(e.Value, &f) != nil || !f.Status.Ready() {
		return
	}
	c.mu.Lock()
	c.fates[f.ID] = f
	c.mu.Unlock()
	select {
	case c.told <- struct{}{}:
	default:
	}
}

// fate waits for the end of a task.
func (c *celeryClient) fate(id string) fate {
	c.Helper()
	for {
		c.mu.Lock()
		f, ok := c.fates[id]
		c.mu.Unlock()
		if ok {
			return f
		}
		select {
		case <-c.told:
		case <-c.ctx.Done():
			c.Fatalf("task %q did not end", id)
		}
	}
}

// noEmbed is the third part of a body when nothing is to follow.
const noEmbed = `{"callbacks": null, "errbacks": null, "chain": null, "chord": null}`

// celeryMessage is a message in protocol 2 as Celery's apply_async sends it.
func celeryMessage(id, task, args string, headers streams.Table) streams.Message {
	m := streams.Message{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: streams.Persistent, CorrelationID: id,
		Headers: streams.Table{
			"lang": "py", "task": task, "id": id, "root_id": id, "parent_id": nil, "group": nil, "group_index": nil,
			"retries": int32(0), "eta": nil, "expires": nil, "timelimit": []any{nil, nil}, "origin": "gen1@host",
			"argsrepr": args, "kwargsrepr": "{}", "shadow": nil, "ignore_result": false,
			"replaced_task_nesting": int32(0), "stamped_headers": nil, "stamps": streams.Table{},
		},
		Body: []byte("[" + args + ", {}, " + noEmbed + "]"),
	}
	for name, value := range headers {
		m.Headers[name] = value
	}
	return m
}

func (c *celeryClient) send(m streams.Message) {
	c.Helper()
	if err := c.Publish(c.ctx, "", "celery", m, streams.Mandatory); err != nil {
		c.Error(err)
	}
}

// TestCelery_ETAIsObeyed: the task waits in the server, and no place does.
func TestCelery_ETAIsObeyed(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s, celery := openToCelery(t, workers.WorkerConfig{Concurrency: 1})
		eta := time.Now().Add(time.Hour).UTC()
		for i := range 20 {
			id := fmt.Sprintf("later-%d", i)
			celery.send(celeryMessage(id, "add", `[1, 2]`, streams.Table{"eta": eta.Format("2006-01-02T15:04:05.000000-07:00"), "shadow": "other"}))
		}
		if got := run(s, s.add.S(1, 1)); got != 2 {
			t.Errorf("a task behind them gave %d, want 2", got)
		}
		waiting := 0
		for w, err := range s.Scheduled(s.ctx) {
			if waiting++; err != nil || w.ETA.Sub(eta).Abs() > time.Second || w.Name != "add" {
				t.Errorf("%+v waits (%v), want add at %v", w, err, eta)
			}
		}
		if waiting != 20 {
			t.Errorf("%d tasks wait in the server, want 20", waiting)
		}
		r, err := workers.ResultOf[int](s.App, "later-7")
		if err != nil {
			t.Fatal(err)
		}
		is(s, r, workers.Pending)
		for i := range 20 {
			if f := celery.fate(fmt.Sprintf("later-%d", i)); string(f.Result) != "3" {
				t.Errorf("task %d came to %+v, want 3", i, f)
			}
		}
		if early := time.Until(eta); early > 0 {
			t.Errorf("the last task ended %v before its eta", early)
		}
		if late := time.Since(eta); late > time.Minute {
			t.Errorf("the last task ended %v after its eta", late)
		}
	})
}

// openToCelery is a shop with one worker, and a client of Celery.
func openToCelery(t *testing.T, cfg workers.WorkerConfig) (*shop, *celeryClient) {
	t.Helper()
	s := newShop(t)
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	t.Cleanup(cancel)
	s.ctx = ctx
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	s.work(cfg)
	return s, celery
}

const celeryTime = "2006-01-02T15:04:05.000000-07:00"

// TestCelery_ETAOfWhatWillNotRun: who waits is told at once, and what waits can be
// revoked.
func TestCelery_ETAOfWhatWillNotRun(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s, celery := openToCelery(t, workers.WorkerConfig{})
		now := time.Now()
		in := func(d time.Duration) string { return now.Add(d).UTC().Format(celeryTime) }
		if err := s.Revoke(s.ctx, "revoked"); err != nil {
			t.Fatal(err)
		}
		for id, headers := range map[string]streams.Table{
			"revoked":   {"eta": in(time.Hour)},
			"expired":   {"eta": in(time.Hour), "expires": in(-time.Hour)},
			"year 9999": {"eta": "9999-12-31T23:59:59+00:00"},
			"past":      {"eta": in(-time.Hour)},
		} {
			celery.send(celeryMessage(id, "add", `[1, 2]`, headers))
		}
		for id, want := range map[string]workers.State{
			"revoked": workers.Revoked, "expired": workers.Revoked, "year 9999": workers.Failed, "past": workers.Succeeded,
		} {
			if f := celery.fate(id); f.Status != want {
				t.Errorf("%s: got %+v, want %s", id, f, want)
			}
		}
		if f := celery.fate("year 9999").Failure; !strings.Contains(f.Message, "9999") {
			t.Errorf("got %q, want the reason", f.Message)
		}
		celery.send(celeryMessage("late", "add", `[1, 2]`, streams.Table{"eta": in(time.Hour), "expires": in(time.Minute)}))
		celery.send(celeryMessage("waits", "add", `[1, 2]`, streams.Table{"eta": in(time.Hour)}))
		s.until("both wait", func() bool {
			n := 0
			for _, err := range s.Scheduled(s.ctx) {
				if err == nil {
					n++
				}
			}
			return n == 2
		})
		if err := s.Revoke(s.ctx, "waits"); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"waits", "late"} {
			if f := celery.fate(id); f.Status != workers.Revoked {
				t.Errorf("%s: got %+v, want it revoked", id, f)
			}
		}
		if took := time.Since(now); took > 61*time.Minute {
			t.Errorf("it took %v, want an hour", took)
		}
	})
}

// TestCelery_ExpirationIsObeyed: AMQP's, which Celery sets with the header, with it and
// without.
func TestCelery_ExpirationIsObeyed(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := newShop(t)
		nc := embeddedtest.Connect(t)
		s.connect(nc, workers.Config{})
		celery := newCeleryClient(s, nc)
		s.work(workers.WorkerConfig{})()
		now := time.Now()
		expires := now.Add(time.Minute).UTC().Format(celeryTime)
		for id, headers := range map[string]streams.Table{"both": {"expires": expires}, "property": nil, "header": {"expires": expires}} {
			m := celeryMessage(id, "note", `["it", "ran"]`, headers)
			if id != "header" {
				m.Expiration = "60000"
			}
			celery.send(m)
		}
		m := celeryMessage("in time", "note", `["it", "ran in time"]`, nil)
		m.Expiration = "3600000"
		celery.send(m)
		time.Sleep(2 * time.Minute)
		s.work(workers.WorkerConfig{})
		for _, id := range []string{"both", "property", "header"} {
			if f := celery.fate(id); f.Status != workers.Revoked {
				t.Errorf("%s: got %+v, want it revoked", id, f)
			}
		}
		celery.fate("in time")
		wantNotes(s, "it ran in time")
	})
}

// TestCelery_DatesAndNumbers: what Celery's worker reads, and clients send.
func TestCelery_DatesAndNumbers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	workers.Func2(s.App, "sum", func(_ context.Context, a, b float64) (string, error) { return fmt.Sprint(a + b), nil })
	workers.Func1(s.App, "largest", func(_ context.Context, all map[string][]float32) (string, error) {
		return fmt.Sprint(slices.Max(all["of"])), nil
	})
	workers.Func1(s.App, "whole", func(_ context.Context, n int) (int, error) { return n, nil })
	workers.Func0(s.App, "none", func(context.Context) (float64, error) { return math.NaN(), nil }, workers.Retry(workers.RetryPolicy{}))
	workers.Func1(s.App, "any", func(_ context.Context, v any) (string, error) { return fmt.Sprint(v), nil })
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	s.work(workers.WorkerConfig{})
	for i, test := range []struct {
		task, args string
		headers    streams.Table
		want       string
	}{
		{"sum", `[1, 2]`, nil, `"3"`},
		{"sum", `[1, 2]`, streams.Table{"eta": "2020-01-02T03:04:05.000Z"}, `"3"`},
		{"sum", `[1, 2]`, streams.Table{"eta": "2020-01-02T03:04:05+0000"}, `"3"`},
		{"sum", `[1, 2]`, streams.Table{"eta": "2020-01-02 03:04:05+00:00"}, `"3"`},
		{"sum", `[1, 2]`, streams.Table{"eta": "2020-01-02T03:04:05"}, `"3"`},
		{"sum", `[1, 2]`, streams.Table{"expires": "2090-01-02T03:04:05+0100"}, `"3"`},
		{"sum", `[NaN, 2]`, nil, `"NaN"`},
		{"sum", `[-Infinity, 2]`, nil, `"-Inf"`},
		{"sum", `[1, Infinity]`, nil, `"+Inf"`},
		{"largest", `[{"of": [1, Infinity], "NaN": []}]`, nil, `"+Inf"`},
		{"any", `[{"a": [NaN, "NaN -Infinity"]}]`, nil, `"map[a:[NaN NaN -Infinity]]"`},
		{"any", `["\\\"NaN"]`, nil, `"\\\"NaN"`},
		{"whole", `[NaN]`, nil, "argument 1 is NaN, not a int"},
		{"none", `[]`, nil, "NaN"},
		{"sum", `[1, 2]`, streams.Table{"eta": "soon"}, "no time in ISO 8601"},
		{"sum", `[1, 2]`, streams.Table{"expires": int64(60)}, "header \"expires\""},
	} {
		id := fmt.Sprintf("task %d", i)
		celery.send(celeryMessage(id, test.task, test.args, test.headers))
		f := celery.fate(id)
		got := string(f.Result)
		if f.Failure != nil {
			got = f.Failure.Message
		}
		if got != test.want && (f.Failure == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s%s %v: got %s, want %s", test.task, test.args, test.headers, got, test.want)
		}
	}
}

// TestCelery_NumbersThatJSONHasNot are written as Python reads them, when a task is
// sent again.
func TestCelery_NumbersThatJSONHasNot(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	workers.Func1(s.App, "again", func(ctx context.Context, n float64) (string, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries == 0 {
			return "", errBroken
		}
		return fmt.Sprint(n), nil
	}, workers.Retry(workers.RetryPolicy{Max: 1}))
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	s.work(workers.WorkerConfig{})
	celery.send(celeryMessage("again", "again", `[-Infinity]`, nil))
	if f := celery.fate("again"); string(f.Result) != `"-Inf"` {
		t.Errorf("got %+v, want -Inf", f)
	}
	celery.send(celeryMessage("dead", "broken", `[NaN, Infinity]`, nil))
	celery.fate("dead")
	s.until("it is kept", func() bool { return len(dead(s)) == 1 })
	if body := string(dead(s)[0].Message.Body); !strings.HasPrefix(body, `[[NaN,Infinity],`) {
		t.Errorf("the dead letter has %s, want what Python reads", body)
	}
}

// TestCelery_IDs: any text is one, wherever an id is asked for.
func TestCelery_IDs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	workers.Func0(s.App, "id", func(ctx context.Context) (string, error) {
		r, _ := workers.RequestOf(ctx)
		if r.Retries == 0 {
			return "", errBroken
		}
		return r.ID, nil
	})
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	s.work(workers.WorkerConfig{})
	for _, id := range []string{
		"invoice.2026.17", "invoice/2026/17", "invoice 17", "Rechnung-ü", "*", ">", "a.>", "a%20b", "a:1", "a", "line\nbreak", " ", "=",
		strings.Repeat("i", 255), strings.Repeat("é", 126), "{\"json\": [1]}",
	} {
		celery.send(celeryMessage(id, "id", `[]`, nil))
		celery.fate(id)
		r, err := workers.ResultOf[string](s.App, id)
		if err != nil {
			t.Fatal(err)
		}
		is(s, r, workers.Failed)
		s.until("it is kept", func() bool {
			return slices.ContainsFunc(dead(s), func(l workers.DeadLetter) bool { return l.ID == id })
		})
		if err := s.Replay(s.ctx, id); err != nil {
			t.Errorf("replay %q: %v", id, err)
		}
		if r, err = workers.ResultOf[string](s.App, id); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(s.ctx); got != id || err != nil {
			t.Errorf("replayed, %q gave %q, %v", id, got, err)
		}
		if err := s.Revoke(s.ctx, id); err != nil {
			t.Errorf("revoke %q: %v", id, err)
		}
		if len(id) == 255 {
			continue // and one more is refused
		}
		celery.send(celeryMessage(id+"!", "broken", `[]`, nil))
		celery.fate(id + "!")
		s.until("it is kept", func() bool { return s.DropDeadLetter(s.ctx, id+"!") == nil })
		if r, err := s.add.S(1, 1).Apply(s.ctx, workers.ID(id+"?")); err != nil {
			t.Errorf("send under %q: %v", id+"?", err)
		} else if got, err := r.Get(s.ctx); got != 2 || err != nil {
			t.Errorf("%q gave %d, %v", id+"?", got, err)
		}
	}
	for _, id := range []string{"", strings.Repeat("i", 256), "\xff"} {
		if _, err := workers.ResultOf[int](s.App, id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

// TestCelery_WhatIsRefused has failed under its own id, and is a dead letter.
func TestCelery_WhatIsRefused(t *testing.T) {
	t.Parallel()
	s, celery := openToCelery(t, workers.WorkerConfig{})
	for id, test := range map[string]struct {
		change func(*streams.Message)
		want   string
	}{
		"pickle": {func(m *streams.Message) {
			m.ContentType = "application/x-python-serialize"
			m.ContentEncoding = "binary"
		}, "pickle, which only Python reads"},
		"yaml":     {func(m *streams.Message) { m.ContentType = "application/x-yaml" }, "\"application/x-yaml\" is not read; send JSON"},
		"msgpack":  {func(m *streams.Message) { m.ContentType = "application/x-msgpack" }, "\"application/x-msgpack\" is not read"},
		"utf-16":   {func(m *streams.Message) { m.ContentEncoding = "utf-16" }, "content encoding \"utf-16\""},
		"no utf-8": {func(m *streams.Message) { m.Body = []byte("[[\"\xff\"], {}, {}]") }, "not UTF-8"},
		"zstd":     {func(m *streams.Message) { m.Headers["compression"] = "application/zstd" }, "compression application/zstd is not read"},
		"not zlib": {func(m *streams.Message) { m.Headers["compression"] = "application/x-gzip" }, "decompress"},
		"no body":  {func(m *streams.Message) { m.Body = nil }, "body of task"},
		"two":      {func(m *streams.Message) { m.Body = []byte("[[], {}]") }, "want args, kwargs and embed"},
		"retries":  {func(m *streams.Message) { m.Headers["retries"] = "many" }, "header \"retries\""},
		"limits":   {func(m *streams.Message) { m.Headers["timelimit"] = []any{int64(1)} }, "not two limits"},
		"expires":  {func(m *streams.Message) { m.Headers["expires"] = "tomorrow" }, "header \"expires\""},
	} {
		m := celeryMessage(id, "add", `[1, 2]`, nil)
		test.change(&m)
		celery.send(m)
		f := celery.fate(id)
		if f.Status != workers.Failed || f.Failure.Type != "DecodeError" || !strings.Contains(f.Failure.Message, test.want) {
			t.Errorf("%s: got %+v, want a failure that says %q", id, f.Failure, test.want)
		}
		s.until("it is kept", func() bool {
			return slices.ContainsFunc(dead(s), func(l workers.DeadLetter) bool {
				return l.ID == id && bytes.Equal(l.Message.Body, m.Body) && l.Message.ContentType == m.ContentType
			})
		})
	}
	r, err := workers.ResultOf[int](s.App, "pickle")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(s.ctx); !errors.Is(err, workers.ErrDecode) {
		t.Errorf("got %v, want %v", err, workers.ErrDecode)
	}
}

// TestCelery_RefusedInAChain: who waits for its last step is told.
func TestCelery_RefusedInAChain(t *testing.T) {
	t.Parallel()
	_, celery := openToCelery(t, workers.WorkerConfig{})
	m := celeryMessage("first", "add", `[1, 2]`, streams.Table{"eta": "soon"})
	m.Body = []byte(`[[1, 2], {}, {"callbacks": null, "errbacks": null, "chord": null,
		"chain": [{"task": "add", "args": [3], "kwargs": {}, "options": {"task_id": "last"}, "subtask_type": null, "immutable": false}]}]`)
	celery.send(m)
	for _, id := range []string{"first", "last"} {
		if f := celery.fate(id); f.Status != workers.Failed {
			t.Errorf("%s: got %+v, want a failure", id, f)
		}
	}
}

// TestCelery_WhatIsRead: what kombu makes of a body, and protocol 1.
func TestCelery_WhatIsRead(t *testing.T) {
	t.Parallel()
	s, celery := openToCelery(t, workers.WorkerConfig{})
	body := celeryMessage("", "", `["ü", "x"]`, nil).Body
	var zipped, gzipped bytes.Buffer
	z, g := zlib.NewWriter(&zipped), gzip.NewWriter(&gzipped)
	for _, w := range []io.WriteCloser{z, g} {
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	bzipped, err := base64.StdEncoding.DecodeString(bzipOfBody)
	if err != nil {
		t.Fatal(err)
	}
	headers := celeryMessage("", "note", "", nil).Headers
	for id, m := range map[string]streams.Message{
		"plain":   {ContentType: "application/json", Body: body},
		"no type": {Body: body},
		"charset": {ContentType: "application/json; charset=utf-8", ContentEncoding: "UTF-8", Body: body},
		"binary":  {ContentType: "application/json", ContentEncoding: "binary", Body: body},
		"zlib":    {Headers: streams.Table{"compression": "application/x-gzip"}, Body: zipped.Bytes()},
		"gzip":    {Headers: streams.Table{"compression": "gzip"}, Body: gzipped.Bytes()},
		"bzip2":   {Headers: streams.Table{"compression": "application/x-bz2"}, Body: bzipped},
		"latin-1": {ContentEncoding: "latin-1", Body: bytes.ReplaceAll(body, []byte("ü"), []byte{0xfc})},
		"base64":  {ContentEncoding: "base64", Body: []byte(base64.StdEncoding.EncodeToString(body))},
		"protocol 1": {Headers: streams.Table{"task": nil}, Body: []byte(`{"task": "note", "id": "protocol 1", "args": ["ü", "x"], "kwargs": {},
			"retries": 0, "eta": "2020-01-02T03:04:05", "expires": null, "utc": true, "timelimit": [null, 60], "taskset": null, "callbacks": null, "errbacks": null, "chord": null}`)},
	} {
		all := maps.Clone(headers)
		all["id"], all["root_id"] = id, id
		maps.Copy(all, m.Headers)
		m.Headers = all
		if id == "protocol 1" {
			m.Headers = nil
		}
		before := len(s.notes())
		celery.send(m)
		f := celery.fate(id)
		if notes := s.notes(); f.Status != workers.Succeeded || notes[before] != "ü x" {
			t.Errorf("%s: got %+v, noted %q", id, f, notes[before:])
		}
	}
}

// bzipOfBody is what Python's bz2 makes of the body.
const bzipOfBody = "QlpoOTFBWSZTWUuKX+UAABCbjFAEABAACj5tmkoABAgAIABUNQAGgA0CVMKGmTQxGQoMCGb1Tj3EQleE80UHVW6LVxHWFhlcZBwGhaVcICED6Y2ATxiXmfF3JFOFCQS4pf5Q"

// TestCelery_TypedValues: what newer Celerys wrap is read where its plain form can be.
func TestCelery_TypedValues(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	type order struct {
		At    time.Time `json:"at"`
		Day   time.Time `json:"day"`
		ID    string    `json:"id"`
		Price float64   `json:"price"`
		Bytes []byte    `json:"bytes"`
		Text  []byte    `json:"text"`
		Other any       `json:"other"`
	}
	workers.Func1(s.App, "order", func(_ context.Context, o order) (string, error) {
		return fmt.Sprint(o.At.Format(time.RFC3339Nano), o.Day.Format(time.DateOnly), o.ID, o.Price, fmt.Sprintf(" %d", o.Bytes), string(o.Text), o.Other), nil
	})
	workers.Func1(s.App, "texts", func(_ context.Context, list []string) (string, error) { return strings.Join(list, ","), nil })
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	s.work(workers.WorkerConfig{})
	typed := func(kind, value string) string { return `{"__type__": "` + kind + `", "__value__": ` + value + `}` }
	celery.send(celeryMessage("order", "order", `[{"at": `+typed("datetime", `"2030-01-02T03:04:05.120000"`)+`, "day": `+typed("date", `"2030-01-02"`)+
		`, "id": `+typed("uuid", `{"hex": "00000000000000000000000000000005"}`)+`, "price": `+typed("decimal", `"1.50"`)+
		`, "bytes": `+typed("base64", `"AP8="`)+`, "text": {"bytes": "hi", "__bytes__": true}, "other": {"__type__": 1}}]`, nil))
	want := `"2030-01-02T03:04:05.12Z2030-01-0200000000-0000-0000-0000-0000000000051.5 [0 255]himap[__type__:1]"`
	if f := celery.fate("order"); string(f.Result) != want {
		t.Errorf("got %s %v, want %s", f.Result, f.Failure, want)
	}
	celery.send(celeryMessage("texts", "texts", `[[`+typed("decimal", `"1.50"`)+`, `+typed("date", `"2030-01-02"`)+`, `+typed("time", `"03:04:05"`)+`]]`, nil))
	if f := celery.fate("texts"); string(f.Result) != `"1.50,2030-01-02,03:04:05"` {
		t.Errorf("got %s %v, want the texts", f.Result, f.Failure)
	}
	celery.send(celeryMessage("no number", "ident", `[`+typed("uuid", `{"hex": "00000000000000000000000000000005"}`)+`]`, nil))
	if f := celery.fate("no number").Failure; f == nil || f.Type != "TypeError" {
		t.Errorf("got %v, want the argument refused", f)
	}
}
