package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A program is a warren command that the demo runs: in this process, or as a
// child process that can be killed.
type program struct {
	label string
	lines lines
	code  int           // once done is closed
	done  chan struct{} // closed when it has ended
	stop  func()        // what Ctrl-C does, or for a child kill -9
}

// newInside starts a command in this process.
func newInside(ctx context.Context, called, label string, args []string) *program {
	ctx, cancel := context.WithCancel(ctx)
	p := &program{label: label, done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(p.done)
		p.code = run(ctx, called, args, &p.lines, &p.lines)
	}()
	return p
}

// newChild starts a command as a process of its own.
func newChild(ctx context.Context, label string, args []string) (*program, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &program{label: label, done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, executable, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stdout, cmd.Stderr = &p.lines, &p.lines
	cmd.WaitDelay = time.Second
	// It stays open for as long as this process lives.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.stop = func() { _ = cmd.Process.Kill() }
	go func() {
		defer close(p.done)
		p.code = exitCode(cmd.Wait())
	}()
	return p, nil
}

// childVariable says in its environment that a process is a child of the demo.
const childVariable = "WARREN_DEMO_CHILD"

// endWithDemo ends a child of the demo when there is no demo any more: nobody
// else would.
func endWithDemo() {
	if os.Getenv(childVariable) == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitFailure)
	}()
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return exitFailure
}

// end stops the program and waits until it has ended.
func (p *program) end() {
	p.stop()
	<-p.done
}

// lines are what a program has printed so far.
type lines struct {
	mu      sync.Mutex
	list    []string
	rest    string
	changed chan struct{} // closed at the next line
}

// Write takes text apart into lines.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := strings.Split(l.rest+string(text), "\n")
	l.rest = whole[len(whole)-1]
	l.list = append(l.list, whole[:len(whole)-1]...)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return len(text), nil
}

// with gives what stands behind a prefix, of every line that has it, and a
// channel that is closed when there may be more.
func (l *lines) with(prefix string) (list []string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.list {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			list = append(list, rest)
		}
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return list, l.changed
}
