package workers

import (
	"fmt"
	"runtime/debug"
)

// guarded runs code of the user's where neither its panic nor the end of its goroutine
// may end anything else, and makes an error of both. It costs a goroutine; the code of
// tasks is run without one, see [Worker.serve].
func guarded(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("%s: %w", what, errExited)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("%s: %w", what, &panicError{v, string(debug.Stack())})
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}
