package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/guard"
	"warren/workers/internal/jsontext"
)

// A run is one attempt of one task in a worker.
type run struct {
	w      *Worker
	m      *Message
	d      *streams.Delivery // nil where it has no place among the running ones
	task   *task             // nil where it is not registered
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time // by the broker's clock
	start  time.Time // the same moment, to measure from
	tries  int       // of what is done now

	refused bool        // it was given up as it was delivered
	whole   *Message    // the task with all steps behind it, once they were read to end them
	thrown  bool        // it failed as was to be expected
	called  atomic.Bool // its code has been called
	vacated atomic.Bool // its place is another's

	mu       sync.Mutex
	revision uint64 // of the record that this run may replace
	losses   int
	meta     json.RawMessage // what the task told of its progress
	said     bool            // that it has begun
	over     bool
}

func (w *Worker) newRun(m *Message) *run {
	return &run{w: w, m: m, task: w.app.lookup(m.Task), began: w.c.now(), start: time.Now()}
}

// lingering is how long a task runs before its record says that it has begun.
// Shorter ones would spend more on saying so than on running.
const lingering = 50 * time.Millisecond

// errOvertaken is that another run of the task has got further: what this one
// comes to is nobody's concern any more.
var errOvertaken = errors.New("another run of the task has overtaken this one")

// take runs what a queue delivered, and settles it once all that follows is sent.
// A task of another program that waited among more urgent ones goes to where those
// of its level wait.
func (w *Worker) take(ctx context.Context, queue string, l Level, d *streams.Delivery) {
	m, err := w.c.receive(d.Message, d.Stored())
	if m == nil {
		w.discard(ctx, queue, d, err)
		return
	}
	if m.Queue == "" {
		m.Queue = queue
	}
	if err != nil {
		w.giveUp(ctx, m, d, err)
		return
	}
	if waits, err := w.postponed(ctx, m, d); waits || err != nil {
		w.sendAway(ctx, m, d, func(again bool) error {
			if err != nil {
				return err
			}
			return w.postpone(ctx, m, again)
		})
		return
	}
	if m.Level() < l {
		w.forwardLess(ctx, m, d)
		return
	}
	w.serve(ctx, m, d)
}

// serve does everything about one delivery of a task. What follows the task's code is
// deferred: code that ends its goroutine, as runtime.Goexit does, ends this one.
func (w *Worker) serve(ctx context.Context, m *Message, d *streams.Delivery) {
	r := w.newRun(m)
	r.d = d
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if !w.enter(r) {
		r.settle(ctx, errOvertaken) // it is running here already
		return
	}
	r.received(ctx)
	o, err := outcome{err: guard.ErrExited}, error(nil)
	defer func() {
		if err == nil {
			err = r.record(ctx, o)
		}
		err = r.concede(ctx, err)
		w.leave(r)
		r.settle(ctx, err)
	}()
	o, err = r.perform(ctx, d.Redelivered)
}

// settle settles the delivery of a run by what became of it. An ack of one that was
// overtaken would take it from the other run: were its worker killed, nobody would
// run the task again.
func (r *run) settle(ctx context.Context, err error) {
	reached(pointSettling)
	switch {
	case err == nil:
		r.w.settle(r.d.Ack())
	case errors.Is(err, errOvertaken):
		r.w.settle(r.d.Lapse())
	case errors.Is(err, errShutdown):
		r.w.settle(r.d.Nack(streams.Requeue))
	default:
		r.log().Warn("could not record what became of a task; it is run again", "error", err)
		pause(ctx, time.Second)
		r.w.settle(r.d.Nack(streams.Requeue))
	}
}

// concede looks at what another run, or who revoked the task, has made of it. The tasks
// of an entry of beat are claimed before they run: however long ago the same one was sent
// before, it does not run again.
func (r *run) concede(ctx context.Context, err error) error {
	if errors.Is(err, ErrRevoked) { // it was while it seemed to wait
		err = r.finish(ctx, outcome{err: ErrRevoked})
	}
	if !errors.Is(err, errOvertaken) {
		return err
	}
	if _, done, err := r.ended(ctx); done || err != nil {
		return err
	}
	return errOvertaken
}

// perform runs the task, unless it has run. What keeps it from being begun for good is
// what it came to.
func (r *run) perform(ctx context.Context, again bool) (outcome, error) {
	var done bool
	err := r.persist(func() (err error) {
		done, err = r.begin(ctx, again)
		return err
	}, undecided)
	switch {
	case r.final(err):
		return outcome{err: Reject(err)}, nil
	case done || err != nil:
		return outcome{recorded: done}, err
	}
	return r.attempt(ctx), nil
}

// begin does what comes before the task's code. It is done when there is nothing left
// to run.
func (r *run) begin(ctx context.Context, again bool) (done bool, err error) {
	if done, err := r.passOn(ctx); done || err != nil {
		return done, err
	}
	if done, err := r.turn(ctx); done || err != nil {
		return done, err
	}
	if again || r.m.Retries > 0 || r.m.turn || r.m.passes > 0 {
		if done, err := r.resume(ctx, again); done || err != nil {
			return done, err
		}
	}
	if r.m.Headers[headerScheduled] != "" && !r.said {
		if err := r.say(ctx, Started); err != nil {
			return false, err
		}
	}
	return false, r.w.c.fetchAll(ctx, r.m)
}

// record records what the task came to, and sends what follows. Where that cannot be
// done, that is what it came to, and where not even that can be recorded, it is kept
// as a dead letter.
func (r *run) record(ctx context.Context, o outcome) error {
	if o.recorded {
		return nil
	}
	defer r.vacate()()
	for range 2 {
		err := r.persist(func() error { return r.finish(ctx, o) }, passing)
		if !r.final(err) {
			return err
		}
		o = outcome{err: Reject(err)}
	}
	r.log().Error("gave up a task whose end cannot be recorded", "error", o.err)
	rec := r.m.about(Failed)
	rec.Worker, rec.Failure, rec.Done = r.w.cfg.Name, r.failure(o.err), r.w.c.now()
	return r.bury(ctx, rec)
}

// persist does something until it is done, the worker ends, or it is known to be in
// vain. What fails for a reason that lasts otherwise than the worst it puts up with is
// left to its caller.
func (r *run) persist(do func() error, worst lasting) error {
	for r.tries = 1; ; r.tries++ {
		err := do()
		lasts := lastingOf(err)
		if err == nil || others(err) || r.w.ending() || final(err, r.tries) || lasts > worst {
			return err
		}
		if lasts == passing {
			r.tries--
		}
		r.log().Warn("could not record what becomes of a task; it is tried again", "error", err)
		r.w.rest(time.Second)
	}
}

// final reports whether what failed so is given up.
func (r *run) final(err error) bool { return err != nil && !others(err) && final(err, r.tries) }

// others reports whether an error says that the run is somebody else's to end.
func others(err error) bool {
	return errors.Is(err, errOvertaken) || errors.Is(err, errShutdown) || errors.Is(err, ErrRevoked)
}

// vacate gives the place of a run whose code is done to the next task, which is
// taken and begun while what this one came to is recorded. No more than a worker runs
// at once are recorded so: where the broker is slow to take results, the others keep
// their places until they are settled. The returned function ends it.
func (r *run) vacate() (recorded func()) {
	if r.w.recording.Add(1) <= int64(r.w.intake.tasks.Limit()) {
		r.vacated.Store(true)
		r.d.Vacate()
	}
	return func() { r.w.recording.Add(-1) }
}

// enter makes a run known to whoever cancels it; false says that there is one of
// the same attempt already. The next attempt may come before the last one has left.
func (w *Worker) enter(r *run) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.active[r.m.attempt()] != nil {
		return false
	}
	w.active[r.m.attempt()] = r
	if w.handingBack {
		r.cancel(errShutdown)
	}
	return true
}

func (w *Worker) leave(r *run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.active, r.m.attempt())
}

// resume looks at what other runs of the task have come to. It is done when there
// is nothing left to run: what follows is then sent again, in case it was not.
func (r *run) resume(ctx context.Context, again bool) (done bool, err error) {
	rec, done, err := r.ended(ctx)
	switch {
	case done || err != nil || !again:
		return done, err
	case rec.Status == Started && rec.Retries == r.m.Retries:
		r.losses = rec.Losses + 1
	case rec.Status != Received:
		r.losses = 1
	default:
		r.losses = rec.Losses
	}
	if r.losses >= r.w.cfg.Losses {
		return true, r.finish(ctx, outcome{err: fmt.Errorf("%d of them: %w", r.losses, ErrWorkerLost)})
	}
	return false, r.say(ctx, Started)
}

// ended reports whether another run has brought the attempt to its end. What
// follows is then sent again, in case it was not.
func (r *run) ended(ctx context.Context) (rec record, done bool, err error) {
	rec, revision, err := r.w.c.runRecord(ctx, r.m.ID)
	if err == nil || revision != 0 {
		r.mu.Lock()
		r.revision = revision
		r.mu.Unlock()
	}
	switch {
	case err != nil:
		return rec, false, err
	case rec.Status.Ready():
		return rec, true, r.follow(ctx, rec)
	case rec.Retries > r.m.Retries:
		return rec, true, r.reschedule(ctx, rec)
	}
	return rec, false, nil
}

// say records how far the run is, if it has not been overtaken.
func (r *run) say(ctx context.Context, s State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil
	}
	rec := r.m.about(s)
	rec.Losses, rec.Meta = r.losses, r.meta
	r.said = s == Started
	return r.write(ctx, rec)
}

// write replaces the record of the run, for as long as the app's Timeout allows. The
// lock is held.
func (r *run) write(ctx context.Context, rec record) error {
	rec.Worker, rec.Began = r.w.cfg.Name, r.began
	text, err := jsontext.Marshal(rec)
	if err != nil {
		return err
	}
	until := time.Now().Add(r.w.c.cfg.Timeout)
	for {
		put := streams.Put{
			Key: stateKey(r.m.ID), Value: text, TTL: wholeSeconds(r.expires(rec.Status)), Expect: streams.Revision(r.revision),
		}
		try, cancel := context.WithTimeout(ctx, min(answerTime, time.Until(until)))
		revision, err := r.w.c.store.Put(try, put)
		cancel()
		switch {
		case err == nil:
			r.revision = revision
			r.outlive(ctx, put.TTL)
			return nil
		case !errors.Is(err, streams.ErrConflict) && (ctx.Err() != nil || !time.Now().Before(until) || !unanswered(err)):
			return err
		}
		if err := r.regain(ctx, rec.Status); err != nil {
			return err
		}
	}
}

// outlive takes away what was recorded when the task was sent, where that would be
// kept for longer than the result, and would say then that the task waits.
func (r *run) outlive(ctx context.Context, kept time.Duration) {
	if kept == 0 || kept >= r.w.c.cfg.ResultExpires {
		return
	}
	if err := r.w.c.store.Delete(ctx, sentKey(r.m.ID)); err != nil {
		r.w.log.Debug("could not forget that a task was sent", "id", r.m.ID, "error", err)
	}
}

// regain looks whose record is in the place of the one that is to be replaced by one
// of a state. It may be the run's own, of which nobody knew whether it had arrived;
// the one before may have expired, or been forgotten. Who revokes a task that waits
// records that, and the run, which nobody had told, ends so.
func (r *run) regain(ctx context.Context, s State) error {
	rec, revision, err := r.w.c.runRecord(ctx, r.m.ID)
	switch {
	case err != nil && revision != 0:
		r.revision = revision // of what cannot be read nobody gets anything
		return nil
	case err != nil:
		return err
	}
	revoked := rec.Status == Revoked && rec.Worker == ""
	if !revoked && revision != 0 && revision != r.revision && (rec.Worker != r.w.cfg.Name || !rec.Began.Equal(r.began)) {
		return errOvertaken
	}
	r.revision = revision
	if revoked && s != Revoked {
		return ErrRevoked
	}
	return nil
}

// expires is how long a record is kept: one that is not the last for as long as
// the store keeps anything.
func (r *run) expires(s State) time.Duration {
	if !s.Ready() {
		return 0
	}
	if r.m.ResultTTL > 0 {
		return r.m.ResultTTL
	}
	if r.task != nil && r.task.opts.ResultTTL > 0 {
		return time.Duration(r.task.opts.ResultTTL)
	}
	return r.w.c.cfg.ResultExpires
}

// outcome is what an attempt came to.
type outcome struct {
	value    json.RawMessage
	err      error
	recorded bool // it has run before, or waits for its turn: nothing is left to do
}

// attempt runs the task, unless it must not be run any more.
func (r *run) attempt(ctx context.Context) outcome {
	m := r.m
	switch {
	case r.ctx.Err() != nil:
		return outcome{err: context.Cause(r.ctx)}
	case r.w.revoked.has(m.ID) || r.w.revoked.has(m.RootID):
		return outcome{err: ErrRevoked}
	case !m.Expires.IsZero() && r.w.c.now().After(m.Expires):
		return outcome{err: ErrExpired}
	}
	invoke, err := r.code()
	if err != nil {
		return outcome{err: err}
	}
	reached(pointTaken)
	r.starts()
	limited, cancel := r.limit()
	defer cancel()
	if !r.said {
		defer r.linger(ctx)()
	}
	o := r.guard(limited, func(ctx context.Context) (json.RawMessage, error) {
		run := r.w.c.cfg.aroundRun(func(ctx context.Context, _ Request) (json.RawMessage, error) { return invoke(ctx) })
		return run(ctx, r.request())
	})
	reached(pointRan)
	return o
}

// linger records, in a while, that the run has begun; the returned function waits
// until that is over.
func (r *run) linger(ctx context.Context) func() {
	said := make(chan struct{})
	timer := time.AfterFunc(lingering, func() {
		defer close(said)
		r.sayStarted(ctx)
	})
	return func() {
		if !timer.Stop() {
			<-said
		}
	}
}

// sayStarted ends a run that was overtaken. A record that could not be written is
// no reason to: it will be.
func (r *run) sayStarted(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.w.c.cfg.Timeout)
	defer cancel()
	switch err := r.say(ctx, Started); {
	case errors.Is(err, errOvertaken), errors.Is(err, ErrRevoked):
		r.cancel(err)
	case err != nil:
		r.log().Warn("could not record that a task has begun", "error", err)
	}
}

// limit is the context of the task's code: it ends at the soft limit, or with the
// run.
func (r *run) limit() (context.Context, context.CancelFunc) {
	ctx := context.WithValue(r.ctx, runKey{}, r)
	if soft := r.bound(r.m.SoftLimit, func(o CallOptions) Seconds { return o.SoftLimit }); soft > 0 {
		return context.WithTimeoutCause(ctx, soft, ErrSoftTimeLimit)
	}
	return ctx, func() {}
}

// bound is a limit of the call, or else of the task.
func (r *run) bound(asked time.Duration, defined func(CallOptions) Seconds) time.Duration {
	if asked > 0 {
		return asked
	}
	if r.task != nil {
		return time.Duration(defined(r.task.opts.CallOptions))
	}
	return 0
}

// guard runs the code, and gives it up at the hard limit.
func (r *run) guard(ctx context.Context, invoke func(context.Context) (json.RawMessage, error)) outcome {
	hard := r.bound(r.m.HardLimit, func(o CallOptions) Seconds { return o.HardLimit })
	if hard == 0 {
		return call(ctx, invoke)
	}
	done := make(chan outcome)
	givenUp := make(chan struct{})
	go func() {
		o := outcome{err: guard.ErrExited}
		defer func() { // also when the code ends its goroutine
			select {
			case done <- o:
			case <-givenUp:
				r.w.leaked.Add(-1)
			}
		}()
		o = call(ctx, invoke)
	}()
	timer := time.NewTimer(hard)
	defer timer.Stop()
	select {
	case o := <-done:
		return o
	case <-timer.C:
		r.cancel(ErrTimeLimit)
		r.w.leaked.Add(1)
		close(givenUp)
		return outcome{err: fmt.Errorf("%w of %v", ErrTimeLimit, hard)}
	}
}

// call runs the code of a task and catches its panic, and that of the error it returns:
// a nil pointer in an interface panics when it is asked for its text.
func call(ctx context.Context, invoke func(context.Context) (json.RawMessage, error)) (o outcome) {
	defer func() {
		if v := recover(); v != nil {
			o = outcome{err: &guard.Panic{Value: v, Stack: string(debug.Stack())}}
		}
	}()
	value, err := invoke(ctx)
	if err == nil {
		return outcome{value: value}
	}
	_ = err.Error()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return outcome{err: err}
}

// code finds what runs a task.
func (r *run) code() (func(context.Context) (json.RawMessage, error), error) {
	if r.m.foreignChord() {
		return nil, ErrForeignChord
	}
	if r.m.Task == canvas.PlanTask {
		return func(context.Context) (json.RawMessage, error) { return r.m.given(), nil }, nil
	}
	if r.m.Task == canvas.StarmapTask || r.m.Task == mapTask {
		return r.w.mapCode(r.m)
	}
	if r.task == nil {
		return nil, fmt.Errorf("%w: worker %s has no task %q", ErrNotRegistered, r.w.cfg.Name, r.m.Task)
	}
	args, err := r.task.bind(r.m.Args, r.m.Kwargs)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (json.RawMessage, error) { return r.task.invoke(ctx, args) }, nil
}
