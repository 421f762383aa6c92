package main

import (
	"io"
	"sync"
)

// An output is what a command prints to. When nobody can read it any more, the
// command is told to stop: it hands back what it holds, as on Ctrl-C.
type output struct {
	to   io.Writer
	stop func()

	mu  sync.Mutex
	err error
}

// Write writes, until the first time that fails.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(text)
	if err != nil {
		o.err = outputError{err}
		o.stop()
	}
	return n, o.err
}

// failure is why nothing more is printed, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// outputError is that what was printed did not arrive.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }
