package streams

import (
	"runtime"
	"strings"
	"testing"
)

// TestCallback_GoexitIsAPanic: of what is called on the connection's goroutines.
func TestCallback_GoexitIsAPanic(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(int){
		"must return": func(int) { runtime.Goexit() },
		"its own":     func(int) { panic("its own") },
		"":            func(int) {},
	} {
		said := make(chan any)
		go func() {
			defer func() { said <- recover() }()
			calledBack("a callback", f, 1)
		}()
		got, _ := (<-said).(string)
		if !strings.Contains(got, name) || name == "" && got != "" {
			t.Errorf("panicked with %q, want %q", got, name)
		}
	}
}
