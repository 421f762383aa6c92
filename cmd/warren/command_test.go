package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
)

// A command is a command of TestMain in a process of its own.
type command struct {
	cmd  *exec.Cmd
	out  lines         // what it has said, on stderr too
	done chan struct{} // closed when it has ended and everything it said is in out
}

func newCommand(name string, args ...string) (*command, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	return commandAt(path, args...), nil
}

// commandAt is the command of a program that is named by its path.
func commandAt(path string, args ...string) *command {
	c := &command{cmd: exec.Command(path, args...), done: make(chan struct{})}
	// Built for the race detector, it would wait for a second before it exits.
	race := strings.TrimSpace("GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0")
	c.cmd.Env = append(os.Environ(), race)
	return c
}

// startClocked starts a command with a clock of its own, that the caller kills.
func startClocked(t *testing.T, clock *embeddedtest.Clock, heard func(line string), name string, args ...string) *command {
	t.Helper()
	c := commandAt(embeddedtest.BuildClockedTest(t, "warren/cmd/warren"), args...)
	c.cmd.Args[0] = name
	c.cmd.Env = append(c.cmd.Env, clock.Env())
	if err := c.start(heard); err != nil {
		t.Fatal(err)
	}
	return c
}

// launchClocked is startClocked of a command that is killed when the test ends.
func launchClocked(t *testing.T, clock *embeddedtest.Clock, heard func(line string), name string, args ...string) *command {
	t.Helper()
	c := startClocked(t, clock, heard, name, args...)
	t.Cleanup(func() { c.kill(t) })
	return c
}

// start starts it; heard, unless nil, is told each line that it says.
func (c *command) start(heard func(line string)) error {
	var out io.Writer = &c.out
	if heard != nil {
		out = io.MultiWriter(out, &ear{heard: heard})
	}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	return c.begin()
}

// begin starts it as it is, whatever it prints to.
func (c *command) begin() error {
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait()
	}()
	return nil
}

// launch starts a command that is killed when the test ends.
func launch(t *testing.T, heard func(line string), name string, args ...string) *command {
	t.Helper()
	c := start(t, heard, name, args...)
	t.Cleanup(func() { c.kill(t) })
	return c
}

// start starts a command that the caller kills.
func start(t *testing.T, heard func(line string), name string, args ...string) *command {
	t.Helper()
	c, err := newCommand(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.start(heard); err != nil {
		t.Fatal(err)
	}
	return c
}

// kill is kill -9; it returns when the process is gone.
func (c *command) kill(t *testing.T) {
	t.Helper()
	_ = c.cmd.Process.Kill() // it may have ended by itself
	c.wait(t)
}

// wait waits for the end of the process and gives its exit code, -1 if it was
// killed.
func (c *command) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		t.Fatalf("%s did not end; its output:\n%s", c.cmd, c.said())
	}
	return c.cmd.ProcessState.ExitCode()
}

// wantEnd waits for the end of the process and checks its exit code.
func (c *command) wantEnd(t *testing.T, code int) {
	t.Helper()
	if got := c.wait(t); got != code {
		t.Errorf("%s ended with %d, want %d; its output:\n%s", c.cmd, got, code, c.said())
	}
}

// awaitLine waits for a line with that prefix.
func (c *command) awaitLine(t *testing.T, prefix string) {
	t.Helper()
	deadline := time.After(patience)
	for ended := c.done; ; {
		found, more := c.out.with(prefix)
		if len(found) > 0 {
			return
		}
		if ended == nil {
			t.Fatalf("%s ended without %q; its output:\n%s", c.cmd, prefix, c.said())
		}
		select {
		case <-more:
		case <-ended:
			ended = nil // it may have said it last
		case <-deadline:
			t.Fatalf("%s did not say %q; its output:\n%s", c.cmd, prefix, c.said())
		}
	}
}

func (c *command) said() string {
	list, _ := c.out.with("")
	return strings.Join(list, "\n")
}

// An ear takes text apart into lines.
type ear struct {
	heard func(line string)
	rest  string
}

func (e *ear) Write(text []byte) (int, error) {
	whole := strings.Split(e.rest+string(text), "\n")
	e.rest = whole[len(whole)-1]
	for _, line := range whole[:len(whole)-1] {
		e.heard(line)
	}
	return len(text), nil
}

// awaitLines waits until so many lines with that text in them were said.
func (c *command) awaitLines(t *testing.T, text string, want int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		_, more := c.out.with("")
		if strings.Count(c.said(), text) >= want {
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s did not say %q %d times; its output:\n%s", c.cmd, text, want, c.said())
		}
	}
}
