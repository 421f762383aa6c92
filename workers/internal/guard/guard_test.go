package guard_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"warren/workers/internal/guard"
)

func TestRun(t *testing.T) {
	t.Parallel()
	own := errors.New("its own")
	for what, f := range map[string]func() error{
		"an error": func() error { return own },
		"a panic":  func() error { panic(own) },
		"an end":   func() error { runtime.Goexit(); return nil },
		"nothing":  func() error { return nil },
	} {
		err := guard.Run("the code", f)
		var panicked *guard.Panic
		switch what {
		case "an error":
			if !errors.Is(err, own) {
				t.Errorf("got %v, want the error that was returned", err)
			}
		case "a panic":
			if !errors.As(err, &panicked) || panicked.Value != any(own) || !strings.Contains(panicked.Stack, "guard_test.go") ||
				err.Error() != "the code: panic: its own" {
				t.Errorf("got %v, want the panic and where it was", err)
			}
		case "an end":
			if !errors.Is(err, guard.ErrExited) || errors.As(err, &panicked) {
				t.Errorf("got %v, want that the goroutine ended", err)
			}
		default:
			if err != nil {
				t.Errorf("got %v", err)
			}
		}
	}
}
