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
)

// A run is one attempt of one task in a worker.
type run struct {
	w      *Worker
	m      *Message
	d      *streams.Delivery // nil where it has no place among the running ones
	task   *task             // nil where it is not registered
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time

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
	return &run{w: w, m: m, task: w.app.lookup(m.Task), began: time.Now().UTC()}
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
	m, err := w.c.receive(d.Message)
	if err != nil {
		w.discard(ctx, queue, d, err)
		return
	}
	if m.Queue == "" {
		m.Queue = queue
	}
	if m.Level() < l {
		d.MessageID = m.dispatch()
		w.forwardTask(ctx, m, d)
		return
	}
	err = w.serve(ctx, m, d)
	reached(pointSettling)
	switch {
	case err == nil:
		w.settle(d.Ack())
	case errors.Is(err, errOvertaken):
		// An ack would take it from the other run: were its worker killed, nobody
		// would run the task again.
		w.settle(d.Lapse())
	case errors.Is(err, errShutdown):
		w.settle(d.Nack(streams.Requeue))
	default:
		m.log(w.log).Warn("could not record what became of a task; it is run again", "error", err)
		pause(ctx, time.Second)
		w.settle(d.Nack(streams.Requeue))
	}
}

// serve does everything about one delivery of a task but settling it. The tasks of
// an [Entry] are claimed before they run: however long ago the same one was sent
// before, it does not run again.
func (w *Worker) serve(ctx context.Context, m *Message, d *streams.Delivery) error {
	r := w.newRun(m)
	r.d = d
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if !w.enter(r) {
		return errOvertaken // it is running here already
	}
	defer w.leave(r)
	r.received(ctx)
	err := r.perform(ctx, d.Redelivered)
	if errors.Is(err, ErrRevoked) { // it was while it seemed to wait
		err = r.finish(ctx, outcome{err: ErrRevoked})
	}
	if !errors.Is(err, errOvertaken) {
		return err
	}
	_, done, err := r.ended(ctx)
	if done {
		return err
	}
	return errOvertaken
}

// perform runs the task, unless it has run, and records what it came to.
func (r *run) perform(ctx context.Context, again bool) error {
	if done, err := r.turn(ctx); done || err != nil {
		return err
	}
	if again || r.m.Retries > 0 || r.m.turn {
		if done, err := r.resume(ctx, again); done || err != nil {
			return err
		}
	}
	if r.m.Headers[headerScheduled] != "" && !r.said {
		if err := r.say(ctx, Started); err != nil {
			return err
		}
	}
	o, err := r.outcome(ctx)
	if err != nil {
		return err
	}
	defer r.vacate()()
	for refused := false; ; {
		err := r.finish(ctx, o)
		switch {
		case err == nil || errors.Is(err, errOvertaken) || errors.Is(err, errShutdown) || errors.Is(err, ErrRevoked) || r.w.ending():
			return err
		case errors.Is(err, streams.ErrPreconditionFailed) && !refused:
			// What it came to, or what follows, is too large for the broker, and will
			// be the next time.
			refused, o = true, outcome{err: Reject(err)}
			continue
		}
		r.log().Warn("could not record what became of a task; it is tried again", "error", err)
		r.w.rest(time.Second)
	}
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
	if err != nil {
		return rec, false, err
	}
	r.mu.Lock()
	r.revision = revision
	r.mu.Unlock()
	switch {
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
	text, err := marshal(rec)
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
			return nil
		case !errors.Is(err, streams.ErrConflict) && (ctx.Err() != nil || !time.Now().Before(until) || !unanswered(err)):
			return err
		}
		if err := r.regain(ctx, rec.Status); err != nil {
			return err
		}
	}
}

// regain looks whose record is in the place of the one that is to be replaced by one
// of a state. It may be the run's own, of which nobody knew whether it had arrived;
// the one before may have expired, or been forgotten. Who revokes a task that waits
// records that, and the run, which nobody had told, ends so.
func (r *run) regain(ctx context.Context, s State) error {
	rec, revision, err := r.w.c.runRecord(ctx, r.m.ID)
	if err != nil {
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
	value json.RawMessage
	err   error
}

// outcome fetches the arguments that are kept apart, and runs the task. An error
// says that they could not be had now.
func (r *run) outcome(ctx context.Context) (outcome, error) {
	switch err := r.w.c.fetchAll(ctx, r.m); {
	case errors.Is(err, errBlob):
		return outcome{err: Reject(err)}, nil
	case err != nil:
		return outcome{}, err
	}
	return r.attempt(ctx), nil
}

// attempt runs the task, unless it must not be run any more.
func (r *run) attempt(ctx context.Context) outcome {
	m := r.m
	switch {
	case r.ctx.Err() != nil:
		return outcome{err: context.Cause(r.ctx)}
	case r.w.revoked.has(m.ID) || r.w.revoked.has(m.RootID):
		return outcome{err: ErrRevoked}
	case !m.Expires.IsZero() && time.Now().After(m.Expires):
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
	run := r.w.c.cfg.aroundRun(func(ctx context.Context, _ Request) (json.RawMessage, error) { return invoke(ctx) })
	o := r.guard(limited, func(ctx context.Context) (json.RawMessage, error) { return run(ctx, r.request()) })
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
	if soft := r.bound(r.m.SoftLimit, func(o CallOptions) seconds { return o.SoftLimit }); soft > 0 {
		return context.WithTimeoutCause(ctx, soft, ErrSoftTimeLimit)
	}
	return ctx, func() {}
}

// bound is a limit of the call, or else of the task.
func (r *run) bound(asked time.Duration, defined func(CallOptions) seconds) time.Duration {
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
	hard := r.bound(r.m.HardLimit, func(o CallOptions) seconds { return o.HardLimit })
	if hard == 0 {
		return call(ctx, invoke)
	}
	done := make(chan outcome)
	givenUp := make(chan struct{})
	go func() {
		o := call(ctx, invoke)
		select {
		case done <- o:
		case <-givenUp:
			r.w.leaked.Add(-1)
		}
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

// call runs the code of a task and catches its panic.
func call(ctx context.Context, invoke func(context.Context) (json.RawMessage, error)) (o outcome) {
	defer func() {
		if v := recover(); v != nil {
			o = outcome{err: &panicError{v, string(debug.Stack())}}
		}
	}()
	value, err := invoke(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return outcome{value, err}
}

// code finds what runs a task.
func (r *run) code() (func(context.Context) (json.RawMessage, error), error) {
	if r.m.foreignChord() {
		return nil, ErrForeignChord
	}
	if r.m.Task == starmapTask || r.m.Task == mapTask {
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
