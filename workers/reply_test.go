package workers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// reply is what Celery's backend rpc:// reads and writes.
type reply struct {
	TaskID    string          `json:"task_id"`
	Status    string          `json:"status"`
	Result    json.RawMessage `json:"result"`
	Traceback *string         `json:"traceback"`
	Children  []any           `json:"children"`
}

// replyQueue declares the queue that a client of Celery takes replies from.
func (c *celeryClient) replyQueue() string {
	c.Helper()
	q, err := c.DeclareQueue(c.ctx, streams.Queue{AutoDelete: true})
	if err != nil {
		c.Fatal(err)
	}
	return q.Name
}

// replies takes so many replies from a queue.
func (c *celeryClient) replies(queue string, n int) map[string][]reply {
	c.Helper()
	consumer, err := c.Consume(c.ctx, queue, streams.ConsumeOptions{})
	if err != nil {
		c.Fatal(err)
	}
	got := make(map[string][]reply)
	for d, err := range consumer.Deliveries(c.ctx) {
		if err != nil {
			c.Fatalf("got %v: %v", got, err)
		}
		var r reply
		if err := json.Unmarshal(d.Body, &r); err != nil || d.CorrelationID != r.TaskID || d.ContentType != "application/json" {
			c.Errorf("reply %s of %q in %q: %v", d.Body, d.CorrelationID, d.ContentType, err)
		}
		if err := d.Ack(); err != nil {
			c.Error(err)
		}
		got[r.TaskID] = append(got[r.TaskID], r)
		if n--; n == 0 {
			break
		}
	}
	if err := consumer.Close(c.ctx); err != nil {
		c.Error(err)
	}
	return got
}

// TestReply_TellsWhatATaskHasComeTo: to the queue that a client of Celery names, in the
// words of its backend rpc://.
func TestReply_TellsWhatATaskHasComeTo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	workers.Func0(s.App, "again", func(ctx context.Context) (int, error) {
		if r, _ := workers.RequestOf(ctx); r.Retries == 0 {
			return 0, workers.RetryIn(0, errKnown)
		}
		return 7, nil
	})
	large := strings.Repeat("x", 1<<20)
	workers.Func0(s.App, "large", func(context.Context) (string, error) { return large, nil })
	s.connect(nc, workers.Config{})
	celery := newCeleryClient(s, nc)
	queue := celery.replyQueue()
	if err := s.Revoke(s.ctx, "revoked"); err != nil {
		t.Fatal(err)
	}
	s.work(workers.WorkerConfig{})
	step := fmt.Sprintf(`{"task": "%%s", "args": [], "kwargs": {}, "options": {"task_id": "%%s", "reply_to": %q}, "subtask_type": null, "immutable": false}`, queue)
	for _, one := range []struct{ id, task, args, chain string }{
		{"succeeds", "add", `[1, 2]`, ""},
		{"fails", "broken", `[]`, ""},
		{"unknown", "nobody's", `[]`, ""},
		{"misfits", "add", `["a", 2]`, ""},
		{"revoked", "add", `[1, 2]`, ""},
		{"again", "again", `[]`, ""},
		{"large", "large", `[]`, ""},
		{"goes-on", "ident", `[5]`, "[" + fmt.Sprintf(step, "ident", "second") + "]"},
		{"breaks", "broken", `[]`, "[" + fmt.Sprintf(step, "ident", "never") + "]"},
	} {
		m := celeryMessage(one.id, one.task, one.args, nil)
		m.ReplyTo = queue
		if one.chain != "" {
			m.Body = []byte(strings.Replace(string(m.Body), `"chain": null`, `"chain": `+one.chain, 1))
		}
		celery.send(m)
	}
	silent := celeryMessage("silent", "add", `[1, 2]`, streams.Table{"ignore_result": true})
	silent.ReplyTo = queue
	celery.send(silent)
	nobody := celeryMessage("nobody", "add", `[1, 2]`, nil)
	nobody.ReplyTo = "a-queue-that-has-gone"
	celery.send(nobody)
	if f := celery.fate("nobody"); f.Status != workers.Succeeded {
		t.Errorf("a task whose client has gone: got %s", f.Status)
	}
	got := celery.replies(queue, 12)
	for id, want := range map[string][]string{
		"succeeds": {`SUCCESS 3`},
		"fails":    {`FAILURE {"exc_type":"Exception","exc_message":["failed"],"exc_module":"builtins"}`},
		"revoked":  {`REVOKED {"exc_type":"TaskRevokedError","exc_message":["the task was revoked"],"exc_module":"celery.exceptions"}`},
		"again":    {`RETRY {"exc_type":"Known","exc_message":["a known error"],"exc_module":null}`, `SUCCESS 7`},
		"large":    {`SUCCESS "` + large + `"`},
		"goes-on":  {`SUCCESS 5`},
		"second":   {`SUCCESS 5`},
		"breaks":   {`FAILURE {"exc_type":"Exception","exc_message":["failed"],"exc_module":"builtins"}`},
		"never":    {`FAILURE {"exc_type":"Exception","exc_message":["failed"],"exc_module":"builtins"}`},
	} {
		var said []string
		for _, r := range got[id] {
			said = append(said, r.Status+" "+string(r.Result))
		}
		if !reflect.DeepEqual(said, want) {
			t.Errorf("task %s: got %.300q, want %.300q", id, said, want)
		}
	}
	for id, kind := range map[string]string{"unknown": "NotRegistered", "misfits": "TypeError"} {
		if len(got[id]) != 1 || got[id][0].Status != "FAILURE" || !strings.Contains(string(got[id][0].Result), `"exc_type":"`+kind+`"`) {
			t.Errorf("task %s: got %v, want a %s", id, got[id], kind)
		}
	}
	if children := got["goes-on"][0].Children; !reflect.DeepEqual(children, []any{[]any{[]any{"second", nil}, nil}}) {
		t.Errorf("children of the first step: got %v", children)
	}
}

// foreignWorker runs tasks as a worker of Celery does with the backend rpc://: it
// answers to the queue that a task names.
func (c *celeryClient) foreignWorker(queue string, answer func(m streams.Message) (replies []string)) {
	c.Helper()
	if _, err := c.DeclareQueue(c.ctx, streams.Queue{Name: queue, Durable: true}); err != nil {
		c.Fatal(err)
	}
	consumer, err := c.Consume(c.ctx, queue, streams.ConsumeOptions{Push: func(d *streams.Delivery) {
		go func() {
			for _, body := range answer(d.Message) {
				err := c.Publish(c.ctx, "", d.ReplyTo, streams.Message{
					ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: d.CorrelationID, Body: []byte(body),
				})
				if err != nil {
					c.Error(err)
				}
			}
			if err := d.Ack(); err != nil {
				c.Error(err)
			}
		}()
	}})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = consumer.Close(context.Background()) })
}

// TestReplies_AreRecorded: whoever waits learns what a worker of Celery has made of a
// task.
func TestReplies_AreRecorded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{Replies: true, Routes: map[string]string{"py.*": "python"}})
	celery := newCeleryClient(s, nc)
	celery.foreignWorker("python", func(m streams.Message) []string {
		id := m.CorrelationID
		write := func(format string, args ...any) string {
			return strings.ReplaceAll(fmt.Sprintf(format, args...), "ID", id)
		}
		switch m.Headers["task"] {
		case "py.add":
			return []string{
				"nonsense", write(`{"task_id": "ID", "status": "STARTED", "result": {"pid": 1}, "traceback": null, "children": []}`),
				write(`{"task_id": "ID", "status": "SUCCESS", "result": 3, "traceback": null, "children": [[["child", "ID"], null]]}`),
				write(`{"task_id": "ID", "status": "FAILURE", "result": {}, "traceback": null, "children": []}`), // it has ended
			}
		case "py.fails":
			return []string{write(`{"task_id": "ID", "status": "FAILURE", "result": {"exc_type": "KeyError", "exc_message": ["k", 1], ` +
				`"exc_module": "builtins"}, "traceback": "Traceback (most recent call last)", "children": []}`)}
		case "py.expired":
			return []string{write(`{"task_id": "ID", "status": "REVOKED", "result": {"exc_type": "TaskRevokedError", ` +
				`"exc_message": ["expired"], "exc_module": "celery.exceptions"}, "traceback": null, "children": []}`)}
		case "py.nan":
			return []string{write(`{"task_id": "ID", "status": "SUCCESS", "result": NaN, "traceback": null, "children": []}`)}
		case "py.large":
			return []string{write(`{"task_id": "ID", "status": "SUCCESS", "result": "%s", "traceback": null, "children": []}`, strings.Repeat("x", 1<<19))}
		}
		return nil
	})
	ask := func(task string) (json.RawMessage, *workers.Result[json.RawMessage], error) {
		r, err := s.Signature(task).Apply(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		value, err := r.Get(s.ctx)
		return value, r, err
	}
	value, r, err := ask("py.add")
	if string(value) != "3" || err != nil {
		t.Errorf("a result: got %s, %v", value, err)
	}
	is(s, r, workers.Succeeded)
	info, err := r.Info(s.ctx)
	if err != nil || info.Name != "py.add" || info.Queue != "python" {
		t.Errorf("what is known of it: %+v, %v", info, err)
	}
	_, _, err = ask("py.fails")
	var f *workers.Failure
	if !errors.As(err, &f) || f.Type != "KeyError" || f.Message != "k, 1" || f.Task != "py.fails" || !strings.HasPrefix(f.Traceback, "Traceback") {
		t.Errorf("a failure: got %#v", err)
	}
	if _, _, err = ask("py.expired"); !errors.Is(err, workers.ErrExpired) {
		t.Errorf("one that has expired: got %v, want %v", err, workers.ErrExpired)
	}
	if value, _, err = ask("py.large"); len(value) != 1<<19+2 || err != nil {
		t.Errorf("a large result: got %d bytes, %v", len(value), err)
	}
}

// TestReplies_OfAChain: what follows in a chain is answered to the same queue, and so is
// what will not run; a task of this package is not.
func TestReplies_OfAChain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nc := embeddedtest.Connect(t)
	s.connect(nc, workers.Config{Replies: true, Routes: map[string]string{"py.*": "python"}})
	s.work(workers.WorkerConfig{})
	celery := newCeleryClient(s, nc)
	seen := make(chan streams.Message, 1)
	celery.foreignWorker("python", func(m streams.Message) []string {
		seen <- m
		return []string{fmt.Sprintf(`{"task_id": %q, "status": "SUCCESS", "result": 12, "traceback": null, "children": []}`, m.CorrelationID)}
	})
	r, err := s.Signature("add", 1, 2).Then(s.Signature("py.mul", 4)).Apply(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	value, err := r.Get(s.ctx)
	if string(value) != "12" || err != nil {
		t.Errorf("got %s, %v", value, err)
	}
	select {
	case m := <-seen:
		if m.ReplyTo != "warren.replies" || !strings.HasPrefix(string(m.Body), "[[3,4],") {
			t.Errorf("the second step is %s, answered to %q", m.Body, m.ReplyTo)
		}
	case <-s.ctx.Done():
		t.Fatal("the second step was not sent")
	}
	info, err := celery.InspectQueue(s.ctx, "warren.replies")
	if err != nil || info.Ready != 0 {
		t.Errorf("%d replies are left, %v", info.Ready, err)
	}
}
