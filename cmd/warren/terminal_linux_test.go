package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"warren/embedded/embeddedtest"
)

// A testTerminal is a terminal of the usual size, and what was written there.
type testTerminal struct {
	*os.File
	keys    *os.File // what is typed
	shown   strings.Builder
	heard   lines // the same, for who waits for a line
	reading sync.WaitGroup
}

func newTerminal(t *testing.T) *testTerminal {
	t.Helper()
	return newTerminalOf(t, width)
}

// newTerminalOf is a terminal with so many columns.
func newTerminalOf(t *testing.T, columns uint16) *testTerminal {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	control := int(screen.Fd())
	number, err := unix.IoctlGetInt(control, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(control, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(control, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	terminal := &testTerminal{File: line, keys: screen}
	terminal.reading.Go(func() { _, _ = io.Copy(io.MultiWriter(&terminal.shown, &terminal.heard), screen) }) // until nobody has the line open
	return terminal
}

// close gives all that was written.
func (terminal *testTerminal) close() string {
	_ = terminal.Close()
	terminal.reading.Wait()
	return strings.ReplaceAll(terminal.shown.String(), "\r\n", "\n")
}

// onTerminal runs a command of the program on a terminal, and gives all that it wrote
// there.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return onTerminalOf(t, width, env, args...)
}

// onTerminalOf runs it on a terminal with so many columns.
func onTerminalOf(t *testing.T, columns uint16, env []string, args ...string) string {
	t.Helper()
	terminal := newTerminalOf(t, columns)
	c, err := newCommand("warren", args...)
	if err == nil {
		c.cmd.Env = append(append(c.cmd.Env, "TERM=xterm", "NO_COLOR="), env...)
		c.cmd.Stdout, c.cmd.Stderr = terminal.File, terminal.File
		err = c.begin()
	}
	if err != nil {
		t.Error(err)
	} else {
		c.wait(t)
	}
	return terminal.close()
}

// piped runs a command whose output is no terminal.
func piped(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	run(t.Context(), programName, args, &out, &errs)
	return out.String() + errs.String()
}

// TestColours: states have their colours on a terminal, and nowhere else.
func TestColours(t *testing.T) {
	t.Parallel()
	server := []string{"--server", embeddedtest.Listen(t).URL()}
	on := func(line string) []string { return append(strings.Fields(line), server...) }
	worker := launch(t, nil, "warren", on("worker --name celery@one")...)
	worker.awaitLine(t, "Waiting for tasks")
	piped(t, on("call add 1 2 --id sum --wait")...)
	piped(t, on("call broken_task --id broken --wait")...)
	piped(t, on("call add 1 2 --id later --countdown 1h")...)
	tests := []struct{ line, want string }{
		{"result sum", `^\x1b\[32mSUCCESS\x1b\[0m\n3\n$`},
		{"result broken", `^\x1b\[1;31mFAILURE\x1b\[0m\n`},
		{"result later", `^\x1b\[2mPENDING\x1b\[0m\n$`},
		{"result sum --tree", `^add sum \x1b\[32mSUCCESS\x1b\[0m\n`},
		{"status", `(?m)^worker      status  running .*\ncelery@one  \x1b\[32mOK\x1b\[0m      0/8  `},
		{"inspect stats", `\nstates       \x1b\[1;31mFAILURE\x1b\[0m 1, \x1b\[32mSUCCESS\x1b\[0m 1\n$`},
		{"events --count 1", `\n\d\d:\d\d:\d\d\.\d{3} \x1b\[2mworker-heartbeat\x1b\[0m celery@one active=0`},
	}
	for _, test := range tests {
		args := on(test.line)
		if got := onTerminal(t, nil, args...); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s on a terminal: got %q, want %s", test.line, got, test.want)
		}
		for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
			if got := onTerminal(t, []string{env}, args...); got == "" || strings.Contains(got, "\x1b") {
				t.Errorf("%s with %s: got %q, want no colours", test.line, env, got)
			}
		}
		if got := piped(t, args...); got == "" || strings.Contains(got, "\x1b") {
			t.Errorf("%s in a pipe: got %q, want no colours", test.line, got)
		}
	}
}

// TestNarrowTerminals: a table that a terminal is too narrow for is shown a row at a
// time, and read by a program it never is.
func TestNarrowTerminals(t *testing.T) {
	t.Parallel()
	server := []string{"--server", embeddedtest.Listen(t).URL()}
	on := func(line string) []string { return append(strings.Fields(line), server...) }
	long := strings.Repeat("long", 10)
	const head = "name  messages_ready  messages_unacknowledged  consumers  durable\n"
	if got := onTerminal(t, nil, on("list queues")...); got != head {
		t.Errorf("no rows: got %q, want %q", got, head)
	}
	piped(t, on("send --queue q")...)
	if got, want := onTerminal(t, nil, on("list queues")...), head+"q     1               0                        0          false\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	piped(t, on("send --queue "+long)...)
	record := func(name string) string {
		return "name                     " + name + `
messages_ready           1
messages_unacknowledged  0
consumers                0
durable                  false
`
	}
	if got, want := onTerminal(t, nil, on("list queues")...), record(long)+"\n"+record("q"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := onTerminal(t, nil, on("list queues name arguments")...), "name"+strings.Repeat(" ", 38)+"arguments\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q and so on", got, want)
	}
	if got := piped(t, on("list queues")...); strings.Count(got, "\n") != 3 {
		t.Errorf("in a pipe: got %q, want a line for each row", got)
	}
}

// TestABarIsToldOfOneThingAfterTheOther: each is shown from its beginning on.
func TestABarIsToldOfOneThingAfterTheOther(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	b := newBar(onScreen(terminal.File))
	for _, part := range []struct {
		name string
		of   int
	}{{"first", 2}, {"second", 3}} {
		for done := range part.of {
			b.tell(done, part.of, part.name)
		}
		b.tell(part.of, part.of, "")
	}
	b.end()
	shown := terminal.close()
	for _, want := range []string{`first +0% `, `\(1/2\)`, `second +0% `, `\(2/3\)`} {
		if !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("got %q, want %s in it", shown, want)
		}
	}
	if last := shown[strings.LastIndex(shown, "\r")+1:]; strings.TrimSpace(last) != "" {
		t.Errorf("%q is left at the end", last)
	}
}

// TestWaitingIsShown: who waits on a terminal sees what for, and then no more of it.
func TestWaitingIsShown(t *testing.T) {
	t.Parallel()
	server := []string{"--server", embeddedtest.Listen(t).URL()}
	on := func(line string) []string { return append(strings.Fields(line), server...) }
	launch(t, nil, "warren", on("worker")...).awaitLine(t, "Waiting for tasks")
	piped(t, on("call add 1 1 --id there --queue nobody")...)
	tests := []struct{ line, want, last string }{
		{"call add 1 1 --id one --queue nobody --wait --timeout 1200ms", `PENDING, 1s +\d+% \|█+`, "warren: no result of task one within 1.2s: see 'warren status'\n"},
		{"result there --timeout 1200ms", `PENDING, 1s +\d+% \|█+`, "PENDING\n"},
		{"call add 1 1 --id two --wait --countdown 1200ms", `\r. PENDING, 1s`, "2\n"},
	}
	for _, test := range tests {
		args := on(test.line)
		got := onTerminal(t, []string{"NO_COLOR=1"}, args...)
		if !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: got %q, want %s in it", test.line, got, test.want)
		}
		if end := got[strings.LastIndex(got, "\r")+1:]; !strings.HasSuffix(end, test.last) || strings.Contains(end, "PENDING,") {
			t.Errorf("%s: got %q at the end, want %q alone", test.line, end, test.last)
		}
		for line := range strings.SplitSeq(got, "\r") {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width && !strings.Contains(line, "warren:") {
				t.Errorf("%s: a line is %d wide, want %d at most: %q", test.line, n, width, line)
			}
		}
	}
	if got := piped(t, on("result there --timeout 1200ms")...); got != "PENDING\n" {
		t.Errorf("in a pipe: got %q, want the state alone", got)
	}
}

// TestDemoFits: the demo breaks no line that the terminal would break in a word.
func TestDemoFits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const columns = 60
	text := onTerminalOf(t, columns, []string{"NO_COLOR=1"}, "demo")
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
			t.Errorf("a line is %d wide, want %d at most: %q", n, columns, line)
		}
	}
	if !strings.Contains(text, "All 16 steps are as they should be") {
		t.Errorf("got no verdict in %q", text)
	}
}
