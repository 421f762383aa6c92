package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/streams"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// What Celery's backend rpc:// does: a task names the queue that its result goes to,
// and whoever runs it sends each state there that ends an attempt. It is tried with
// Celery 5.2 and 5.6.

// repliesQueue is where workers of Celery tell what has become of the tasks of apps
// with [Config.Replies].
const repliesQueue = "warren.replies"

// replyJSON is a reply, as Celery writes it.
type replyJSON struct {
	TaskID    string          `json:"task_id"`
	Status    State           `json:"status"`
	Result    json.RawMessage `json:"result"`
	Traceback *string         `json:"traceback"`
	Children  []any           `json:"children"`
}

// exceptionJSON is an exception, as Celery writes it. Its reader makes a class of a
// type without a module.
type exceptionJSON struct {
	Type    string   `json:"exc_type"`
	Message []string `json:"exc_message"`
	Module  *string  `json:"exc_module"`
}

// askForReply has a task of this app answered to the app, where it wants that and
// nothing else is said.
func (c *client) askForReply(o *CallOptions) {
	if c.cfg.Replies && !o.NoResult {
		o.ReplyTo = first(o.ReplyTo, repliesQueue)
	}
}

// reply tells whoever has asked for it what the task has come to.
func (r *run) reply(ctx context.Context, rec record) error {
	if r.m.NoResult {
		return nil
	}
	return r.w.c.reply(ctx, r.m.replyTo, rec)
}

// reply sends what a task has come to to a queue. Apps read the record itself. It goes
// once, however often it is sent, and nowhere if the queue has gone; what cannot be
// sent is no reason for the task to fail.
func (c *client) reply(ctx context.Context, to string, rec record) error {
	if to == "" || to == repliesQueue {
		return nil
	}
	err := insist(ctx, func(ctx context.Context) error {
		m, err := c.replyOf(ctx, rec)
		if err != nil {
			return err
		}
		confirm, err := c.publisher.Publish(ctx, "", to, m, streams.Deduplicate)
		if err != nil {
			return err
		}
		return confirm.Wait(ctx)
	})
	if err != nil && lastingOf(err) != passing {
		c.cfg.Logger.Warn("could not send a reply", "id", rec.ID, "task", rec.Task, "to", to, "error", err)
		return nil
	}
	return err
}

func (c *client) replyOf(ctx context.Context, rec record) (streams.Message, error) {
	out := replyJSON{TaskID: rec.ID, Status: rec.Status, Result: json.RawMessage("null"), Children: make([]any, len(rec.Children))}
	for i, id := range rec.Children {
		out.Children[i] = []any{[]any{id, nil}, nil}
	}
	var err error
	switch {
	case rec.Failure != nil:
		f := c.wholeFailure(ctx, *rec.Failure)
		if f.Traceback != "" {
			out.Traceback = &f.Traceback
		}
		out.Result, err = jsontext.Marshal(exceptionOf(f))
	case rec.Result != nil:
		out.Result, err = c.fetch(ctx, rec.Result)
	}
	if err != nil {
		return streams.Message{}, err
	}
	body, err := jsontext.Marshal(out)
	return streams.Message{
		ContentType: celery.ContentType, ContentEncoding: celery.ContentEncoding, DeliveryMode: streams.Transient,
		CorrelationID: rec.ID, MessageID: fmt.Sprintf("%s:%d:%s", celery.IDName(rec.ID), rec.Retries, rec.Status), Body: celery.ToPython(body),
	}, err
}

// exceptions are the types of failures that Celery has classes for, and their modules.
var exceptions = map[string]string{
	revokedType: "celery.exceptions", celery.ChordError: "celery.exceptions", "WorkerLostError": "celery.exceptions",
	"SoftTimeLimitExceeded": "celery.exceptions", "TimeLimitExceeded": "celery.exceptions",
	"NotRegistered": "celery.exceptions", "TypeError": "builtins", "Exception": "builtins",
}

// exceptionOf is a failure as an exception of Python.
func exceptionOf(f Failure) exceptionJSON {
	e := exceptionJSON{Type: f.Type, Message: []string{f.Message}}
	switch f.Type {
	case "", "error":
		e.Type = "Exception"
	case expiredType:
		e.Type, e.Message[0] = revokedType, "expired"
	}
	if module, ok := exceptions[e.Type]; ok {
		e.Module = &module
	}
	return e
}

// takeReplies begins to take what workers of Celery tell.
func (c *client) takeReplies(ctx context.Context) error {
	if _, err := c.session.DeclareQueue(ctx, streams.Queue{Name: repliesQueue, Durable: true}); err != nil {
		return err
	}
	consumer, err := c.session.Consume(ctx, repliesQueue, streams.ConsumeOptions{Prefetch: 100})
	if err != nil {
		return err
	}
	taking, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	c.done.Go(func() {
		err := consumer.Run(taking, func(d *streams.Delivery) { c.takeReply(taking, d) })
		if err != nil && taking.Err() == nil && !errors.Is(err, streams.ErrClosed) {
			c.cfg.Logger.Error("replies of Celery's workers are not taken any more; connect the app again", "error", err)
		}
	})
	return nil
}

// takeReply records a reply. One that nobody can read is dropped.
func (c *client) takeReply(ctx context.Context, d *streams.Delivery) {
	body, err := celery.Body(d.Message)
	err = celery.Permanent(err)
	var rec record
	if err == nil {
		rec, err = parseReply(body)
	}
	if err == nil {
		err = c.recordReply(ctx, rec)
	}
	switch {
	case err == nil:
		err = d.Ack()
	case ctx.Err() != nil:
		return // it is handed back as the session ends
	case lastingOf(err) == permanent:
		c.cfg.Logger.Warn("dropped a reply of a worker of Celery", "id", d.CorrelationID, "error", err)
		err = d.Nack()
	default:
		c.cfg.Logger.Warn("could not record a reply of a worker of Celery; it is tried again", "id", rec.ID, "error", err)
		pause(ctx, time.Second)
		err = d.Nack(streams.Requeue)
	}
	if err != nil {
		c.cfg.Logger.Debug("could not settle a reply", "error", err)
	}
}

// parseReply reads a reply as the record of its task.
func parseReply(text []byte) (record, error) {
	var in replyJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return record{}, celery.Permanent(fmt.Errorf("read a reply: %w", err))
	}
	if err := celery.CheckID(in.TaskID); err != nil {
		return record{}, celery.Permanent(fmt.Errorf("read a reply: %w", err))
	}
	rec := record{ID: in.TaskID, Status: in.Status, Children: childrenOf(in.Children)}
	switch in.Status {
	case Succeeded:
		rec.Result = in.Result
	case Failed, Retrying, Revoked:
		return rec, rec.takeFailure(&in)
	case "":
		return record{}, celery.Permanent(fmt.Errorf("a reply for task %s has no status", in.TaskID))
	default: // it has begun, or tells of its progress
		rec.Status, rec.Meta = Started, in.Result
	}
	return rec, nil
}

// takeFailure takes the exception of a reply.
func (r *record) takeFailure(in *replyJSON) error {
	f := Failure{Type: "error"}
	if jsontext.IsObject(in.Result) {
		if err := json.Unmarshal(in.Result, &f); err != nil {
			return celery.Permanent(fmt.Errorf("read the exception of task %s: %w", r.ID, err))
		}
	}
	f.TaskID = r.ID
	if in.Traceback != nil {
		f.Traceback = *in.Traceback
	}
	if r.Status == Revoked {
		f.Type = revokedType
		if strings.Contains(f.Message, "expired") {
			f.Type = expiredType
		}
	}
	r.Failure = &f
	return nil
}

// childrenOf are the ids in a list of results as Celery writes it: [[id, parent],
// members of a group].
func childrenOf(list []any) []string {
	var ids []string
	for _, child := range list {
		for range 2 {
			if parts, ok := child.([]any); ok && len(parts) > 0 {
				child = parts[0]
			}
		}
		if id, ok := child.(string); ok && celery.CheckID(id) == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// recordReply records what a worker of Celery has told, unless the task has ended, or
// nobody is to know of it any more.
func (c *client) recordReply(ctx context.Context, rec record) error {
	ttl := time.Duration(0)
	if rec.Status.Ready() {
		ttl = c.cfg.ResultExpires
	}
	var err error
	if rec.Result, err = c.spill(ctx, rec.Result, ttl); err != nil {
		return err
	}
	if rec.Failure != nil {
		kept, err := c.keepFailure(ctx, *rec.Failure, ttl)
		if err != nil {
			return err
		}
		rec.Failure = &kept
	}
	rec.Done = c.now()
	for {
		old, revision, err := c.runRecord(ctx, rec.ID)
		switch {
		case err != nil && revision == 0:
			return err
		case err == nil && old.Status.Ready():
			return nil
		}
		if known, err := c.read(ctx, rec.ID); err == nil {
			rec.Task, rec.RootID, rec.ParentID, rec.Group, rec.Queue = known.Task, known.RootID, known.ParentID, known.Group, known.Queue
		} else if errors.Is(err, ErrUnknown) && !errors.Is(err, errNotSent) {
			return nil
		}
		if rec.Failure != nil {
			rec.Failure.Task = rec.Task
		}
		text, err := jsontext.Marshal(rec)
		if err != nil {
			return celery.Permanent(err)
		}
		_, err = c.store.Put(ctx, streams.Put{
			Key: stateKey(rec.ID), Value: text, TTL: wholeSeconds(ttl), Expect: streams.Revision(revision),
		})
		if !errors.Is(err, streams.ErrConflict) {
			return err
		}
	}
}
