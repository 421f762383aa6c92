package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/streams"
)

// TestSubscribe_TerminalIsClosed: a subscriber that opens its log again at SIGHUP
// ends when the SIGHUP comes of its terminal's end.
func TestSubscribe_TerminalIsClosed(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	terminal := newTerminal(t)
	shell, err := newCommand("sh", "-c", `warren "$@"; exit`, "sh",
		"subscribe", "order", "--log", filepath.Join(t.TempDir(), "orders.log"), "--server", broker.url)
	if err != nil {
		t.Fatal(err)
	}
	shell.cmd.Stdin, shell.cmd.Stdout, shell.cmd.Stderr = terminal.File, terminal.File, terminal.File
	shell.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.begin(); err != nil {
		t.Fatal(err)
	}
	c := openClient(t, broker.url, streams.Config{})
	awaitSubscribers(t, c, "shop.order", 1)
	shell.kill(t) // it leads the terminal's session
	awaitSubscribers(t, c, "shop.order", 0)
	terminal.close() // nobody else has it open
}

// TestInterrupt_EndsTheLineOfTheTerminal: what comes after Ctrl-C, such as the prompt, begins
// a line.
func TestInterrupt_EndsTheLineOfTheTerminal(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	terminal := newTerminal(t)
	receiver, err := newCommand("warren", "receive", "--server", broker.url)
	if err != nil {
		t.Fatal(err)
	}
	receiver.cmd.Stdin, receiver.cmd.Stdout, receiver.cmd.Stderr = terminal.File, terminal.File, terminal.File
	receiver.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := receiver.begin(); err != nil {
		t.Fatal(err)
	}
	for waits, more := terminal.heard.with("Waiting"); len(waits) == 0; waits, more = terminal.heard.with("Waiting") {
		select {
		case <-more:
		case <-receiver.done:
			t.Fatalf("the receiver ended, and the terminal shows %q", terminal.close())
		case <-time.After(patience):
			t.Fatal("the receiver does not wait for messages")
		}
	}
	if _, err := terminal.keys.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	receiver.wantEnd(t, exitOK)
	if shown := terminal.close(); !strings.HasSuffix(shown, "CTRL+C\n^C\n") {
		t.Errorf("the terminal shows %q, want the end of a line behind ^C", shown)
	}
}

func awaitSubscribers(t *testing.T, c client, queue string, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		info, err := c.InspectQueue(t.Context(), queue)
		if err == nil && info.Consumers == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("queue %s: got %d consumers and %v, want %d", queue, info.Consumers, err, want)
		}
	}
}
