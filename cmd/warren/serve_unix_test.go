//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServe_TellsSystemd: serve says READY once clients may connect, goes on at
// SIGHUP, and says when it stops.
func TestServe_TellsSystemd(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "warren") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	c, err := newCommand("warren", "serve", "--port", "0", "--no-amqp", "--dir", filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Env = append(c.cmd.Env, "NOTIFY_SOCKET="+path)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a daemon has no terminal
	if err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill(t) })
	wantNotice(t, socket, "READY=1")
	c.awaitLine(t, "To exit press CTRL+C")
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	// It would stop taking messages, if it stopped.
	found := regexp.MustCompile(`URL +(nats://\S+)`).FindStringSubmatch(c.said())
	if found == nil {
		t.Fatalf("got no URL in %s", c.said())
	}
	for range 3 {
		wantHello(t, "--server", found[1])
	}
	if strings.Contains(c.said(), "Stopping") {
		t.Errorf("it stopped at SIGHUP: %s", c.said())
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantNotice(t, socket, "STOPPING=1")
	c.wantEnd(t, exitOK)
}

func wantNotice(t *testing.T, socket *net.UnixConn, want string) {
	t.Helper()
	if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 64)
	n, err := socket.Read(text)
	if err != nil || string(text[:n]) != want {
		t.Fatalf("got %q, %v, want %q", text[:n], err, want)
	}
}
