package workers

import (
	"fmt"
	"strings"
	"time"

	"warren/streams"
)

// An Explained is what an app does in Celery's words, and what that became on JetStream.
type Explained struct {
	// Celery is what is done: as a rule, the steps of AMQP and of stores behind it say
	// what that became. Empty: it is such a step, which no word of Celery says better.
	Celery string
	// Step is the same in AMQP's words, if that has any, and on JetStream.
	streams.Step
}

// explain tells what is done.
func (c *client) explain(celery string, nats ...string) {
	if c.cfg.Explain != nil {
		c.cfg.Explain(Explained{celery, streams.Step{NATS: nats}})
	}
}

// explainSent tells of a task that is being sent.
func (c *client) explainSent(m *Message) {
	if c.cfg.Explain == nil {
		return
	}
	what := "apply_async"
	if m.Retries > 0 {
		what = fmt.Sprintf("retry %d", m.Retries)
	}
	text := fmt.Sprintf("%s %s[%s] queue=%s", what, m.Task, m.ID, m.Queue)
	if !m.ETA.After(c.now()) {
		c.explain(text)
		return
	}
	c.explain(text+" eta="+m.ETA.UTC().Format(time.RFC3339),
		"it waits in the stream of queue "+laterQueue+" until then; a worker sends it on to its queue")
}

// explainTaken tells of a task that a worker got.
func (r *run) explainTaken() {
	if r.w.c.cfg.Explain == nil {
		return
	}
	r.w.c.explain(fmt.Sprintf("worker %s runs %s[%s] delivery_tag=%d", r.w.cfg.Name, r.m.Task, r.m.ID, r.d.Tag),
		"it is acknowledged when it has ended, that is recorded, and what follows is sent")
}

// explainEnded tells what a task has come to.
func (r *run) explainEnded(rec record) {
	if r.w.c.cfg.Explain == nil {
		return
	}
	r.w.c.explain(fmt.Sprintf("%s[%s] is %s", r.m.Task, r.m.ID, rec.Status))
}

// explainSession is what the session of an app tells of its steps; nil: nobody is told.
func (c Config) explainSession() func(streams.Step) {
	if c.Explain == nil {
		return nil
	}
	return func(step streams.Step) {
		if words, shown := storeWords(step); shown {
			c.Explain(Explained{words, step})
		}
	}
}

// storeWords says in Celery's words why a store is written to, if that is what a step
// does. What workers and schedulers renew all the time is not shown.
func storeWords(step streams.Step) (words string, shown bool) {
	words, shown = "", true
	method, rest, _ := strings.Cut(step.AMQP, " ")
	store, key, _ := strings.Cut(rest, " ")
	if method != "store.put" && method != "store.delete" {
		return words, shown
	}
	kind, _, _ := strings.Cut(key, ".")
	last := key[strings.LastIndexByte(key, '.')+1:]
	switch {
	case kind == "worker", kind == "catalogue", kind == "control":
		return words, false
	case store == periodicStore && kind == "leader":
		return words, strings.Contains(strings.Join(step.NATS, " "), "no value yet")
	case method == "store.delete":
	case store == periodicStore && kind == "entry":
		words = "keep a periodic task"
	case store == periodicStore && kind == "last":
		words = "claim the next run of a periodic task"
	case kind == "task" && last == "sent":
		words = "record that a task was sent: it is PENDING"
	case kind == "task":
		words = "result backend: record the state of a task"
	case kind == "join" && last == "plan":
		words = "group: record its members, and what follows"
	case kind == "join" && last == "broken":
		words = "group: record that a member has failed"
	case kind == "join":
		words = "group: record the result of a member; who records the last one sends what follows"
	case kind == "chain":
		words = "chain: keep later steps"
	case kind == "launch":
		words = "canvas: keep what is to be sent, until all of it is"
	case kind == "blob":
		words = "keep a part of a large argument or result"
	case kind == "dead":
		words = "keep a task that has failed for good"
	case kind == "revoked":
		words = "revoke: tell all workers"
	}
	return words, shown
}
