package compare

import "fmt"

// notOffered says of what that a target does not have it.
func notOffered(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrNotOffered)
}
