package streams

import (
	"errors"
	"fmt"

	"warren/streams/internal/amqp"
)

// Error is a condition of AMQP: what a RabbitMQ would have closed the channel or returned
// the message with. It has AMQP's reply Code, the Reason, which is AMQP's name of the code,
// and the Detail: what happened to what. Hint says what to do about it, if there is anything
// to say, and Err is the cause, if there is one. [errors.Is] compares it with the
// conditions, such as [ErrNotFound]; [errors.As] finds it in what this package returns.
type Error = amqp.Error

// The conditions a caller may want to tell apart. Every [Error] of the same
// code is one of them to [errors.Is].
var (
	ErrNoRoute            = amqp.ErrNoRoute            // 312
	ErrAccessRefused      = amqp.ErrAccessRefused      // 403
	ErrNotFound           = amqp.ErrNotFound           // 404
	ErrResourceLocked     = amqp.ErrResourceLocked     // 405
	ErrPreconditionFailed = amqp.ErrPreconditionFailed // 406
	ErrResource           = amqp.ErrResource           // 506
	ErrNotAllowed         = amqp.ErrNotAllowed         // 530
	ErrNotImplemented     = amqp.ErrNotImplemented     // 540
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

func errNoRoute(format string, args ...any) *Error {
	return amqp.Errorf(ErrNoRoute, format, args...)
}

func errAccessRefused(format string, args ...any) *Error {
	return amqp.Errorf(ErrAccessRefused, format, args...)
}

func errNotFound(format string, args ...any) *Error {
	return amqp.Errorf(ErrNotFound, format, args...)
}

func errResourceLocked(format string, args ...any) *Error {
	return amqp.Errorf(ErrResourceLocked, format, args...)
}

func errPrecondition(format string, args ...any) *Error {
	return amqp.Errorf(ErrPreconditionFailed, format, args...)
}

func errSyntax(format string, args ...any) *Error {
	return amqp.Errorf(amqp.ErrSyntax, format, args...)
}

func errNotAllowed(format string, args ...any) *Error {
	return amqp.Errorf(ErrNotAllowed, format, args...)
}

func errNotImplemented(format string, args ...any) *Error {
	return amqp.Errorf(ErrNotImplemented, format, args...)
}

// withHint adds what to do about it.
func withHint(e *Error, hint string) *Error {
	e.Hint = hint
	return e
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
