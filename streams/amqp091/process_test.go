package amqp091_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v4/process"

	"warren/embedded"
	"warren/streams/amqp091"
)

// serverVariable tells this test's program to be a server in a process of its own.
const serverVariable = "AMQP091_TEST_SERVER"

// serveAlone runs a broker and a server in front of it, and says at which URL, until its
// input ends.
func serveAlone(in io.Reader, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "amqp091")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	broker, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()
	nc, err := broker.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	server, err := amqp091.New(nc, amqp091.Config{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	fmt.Fprintf(out, "amqp://guest:guest@%s/\n", l.Addr())
	return server.Serve(ctx, l)
}

// A serverProcess is a server in a process of its own.
type serverProcess struct {
	url string
	pid int
}

// listenInProcess is listen in another process, which ends with the test.
func listenInProcess(tb testing.TB) serverProcess {
	tb.Helper()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("server's process: %v", err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("the server's process says nothing: %v", err)
	}
	return serverProcess{strings.TrimSpace(url), cmd.Process.Pid}
}

// resident is how much memory the process takes.
func (s serverProcess) resident(tb testing.TB) uint64 {
	tb.Helper()
	p, err := process.NewProcess(int32(s.pid))
	if err != nil {
		tb.Fatal(err)
	}
	memory, err := p.MemoryInfo()
	if err != nil {
		tb.Fatal(err)
	}
	return memory.RSS
}
