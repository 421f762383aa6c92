//go:build unix

package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestTheTerminalIsClosed: a receiver whose terminal is closed hands back what it
// holds, and one that was started with nohup goes on.
func TestTheTerminalIsClosed(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{Lease: time.Minute})
	c.queue(streams.Queue{Name: "held"})
	args := []string{"receive", "--queue", "held", "--ack", "--server", broker.url, "--work"}

	closed := launch(t, nil, "warren", append(args, "1h")...)
	c.send("held", 1)
	closed.awaitLine(t, "Start processing 1")
	closed.signal(t, syscall.SIGHUP)
	closed.wantEnd(t, exitOK)
	if info := c.inspect("held"); info.Ready != 1 {
		t.Errorf("got %d messages ready, want 1", info.Ready)
	}

	kept := launch(t, nil, "sh", append([]string{"-c", `trap "" HUP; exec warren "$@" 1s`, "sh"}, args...)...)
	kept.awaitLine(t, "Start processing 1")
	kept.signal(t, syscall.SIGHUP)
	kept.awaitLine(t, "Processed for")
}

// TestAComparisonIsInterrupted: Ctrl-C goes to all that a terminal has in its
// foreground, and the brokers that a comparison has begun are there until it has
// cleared away what it made on them.
func TestAComparisonIsInterrupted(t *testing.T) {
	t.Parallel()
	c, err := newCommand("warren", "bench", "--target", "warren tcp", "--class", "D0", "--workload", "one-to-one", "--for", "10s")
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill(t) })
	c.awaitLine(t, "Measuring.")
	time.Sleep(time.Second) // in the middle of it
	began := time.Now()
	if err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.wantEnd(t, exitInterrupted)
	c.awaitLine(t, "Interrupted after")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v to end", took)
	}
}

// TestTheBrokerIsStopped: nobody waits long for a broker that is there and does
// not answer, as after Ctrl-Z.
func TestTheBrokerIsStopped(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{})
	c.queue(streams.Queue{Name: "busy"})
	c.send("busy", 1)
	idle := launch(t, nil, "warren", "receive", "--ack", "--server", broker.url)
	busy := launch(t, nil, "warren", "receive", "--queue", "busy", "--ack", "--work", "1h", "--server", broker.url)
	idle.awaitLine(t, "Waiting for messages.")
	busy.awaitLine(t, "Start processing 1")
	embeddedtest.Freeze(t, broker.cmd.Process)
	for _, r := range []*command{idle, busy} {
		r.signal(t, os.Interrupt)
	}
	for _, r := range []*command{idle, busy} {
		r.wantEnd(t, exitOK)
		if got, want := r.said(), "The broker does not answer: what receivers did not acknowledge comes back when its lease ends."; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	broker.signal(t, syscall.SIGCONT)
}

// TestTheDemoIsInterruptedTwice: whoever presses Ctrl-C twice leaves no directory
// and no process behind either.
func TestTheDemoIsInterruptedTwice(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"   $ warren receive --work 200ms", "   $ warren send --queue kept", "   $ warren subscribe"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			demo, dir := startDemo(t)
			demo.awaitLine(t, at)
			demo.signal(t, os.Interrupt)
			demo.signal(t, os.Interrupt)
			demo.wantEnd(t, exitInterrupted)
			left, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) > 0 {
				t.Errorf("the demo left %v behind", left)
			}
			if strings.Contains(demo.said(), "DIFFERS") {
				t.Errorf("the demo takes Ctrl-C for a difference:\n%s", demo.said())
			}
		})
	}
}

// TestTheDemoIsKilled: a broker that the demo had started ends with it.
func TestTheDemoIsKilled(t *testing.T) {
	t.Parallel()
	demo, _ := startDemo(t)
	demo.awaitLine(t, "   ok   the durable queues are back")
	port := regexp.MustCompile(`serve --dir DIR --port ([1-9]\d*)`).FindStringSubmatch(demo.said())
	if port == nil {
		t.Fatalf("the demo does not say where its broker is:\n%s", demo.said())
	}
	gone := dial(t, "nats://127.0.0.1:"+port[1]).StatusChanged(nats.RECONNECTING)
	demo.kill(t)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the broker is still there")
	}
}

// startDemo starts a demo whose temporary files are in a directory of its own.
func startDemo(t *testing.T) (demo *command, dir string) {
	t.Helper()
	dir = t.TempDir()
	demo, err := newCommand("warren", "demo")
	if err != nil {
		t.Fatal(err)
	}
	demo.cmd.Env = append(demo.cmd.Env, "TMPDIR="+dir)
	if err := demo.start(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.kill(t) })
	return demo, dir
}
