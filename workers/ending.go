package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/guard"
)

// finish records what an attempt came to, and sends what follows.
func (r *run) finish(ctx context.Context, o outcome) error {
	m := r.m
	switch {
	case o.err == nil:
		return r.succeed(ctx, o.value)
	case errors.Is(o.err, ErrIgnore):
		return nil
	case errors.Is(o.err, errOvertaken):
		return errOvertaken
	case errors.Is(o.err, errShutdown):
		return r.handBack(ctx)
	case errors.Is(o.err, ErrRevoked), errors.Is(o.err, ErrExpired):
		rec := m.about(Revoked)
		rec.Failure = r.failure(o.err)
		return r.end(ctx, rec)
	}
	if errors.Is(o.err, ErrForeignChord) || errors.Is(o.err, ErrNotRegistered) || errors.Is(o.err, ErrArguments) || errors.Is(o.err, ErrWorkerLost) {
		return r.fail(ctx, o.err) // no other attempt comes to anything else
	}
	if after, ok := again(o.err, r.policy(), m.Retries); ok {
		return r.retry(ctx, after, o.err)
	}
	return r.fail(ctx, o.err)
}

// succeed records a result, or where it is kept.
func (r *run) succeed(ctx context.Context, value json.RawMessage) error {
	rec := r.m.about(Succeeded)
	if r.m.unwanted() {
		return r.end(ctx, rec)
	}
	ttl := r.expires(Succeeded)
	if r.m.handsOn() {
		ttl = max(ttl, r.w.c.keptFor(r.m.position().Gathering)) // others get it too
	}
	var err error
	if rec.Result, err = r.w.c.spillOver(ctx, value, r.w.c.largestAt(r.m.position()), ttl); err != nil {
		return err
	}
	return r.end(ctx, rec)
}

// policy is the retry policy of the call, with the errors of the task's own.
func (r *run) policy() *RetryPolicy {
	switch {
	case r.task == nil || r.task.opts.Retry == nil:
		return r.m.Retry
	case r.m.Retry == nil:
		return r.task.opts.Retry
	}
	p := celery.WithErrorsOf(*r.m.Retry, *r.task.opts.Retry)
	return &p
}

// handBack records that the worker, and not the task, is why it did not end.
func (r *run) handBack(ctx context.Context) error {
	if err := r.say(ctx, Received); err != nil {
		return err
	}
	return errShutdown
}

func (r *run) fail(ctx context.Context, err error) error {
	rec := r.m.about(Failed)
	var kept error
	if rec.Failure, kept = r.keptFailure(ctx, err); kept != nil {
		return kept
	}
	r.thrown = r.task != nil && slices.ContainsFunc(r.task.opts.throws, func(e error) bool { return errors.Is(err, e) })
	return r.end(ctx, rec)
}

// keptFailure is the failure of an error, kept apart if it is large.
func (r *run) keptFailure(ctx context.Context, err error) (*Failure, error) {
	f, err := r.w.c.keepFailure(ctx, *r.failure(err), r.expires(Failed))
	return &f, err
}

// failure words an error for those who are told.
func (r *run) failure(err error) *Failure {
	f := &Failure{
		TaskID: r.m.ID, Task: r.m.Task, Message: err.Error(), Attempt: r.m.Retries + 1, Worker: r.w.cfg.Name,
	}
	var panicked *guard.Panic
	if errors.As(err, &panicked) {
		f.Type, f.Traceback = "panic", panicked.Stack
		return f
	}
	if errors.Is(err, guard.ErrExited) {
		f.Type = "goexit"
		return f
	}
	for {
		var asked *retryError
		var rejected *rejection
		switch {
		case errors.As(err, &asked):
			err = asked.cause
		case errors.As(err, &rejected):
			err = rejected.cause
		default:
			f.Message = err.Error()
			f.Type = first(r.w.app.errorName(err), typeOf(err))
			return f
		}
	}
}

// typeOf is the type of an error that is not registered. What the standard library
// wraps errors in says nothing.
func typeOf(err error) string {
	var ours *celery.PermanentError
	if errors.As(err, &ours) {
		err = ours.Err
	}
	if reflect.TypeOf(err) == reflect.TypeFor[*Failure]() {
		return "*workers.Failure" // as its users know it
	}
	name := fmt.Sprintf("%T", err)
	if strings.HasPrefix(name, "*errors.") || strings.HasPrefix(name, "*fmt.") {
		return "error"
	}
	return name
}

// end records the end of the task, and sends what follows. Whoever is overtaken
// sends nothing.
func (r *run) end(ctx context.Context, rec record) error {
	eff, err := r.effects(ctx, rec)
	if errors.Is(err, errPlanOver) {
		eff, err = &effects{}, nil // another run has gone on; if it has not ended this one, too, it is ended here
	}
	if err != nil {
		return err
	}
	rec.Done = r.w.c.now()
	rec.Children = eff.children()
	if err := r.conclude(ctx, rec); err != nil {
		return err
	}
	reached(pointRecorded)
	r.tell(ctx, rec)
	if err := r.reply(ctx, rec); err != nil {
		return err
	}
	return r.carry(ctx, rec, eff)
}

// conclude writes the last record of the task; that of a success nobody wants to
// know of only where another record is in its place.
func (r *run) conclude(ctx context.Context, rec record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.m.unwanted() && rec.Status == Succeeded && r.revision == 0 {
		return nil
	}
	return r.write(ctx, rec)
}

// effects are what follows a record that is the last.
func (r *run) effects(ctx context.Context, rec record) (*effects, error) {
	eff := &effects{Effects: canvas.Effects{SentAt: r.w.c.now()}, final: r.final}
	m, err := r.steps(ctx, rec.Status)
	if err != nil {
		return nil, err
	}
	if r.m.plan != nil && m.plan == nil && !r.refused {
		eff.over = append(eff.over, r.m.plan.ID)
	}
	switch rec.Status {
	case Succeeded:
		eff.Succeed(rec.Result, m.Embed.Callbacks, m.position())
	case Failed:
		eff.fail(m, *rec.Failure)
	case Revoked:
		f := Failure{TaskID: r.m.ID, Task: r.m.Task, Type: revokedType, Message: ErrRevoked.Error()}
		if rec.Failure != nil {
			f = *rec.Failure
		}
		eff.Stop(f, true, m.position())
	}
	return eff, nil
}

// steps gives the task with the steps behind it that its end needs: the next one, or all
// that end with it. Those that are lost are ended as far as they are known.
func (r *run) steps(ctx context.Context, ended State) (*Message, error) {
	if ended != Succeeded {
		var err error
		r.whole, err = r.w.c.withRest(ctx, r.m)
		return r.whole, err
	}
	m := *r.m
	var err error
	m.Embed.Chain, m.plan, err = r.w.c.ahead(ctx, m.Embed.Chain, m.plan)
	return &m, err
}

// withRest gives a task with all steps behind it, as far as they are kept. Of those that
// are lost the plan is left.
func (c *client) withRest(ctx context.Context, m *Message) (*Message, error) {
	if m.plan == nil {
		return m, nil
	}
	whole := *m
	var err error
	whole.Embed.Chain, whole.plan, err = c.allSteps(ctx, m.Embed.Chain, m.plan)
	if err != nil && !errors.Is(err, errPlanOver) && lastingOf(err) == permanent {
		m.log(c.cfg.Logger).Error("cannot end all that follows a task", "error", err)
		err = nil
	}
	return &whole, err
}

// follow sends what follows a task that has ended, again.
func (r *run) follow(ctx context.Context, rec record) error {
	if err := r.reply(ctx, rec); err != nil {
		return err
	}
	eff, err := r.effects(ctx, rec)
	switch {
	case errors.Is(err, errPlanOver):
		return nil // it was sent before the plan was cleared away
	case err != nil && r.final(err):
		return r.strand(ctx, rec, err)
	case err != nil:
		return err
	}
	eff.again = true
	return r.carry(ctx, rec, eff)
}

// retry records that the task is to be run again, and sends it.
func (r *run) retry(ctx context.Context, after time.Duration, err error) error {
	ctx, cancel := context.WithTimeout(ctx, r.w.c.cfg.Timeout)
	defer cancel()
	rec := r.m.about(Retrying)
	rec.Retries = r.m.Retries + 1
	var werr error
	if rec.Failure, werr = r.keptFailure(ctx, err); werr != nil {
		return werr
	}
	rec.Done = r.w.c.now().Add(after) // when it is due
	r.mu.Lock()
	r.over = true
	werr = r.write(ctx, rec)
	r.mu.Unlock()
	if werr != nil {
		return werr
	}
	reached(pointRecorded)
	r.tell(ctx, rec)
	if err := r.reply(ctx, rec); err != nil {
		return err
	}
	return r.reschedule(ctx, rec)
}

// reschedule sends the attempt that a record speaks of, unless it was sent.
func (r *run) reschedule(ctx context.Context, rec record) error {
	if rec.Status != Retrying || rec.Retries != r.m.Retries+1 {
		return nil // that attempt has begun
	}
	next := *r.m
	next.turn, next.passes, next.unclaimed = false, 0, 0
	next.Retries = rec.Retries
	next.ETA = rec.Done
	s, err := r.w.c.dispatch(ctx, &next, r.w.c.now())
	if err != nil {
		return err
	}
	return s.wait(ctx)
}
