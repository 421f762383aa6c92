package celery

import (
	"errors"
	"fmt"
)

// ErrArguments is that a task was given what it does not take: a TypeError.
var ErrArguments = errors.New("the arguments are not those of the task")

// ArgumentError is that arguments do not fit.
func ArgumentError(task, format string, args ...any) error {
	return fmt.Errorf("task %q %s: %w", task, fmt.Sprintf(format, args...), ErrArguments)
}

// A PermanentError comes again at every try: what failed so is given up at once.
type PermanentError struct{ Err error }

// Error is the text of the error itself.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks an error that comes again at every try. Nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}
