package workers

import (
	"errors"
	"fmt"
	"time"

	"warren/workers/internal/celery"
)

// What a caller branches on. Errors that wrap them say more.
var (
	// ErrUnknown is the error of an id that no task was sent under, or whose
	// record has gone, by Forget or because it expired.
	ErrUnknown = errors.New("no task is known under this id")
	// ErrRevoked is Celery's TaskRevokedError: the task was revoked, and has no
	// result.
	ErrRevoked = errors.New("the task was revoked")
	// ErrExpired is that a task was not begun before its expiry. It is revoked
	// then, as in Celery.
	ErrExpired = errors.New("the task expired before it was begun")
	// ErrWorkerLost is Celery's WorkerLostError: the workers that ran the task
	// died of it, as often as the task allows.
	ErrWorkerLost = errors.New("the workers that ran the task were lost")
	// ErrSoftTimeLimit is Celery's SoftTimeLimitExceeded: the cause of a task's
	// context when it has run for as long as it should.
	ErrSoftTimeLimit = errors.New("the soft time limit is exceeded")
	// ErrTimeLimit is Celery's TimeLimitExceeded: the task ran longer than it may.
	ErrTimeLimit = errors.New("the hard time limit is exceeded")
	// ErrNotRegistered is Celery's NotRegistered: the worker that got the task
	// does not know it.
	ErrNotRegistered = errors.New("the task is not registered")
	// ErrArguments is that a task was given what it does not take: a TypeError.
	ErrArguments = celery.ErrArguments
	// ErrDecode is that the message of a task cannot be read: what another program sent,
	// in a form that is refused. Its text says what is wrong, and what to send instead.
	ErrDecode = errors.New("the message of the task cannot be read")
	// ErrForeignChord is that a chord was begun by a client of Celery, whose result
	// backend counts its header: there is none here. Have a worker begin it: put a
	// task in front, as in chain(first, group(...), body).
	ErrForeignChord = errors.New("a chord that Celery's client has begun is counted by its result backend, and there is none here; " +
		"put a task in front of it, and a worker begins it")
	// ErrNotConnected is the error of an app that has no connection yet, or none
	// any more.
	ErrNotConnected = errors.New("the app is not connected; call Connect first")
	// ErrNoWorker is that no worker of a name is there.
	ErrNoWorker = errors.New("there is no such worker")
	// ErrNoAnswer is that a worker that was there a moment ago does not answer.
	ErrNoAnswer = errors.New("the worker does not answer")
	// ErrNoTask is that the oldest message of a queue is no task: the queue is one of
	// ordinary messages.
	ErrNoTask = errors.New("the oldest message of the queue is no task")
	// ErrNoDeadLetter is that nothing of an id was given up, or it was replayed or
	// dropped.
	ErrNoDeadLetter = errors.New("there is no dead letter of this id")
)

// builtin are the sentinels every program knows, by the name Celery gives each, if
// it has one.
var builtin = map[string]error{
	"TaskRevokedError":      ErrRevoked,
	"TaskExpiredError":      ErrExpired,
	"WorkerLostError":       ErrWorkerLost,
	"SoftTimeLimitExceeded": ErrSoftTimeLimit,
	"TimeLimitExceeded":     ErrTimeLimit,
	"NotRegistered":         ErrNotRegistered,
	"TypeError":             ErrArguments,
	"ForeignChord":          ErrForeignChord,
	malformed:               ErrDecode,
}

// Failure is why a task has no result: the error of its last attempt. It travels
// to whoever asks for the result, and to error callbacks. Errors.Is finds what
// was registered under its type with [App.RegisterError], and this package's own
// errors. Its fields TaskID and Task say which task failed, Type and Message of what,
// Traceback has the stack of a panic, Attempt counts from 1 and was made by Worker, and
// Causes are the failures that made this one, in the order of the group.
type Failure = celery.Failure //nolint:errname // it is also what an error callback is given

// revokedType is the type of a failure that is none: the task was revoked.
const revokedType = "TaskRevokedError"

// expiredType is the type of a failure that is that a task was not begun in time.
const expiredType = "TaskExpiredError"

// ChordError is why a chord, or whatever else waited for all members of a group,
// did not run: members failed. It is the same through every handle. Long words of
// members are cut in it; the failure of the member itself has them all.
type ChordError struct{ Failure }

// Error says which members failed, and why.
func (e *ChordError) Error() string { return e.Message }

// Unwrap gives the failures of the members, in the order of the group.
func (e *ChordError) Unwrap() []error { return e.Failure.Unwrap() }

// retryError asks for another attempt.
type retryError struct {
	after time.Duration
	cause error
}

func (e *retryError) Error() string { return fmt.Sprintf("retry in %v: %v", e.after, e.cause) }
func (e *retryError) Unwrap() error { return e.cause }

// Is has errors.Is find ErrRetry in it.
func (e *retryError) Is(target error) bool { return target == ErrRetry }

// RetryIn is what a task returns to be run again after a while: Celery's
// self.retry; a time below 0 is at once. It counts as a retry and ends, like every other, when the task's
// [RetryPolicy] has no more of them, or after three where it has no policy; the
// task has then failed of err.
//
// A time that is over, as when a deadline is counted down to, is at once.
func RetryIn(after time.Duration, err error) error {
	if err == nil {
		err = ErrRetry
	}
	return &retryError{max(after, 0), err}
}

// rejection is an error that no retry helps against.
type rejection struct{ cause error }

func (e *rejection) Error() string { return e.cause.Error() }
func (e *rejection) Unwrap() error { return e.cause }

// Reject is what a task returns that must not be retried, whatever its policy
// says: it has failed of err.
func Reject(err error) error {
	if err == nil {
		err = errors.New("the task rejected its arguments")
	}
	return &rejection{err}
}

// ErrRetry is found by errors.Is in what a task returns with [RetryIn]: middleware can tell
// by it that the attempt has not failed. No result has this error.
var ErrRetry = errors.New("the task asked to be run again")

// ErrIgnore is Celery's Ignore: a task that returns it ends without a result, a failure or
// callbacks. Its record stays as it was.
var ErrIgnore = errors.New("the task is to be ignored")

// What is wrong with a canvas when it is made.
var (
	errOtherApp = errors.New("its call is another app's")
	errApps     = errors.New("the canvas has tasks of two apps; make one app of them")
	errPace     = errors.New("a rate limit is of all calls of a task; set it where the task is defined")
	errUnique   = errors.New("unique tasks are sent by themselves and not in a canvas")
	errRepeat   = errors.New("a step is repeated less than 0 times; use 0 or more")
)
