package compare

import (
	"errors"
	"fmt"
)

// notOffered says of what that a target does not have it.
func notOffered(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrNotOffered)
}

// errNotRun says of a scenario that it could not be asked, which is no answer.
var errNotRun = errors.New("not run")

// notRun says why a scenario was not run.
func notRun(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errNotRun, fmt.Errorf(format, args...))
}
