package main

import (
	"context"
	"net"
	"strings"
	"testing"
)

// TestInterruptedWhileConnecting: Ctrl-C does not wait for a server that says
// nothing.
func TestInterruptedWhileConnecting(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	server := listen(t, func(conn net.Conn) {
		interrupt()
		_, _ = conn.Read(make([]byte, 1)) // until it is hung up
	})
	var out, errs strings.Builder
	if got := run(ctx, programName, []string{"receive", "--server", server}, &out, &errs); got != exitInterrupted {
		t.Errorf("exit code: got %d, want %d", got, exitInterrupted)
	}
	if got, want := errs.String(), "Interrupted\n"; got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}
