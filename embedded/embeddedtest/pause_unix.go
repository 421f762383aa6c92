//go:build unix

package embeddedtest

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Pause stops the process where it is, as a machine does that is suspended: its
// connections stay open, and nobody answers. It returns when the process stands still.
// When the test ends, it is killed.
func (c *Child) Pause(tb testing.TB) {
	tb.Helper()
	Freeze(tb, c.cmd.Process)
}

// Freeze stops a process that the test has started, and returns when it stands still:
// until then it may read and answer what it is sent.
func Freeze(tb testing.TB, process *os.Process) {
	tb.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		tb.Fatalf("%v: %v", syscall.SIGSTOP, err)
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			tb.Fatalf("the process is not stopped: %v, %v", status, err)
		}
		return
	}
}

// Resume lets a paused process go on.
func (c *Child) Resume(tb testing.TB) {
	tb.Helper()
	c.signal(tb, syscall.SIGCONT)
}

func (c *Child) signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		tb.Fatalf("%v: %v", signal, err)
	}
}

// CutOff pauses a server and returns once all others have given it up: they say of
// its clients, whose connections stand, that nobody is there. [Child.Resume] ends it.
// It takes as long as the patience of the servers; see [HastyCluster].
func (c Children) CutOff(tb testing.TB, victim *Child) {
	tb.Helper()
	const subject = "embeddedtest.cut-off"
	nc := victim.Connect(tb)
	if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
		tb.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		tb.Fatal(err)
	}
	var others []*nats.Conn
	for _, server := range c {
		if server != victim {
			others = append(others, server.Connect(tb))
		}
	}
	victim.Pause(tb)
	for _, nc := range others {
		untilGivenUp(tb, nc, subject)
	}
}

// untilGivenUp sends more than the buffers between two servers hold, until nobody
// is there to take it.
func untilGivenUp(tb testing.TB, nc *nats.Conn, subject string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	load := make([]byte, 1<<20)
	// A busy server takes long to say that nobody is there.
	for wait := 20 * time.Millisecond; ; wait = min(wait*5/4, time.Second) {
		try, end := context.WithTimeout(ctx, wait)
		_, err := nc.RequestWithContext(try, subject, load)
		end()
		if errors.Is(err, nats.ErrNoResponders) {
			return
		}
		if ctx.Err() != nil {
			tb.Fatalf("the server was not given up: %v", err)
		}
	}
}
