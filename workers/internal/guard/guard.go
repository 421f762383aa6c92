// Package guard runs code that may not come back.
package guard

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Panic is what code panicked with.
type Panic struct { //nolint:errname // it is called what it is
	Value any
	Stack string
}

func (e *Panic) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// ErrExited is what becomes of code that ends its goroutine.
var ErrExited = errors.New("the code ended its goroutine with runtime.Goexit, as FailNow and SkipNow of a test do; return an error instead")

// Run calls a function of the user's whose panic, and whose end of its goroutine, must not
// end anything else: it makes an error of both. It costs a goroutine.
func Run(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("%s: %w", what, ErrExited)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("%s: %w", what, &Panic{v, string(debug.Stack())})
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}
