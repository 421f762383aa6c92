//go:build unix

package main

import (
	"bufio"
	"os"
	"syscall"
	"testing"
	"time"

	"warren/streams"
)

// TestNobodyReads: a receiver whose reader leaves, as head does, hands back what
// it could not print and ends as if SIGPIPE had ended it, without a word.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	c := openClient(t, broker.url, streams.Config{Lease: time.Minute})
	c.queue(streams.Queue{Name: "lines"})
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := newCommand("warren", "receive", "--queue", "lines", "--ack", "--server", broker.url)
	if err != nil {
		t.Fatal(err)
	}
	receiver.cmd.Stdout, receiver.cmd.Stderr = writer, &receiver.out
	if err := receiver.begin(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receiver.kill(t) })
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil {
		t.Fatalf("the receiver printed %q: %v", line, err)
	}
	// A program that is just being started has all files until it begins.
	syscall.ForkLock.RLock()
	err = reader.Close()
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}

	c.send("lines", 3)
	receiver.wantEnd(t, exitPipe)
	if info := c.inspect("lines"); info.Ready != 3 || info.Consumers != 0 {
		t.Errorf("got %d messages ready and %d consumers, want 3 and none", info.Ready, info.Consumers)
	}
	if got, want := receiver.said(), "Interrupted: '1' goes back to the queue."; got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}
