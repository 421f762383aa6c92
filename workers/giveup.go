package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// What follows an event is sent by a worker, or a scheduler, and not by whoever asked
// for it. A task of it that cannot be sent is given up in its own name: it has failed,
// is a dead letter, and what stands behind it ends.

// A refusal is a task that cannot be sent, and why.
type refusal struct {
	m     *Message
	cause error
}

// refuses reports whether the error of sending a task is one that the task is given
// up for. Of what a client sends, nothing is: the client is told.
func (eff *effects) refuses(err error) bool {
	return err != nil && eff.final != nil && eff.final(err)
}

// refuse gives a task up, or gives the error back that is no reason to.
func (eff *effects) refuse(m *Message, err error) error {
	if !eff.refuses(err) {
		return err
	}
	for _, r := range eff.refused {
		if r.m.ID == m.ID {
			return nil
		}
	}
	eff.refused = append(eff.refused, refusal{m, err})
	return nil
}

// goOn gives up what cannot be sent from here on: other tasks have been sent, and what
// waits for all of them is to be told.
func (eff *effects) goOn() {
	if eff.final == nil {
		eff.final = func(err error) bool { return lastingOf(err) == permanent }
	}
}

// isRefused reports whether a task was given up.
func (eff *effects) isRefused(m *Message) bool {
	for _, r := range eff.refused {
		if r.m.ID == m.ID {
			return true
		}
	}
	return false
}

// giveUp keeps the dead letter of a task that could not be sent, and adds what follows.
func (c *client) giveUp(ctx context.Context, r refusal, next *effects) error {
	f, err := c.keepFailure(ctx, c.unsent(r), 0)
	if err != nil {
		return err
	}
	m, err := c.withRest(ctx, r.m)
	switch {
	case err == nil:
		r.m = m
	case !errors.Is(err, errPlanOver): // then there is nothing left to end
		return err
	}
	if err := c.bury(ctx, c.letterOf(r.m, f)); err != nil {
		return err
	}
	r.m.log(c.cfg.Logger).Error("gave up a task that cannot be sent", "error", r.cause)
	if celery.CheckID(r.m.ID) == nil {
		next.Ends = append(next.Ends, canvas.End{ID: r.m.ID, Task: r.m.Task, ReplyTo: r.m.replyTo, Cause: f})
	}
	next.fail(r.m, f)
	return nil
}

// unsent is the failure of a task that could not be sent.
func (c *client) unsent(r refusal) Failure {
	return Failure{
		TaskID: r.m.ID, Task: r.m.Task, Attempt: r.m.Retries + 1,
		Type:    first(c.app.errorName(r.cause), typeOf(r.cause)),
		Message: fmt.Sprintf("it cannot be sent: %v", r.cause),
	}
}

// letterOf is the dead letter of a task. Its message is what can be written of it.
func (c *client) letterOf(m *Message, f Failure) DeadLetter {
	text, err := m.encode()
	if err != nil {
		plain := *m
		plain.Headers, plain.Embed = nil, Embed{}
		text, err = plain.encode()
	}
	if err != nil {
		text = streams.Message{CorrelationID: m.ID, Headers: streams.Table{"task": m.Task, "id": m.ID}}
	}
	l := DeadLetter{
		ID: m.ID, Task: m.Task, Queue: m.Queue, Worker: f.Worker, Attempt: m.Retries + 1,
		Date: c.now(), Failure: f, Message: text,
	}
	if celery.CheckID(l.ID) != nil {
		l.ID = idOf(text)
	}
	return l
}

// refuseJoins gives up groups that cannot be recorded, with the members that are to be
// sent: what waits for them has failed.
func (c *client) refuseJoins(ctx context.Context, eff, next *effects, cause error) error {
	lost := make(map[string]bool)
	for i := range eff.Joins {
		j := &eff.Joins[i]
		lost[j.ID] = true
		var err error
		if j.Rest, j.Plan, err = c.allSteps(ctx, j.Rest, j.Plan); err != nil && lastingOf(err) != permanent {
			return err
		}
		f := Failure{TaskID: j.ID, Type: typeOf(cause), Message: fmt.Sprintf("the group cannot be recorded: %v", cause)}
		next.Break(j, j.Failure([]Failure{f}), false)
	}
	for _, m := range eff.messages() {
		if m.Embed.Chord != nil && lost[m.Embed.Chord.Options.GroupID] {
			_ = eff.refuse(m, cause)
		}
	}
	return nil
}

// giveUp ends a task that was delivered and cannot be run: it has failed, and what
// stands behind it ends.
func (w *Worker) giveUp(ctx context.Context, m *Message, d *streams.Delivery, cause error) {
	if celery.CheckID(m.ID) != nil {
		w.discard(ctx, m.Queue, d, cause)
		return
	}
	r := w.newRun(m)
	r.d, r.refused = d, true
	err := r.giveUp(ctx, cause)
	if err != nil && !errors.Is(err, errOvertaken) {
		r.log().Warn("could not give up a task; it is tried again", "cause", cause, "error", err)
		w.rest(time.Second)
		w.settle(d.Nack(streams.Requeue))
		return
	}
	w.settle(d.Ack())
}

// giveUp records that a task has failed, unless another run has brought it to its end.
func (r *run) giveUp(ctx context.Context, cause error) error {
	if _, done, err := r.ended(ctx); done || err != nil && lastingOf(err) != permanent {
		return err
	}
	return r.fail(ctx, cause)
}
