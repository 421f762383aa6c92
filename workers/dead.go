package workers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A DeadLetter is a task that was given up: it failed and has no retries left, or
// never had any, was lost with its workers, or is not registered; or a message that
// is no task. It is kept for thirty days, until it is replayed or dropped.
type DeadLetter struct {
	// ID is that of the task; what is no task has one that is made of it, and of where
	// it was stored: of two equal messages each has its own.
	ID string `json:"id"`
	// Task is its name; empty for what is no task.
	Task  string `json:"task"`
	Queue string `json:"queue"`
	// Worker gave it up, after so many attempts.
	Worker  string `json:"worker"`
	Attempt int    `json:"attempt"`
	// Date is when.
	Date    time.Time `json:"date"`
	Failure Failure   `json:"failure"`
	// Message is all of it, as it was in its queue.
	Message streams.Message `json:"message"`
}

// deadJSON is how a letter is kept: its body by itself, in pieces if it is large, and
// all of it so where its headers are large too.
type deadJSON struct {
	DeadLetter
	Body   json.RawMessage `json:"body,omitempty"`
	BodyAt *celery.Claim   `json:"body_at,omitempty"`
	AllAt  *celery.Claim   `json:"all_at,omitempty"`
}

// seal writes a letter.
func (c *client) seal(ctx context.Context, l DeadLetter) (json.RawMessage, error) {
	body, err := jsontext.Marshal(l.Message.Body)
	if err != nil {
		return nil, err
	}
	if body, err = c.spill(ctx, body, joinExpires); err != nil {
		return nil, err
	}
	l.Message.Body = nil
	out := deadJSON{DeadLetter: l}
	out.Body, out.BodyAt = celery.Apart(body)
	text, err := jsontext.Marshal(out)
	if err != nil || len(text) <= 4*c.largest() {
		return text, err
	}
	all, err := c.keepApart(ctx, text, joinExpires)
	if err != nil {
		return nil, err
	}
	return jsontext.Marshal(deadJSON{DeadLetter: DeadLetter{ID: l.ID, Attempt: l.Attempt}, AllAt: &all})
}

// unseal reads a letter.
func (c *client) unseal(ctx context.Context, text []byte) (DeadLetter, error) {
	var in deadJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return in.DeadLetter, err
	}
	if in.AllAt != nil {
		all, err := c.fetch(ctx, in.AllAt.Reference())
		in = deadJSON{}
		if err == nil {
			err = json.Unmarshal(all, &in)
		}
		if err != nil {
			return in.DeadLetter, err
		}
	}
	body, err := celery.Together(in.Body, in.BodyAt)
	if err == nil {
		body, err = c.fetch(ctx, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &in.Message.Body)
	}
	in.Failure = c.wholeFailure(ctx, in.Failure)
	return in.DeadLetter, err
}

// A letter has the attempt in its key, so that what is taken away is what was
// looked at, and not the letter of a later attempt.
func deadKey(id string, attempt int) string { return deadKeys(id) + strconv.Itoa(attempt) }

// deadKeys begins the keys of all letters of an id.
func deadKeys(id string) string { return "dead." + celery.IDWord(id) + "." }

// DeadLetters ranges over what was given up, in that order, and ends with an error
// if there is one.
func (a *App) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		c, err := a.connected()
		left := false
		if err == nil {
			err = c.letters(ctx, "dead.>", func(l DeadLetter) bool {
				left = !yield(l, nil)
				return !left
			})
		}
		if err != nil && !left {
			yield(DeadLetter{}, fmt.Errorf("list dead letters: %w", err))
		}
	}
}

func (c *client) letters(ctx context.Context, pattern string, f func(DeadLetter) bool) error {
	var unread error
	err := c.store.Range(ctx, pattern, func(e streams.Entry) bool {
		l, err := c.unseal(ctx, e.Value)
		if err != nil {
			unread = errors.Join(unread, fmt.Errorf("read %s: %w", e.Key, err))
			return true
		}
		return f(l)
	})
	return errors.Join(err, unread)
}

// DropDeadLetter forgets what was given up under an id. If nothing was, the error is
// [ErrNoDeadLetter], unless the task is being replayed: its letter has gone with that.
// The letter of a task that has failed this moment is waited for, a second at most.
func (a *App) DropDeadLetter(ctx context.Context, id string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if err := celery.CheckID(id); err != nil {
		return err
	}
	for {
		count, err := c.store.Purge(ctx, deadKeys(id)+"*")
		if err == nil && count == 0 {
			err = c.noLetter(ctx, id)
		}
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errLetterComes):
			return fmt.Errorf("drop the dead letter of %s: %w", id, err)
		}
	}
}

// errLetterComes says that a task has failed a moment ago, and its letter is on its
// way.
var errLetterComes = errors.New("the dead letter is not kept yet")

// lettersTake is how long after the end of a task its letter is kept at the latest, but
// for a worker that was killed in between.
const lettersTake = time.Second

// noLetter is what it means that there is no letter of a task: nothing, if the task is
// under way again, errLetterComes, after a moment, if it has just failed, and
// ErrNoDeadLetter otherwise.
func (c *client) noLetter(ctx context.Context, id string) error {
	r, err := c.read(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		return ErrNoDeadLetter
	case err != nil:
		return err
	case !r.Status.Ready():
		return nil
	case r.Status != Failed || c.now().Sub(r.Done) > lettersTake:
		return ErrNoDeadLetter
	}
	select {
	case <-time.After(lettersTake / 100):
		return errLetterComes
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DropDeadLetters forgets all that was given up, and says how many there were.
func (a *App) DropDeadLetters(ctx context.Context) (int, error) {
	c, err := a.connected()
	if err != nil {
		return 0, err
	}
	count, err := c.store.Purge(ctx, "dead.>")
	if err != nil {
		return 0, fmt.Errorf("drop dead letters: %w", err)
	}
	return count, nil
}

// letter finds the letter of an id, the last of several.
func (c *client) letter(ctx context.Context, id string) (DeadLetter, error) {
	var found *DeadLetter
	err := c.letters(ctx, deadKeys(id)+"*", func(l DeadLetter) bool {
		if found == nil || l.Attempt > found.Attempt {
			found = &l
		}
		return true
	})
	if err == nil && found == nil {
		err = ErrNoDeadLetter
	}
	if err != nil {
		return DeadLetter{}, err
	}
	return *found, nil
}

// carry sends what follows the end of a task. One that was given up is kept
// before; a worker that dies here does both again.
func (r *run) carry(ctx context.Context, rec record, eff *effects) error {
	if rec.Status != Failed && eff.none() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.w.c.cfg.Timeout)
	defer cancel()
	if rec.Status == Failed {
		if err := r.bury(ctx, rec); err != nil {
			return err
		}
	}
	err := r.w.c.carry(ctx, eff)
	if err != nil && r.final(err) {
		return r.strand(ctx, rec, err)
	}
	return err
}

// strand keeps the dead letter of a task that has ended, where what follows it cannot
// be done: nobody knows any more what waits for it.
func (r *run) strand(ctx context.Context, rec record, cause error) error {
	cause = fmt.Errorf("the task has ended, and what follows it is lost: %w", cause)
	r.log().Error("gave up what follows a task", "error", cause)
	if rec.Status == Failed {
		return nil // it is a dead letter already
	}
	rec.Worker, rec.Failure = r.w.cfg.Name, r.failure(cause)
	return r.bury(ctx, rec)
}

func (r *run) bury(ctx context.Context, rec record) error {
	m := *r.m
	if r.whole != nil && r.whole.plan == nil {
		m = *r.whole // the plan is cleared away
	}
	m.Retries = rec.Retries
	l := r.w.c.letterOf(&m, *rec.Failure)
	l.Worker, l.Date = rec.Worker, rec.Done
	if r.refused {
		l.Message = r.d.Message
	}
	return r.w.c.bury(ctx, l)
}

func (c *client) bury(ctx context.Context, l DeadLetter) error {
	text, err := c.seal(ctx, l)
	if err != nil {
		return err
	}
	if err := c.keep(ctx, streams.Put{Key: deadKey(l.ID, l.Attempt), Value: text}); err != nil {
		return fmt.Errorf("keep the dead letter of %s: %w", l.ID, err)
	}
	return nil
}

// malformed is the type of the failure of what cannot be read.
const malformed = "DecodeError"

// discard takes what is no task out of its queue, and keeps it.
func (w *Worker) discard(ctx context.Context, queue string, d *streams.Delivery, cause error) {
	l := DeadLetter{
		ID: idOf(d.Message, queue, d.StoredAs()), Queue: queue, Worker: w.cfg.Name, Attempt: 1, Date: w.c.now(),
		Failure: Failure{Type: malformed, Message: cause.Error(), Attempt: 1, Worker: w.cfg.Name},
		Message: d.Message,
	}
	l.Failure.TaskID = l.ID
	if err := w.c.bury(ctx, l); err != nil {
		w.log.Warn("could not keep what is no task; it is tried again", "queue", queue, "error", err)
		pause(ctx, time.Second)
		w.settle(d.Nack(streams.Requeue))
		return
	}
	w.log.Error("gave up what is no task", "queue", queue, "id", l.ID, "error", cause)
	w.emit(Event{Type: TaskRejected, UUID: l.ID, Queue: queue, Exception: malformed + ": " + cause.Error()})
	w.settle(d.Ack())
}

// idOf makes an id of a message, and of what tells it from others that are the same.
func idOf(m streams.Message, where ...string) string {
	text, _ := json.Marshal([]any{m, where}) // what came as a message can be written
	sum := sha256.Sum256(text)
	return "malformed-" + hex.EncodeToString(sum[:8])
}
