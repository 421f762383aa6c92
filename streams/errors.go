package streams

import (
	"errors"
	"fmt"
)

// Error is a condition of AMQP: what a RabbitMQ would have closed the channel
// or returned the message with.
type Error struct {
	Code   int    // AMQP's reply code
	Reason string // AMQP's name of the code
	Detail string // what happened to what
	Hint   string // what to do about it, if there is anything to say
	Err    error  // the cause, if there is one; Detail already tells it
}

// The conditions a caller may want to tell apart. Every [Error] of the same
// code is one of them to [errors.Is].
var (
	ErrNoRoute            = &Error{Code: 312, Reason: "NO_ROUTE"}
	ErrAccessRefused      = &Error{Code: 403, Reason: "ACCESS_REFUSED"}
	ErrNotFound           = &Error{Code: 404, Reason: "NOT_FOUND"}
	ErrResourceLocked     = &Error{Code: 405, Reason: "RESOURCE_LOCKED"}
	ErrPreconditionFailed = &Error{Code: 406, Reason: "PRECONDITION_FAILED"}
	ErrResource           = &Error{Code: 506, Reason: "RESOURCE_ERROR"}
	ErrNotAllowed         = &Error{Code: 530, Reason: "NOT_ALLOWED"}
	ErrNotImplemented     = &Error{Code: 540, Reason: "NOT_IMPLEMENTED"}
)

// ErrDuplicate is the error of a transaction that has a MessageID the broker has
// seen before, see [Session.PublishAll].
var ErrDuplicate = errors.New("a message of that id was published before; none was published again")

// ErrNoEntry is the error of a key without a value.
var ErrNoEntry = errors.New("there is no value")

// ErrConflict is the error of a write whose expectation was not met: another one
// came first. The error is a [ConflictError].
var ErrConflict = errors.New("the entry is not as expected")

// ConflictError says what was there instead of what was expected. It is
// [ErrConflict] to [errors.Is].
type ConflictError struct {
	Key string
	// Revision is what the key has now; 0 if it has nothing, or the broker did
	// not say.
	Revision uint64
}

func (e *ConflictError) Error() string {
	if e.Revision == 0 {
		return ErrConflict.Error()
	}
	return fmt.Sprintf("%v: it has revision %d", ErrConflict, e.Revision)
}

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// errSyntaxError is what AMQP calls a value that cannot be put on the wire.
var errSyntaxError = &Error{Code: 502, Reason: "SYNTAX_ERROR"}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s", e.Code, e.Reason)
	if e.Detail != "" {
		text += " - " + e.Detail
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the condition e is a case of.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Detail == "" && t.Code == e.Code
}

func errNoRoute(format string, args ...any) *Error {
	return ErrNoRoute.because(fmt.Errorf(format, args...))
}

func errAccessRefused(format string, args ...any) *Error {
	return ErrAccessRefused.because(fmt.Errorf(format, args...))
}

func errNotFound(format string, args ...any) *Error {
	return ErrNotFound.because(fmt.Errorf(format, args...))
}

func errResourceLocked(format string, args ...any) *Error {
	return ErrResourceLocked.because(fmt.Errorf(format, args...))
}

func errPrecondition(format string, args ...any) *Error {
	return ErrPreconditionFailed.because(fmt.Errorf(format, args...))
}

func errSyntax(format string, args ...any) *Error {
	return errSyntaxError.because(fmt.Errorf(format, args...))
}

// errResource is for a broker that has no room for what is stored. What it says
// itself is the cause, and part of the detail.
func errResource(cause error) *Error {
	return ErrResource.because(fmt.Errorf("the broker has no room: %w", cause)).
		hint("Consume or purge queues, or give the broker more room, and try again.")
}

func errNotAllowed(format string, args ...any) *Error {
	return ErrNotAllowed.because(fmt.Errorf(format, args...))
}

func errNotImplemented(format string, args ...any) *Error {
	return ErrNotImplemented.because(fmt.Errorf(format, args...))
}

// because makes a case of the condition e, with what detail wraps as its cause.
func (e *Error) because(detail error) *Error {
	return &Error{Code: e.Code, Reason: e.Reason, Detail: detail.Error(), Err: errors.Unwrap(detail)}
}

// hint adds what to do about it.
func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
