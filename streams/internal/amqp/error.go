package amqp

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

// The conditions, by reply code. Every [Error] of the same code is one of them to
// [errors.Is].
var (
	ErrNoRoute            = &Error{Code: 312, Reason: "NO_ROUTE"}
	ErrAccessRefused      = &Error{Code: 403, Reason: "ACCESS_REFUSED"}
	ErrNotFound           = &Error{Code: 404, Reason: "NOT_FOUND"}
	ErrResourceLocked     = &Error{Code: 405, Reason: "RESOURCE_LOCKED"}
	ErrPreconditionFailed = &Error{Code: 406, Reason: "PRECONDITION_FAILED"}
	ErrFrame              = &Error{Code: 501, Reason: "FRAME_ERROR"}
	ErrSyntax             = &Error{Code: 502, Reason: "SYNTAX_ERROR"} // a value that cannot be put on the wire
	ErrResource           = &Error{Code: 506, Reason: "RESOURCE_ERROR"}
	ErrNotAllowed         = &Error{Code: 530, Reason: "NOT_ALLOWED"}
	ErrNotImplemented     = &Error{Code: 540, Reason: "NOT_IMPLEMENTED"}
)

// Errorf returns a case of a condition. The format is that of [fmt.Errorf]: its text is
// the Detail, and what it wraps with %w is the cause.
func Errorf(condition *Error, format string, args ...any) *Error {
	detail := fmt.Errorf(format, args...)
	return &Error{Code: condition.Code, Reason: condition.Reason, Detail: detail.Error(), Err: errors.Unwrap(detail)}
}

// Error returns RabbitMQ's text: the code, its name and the detail.
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
