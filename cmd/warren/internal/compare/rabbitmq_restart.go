package compare

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// goneLimit is how long after the command for it a restart must have begun.
	goneLimit = 5 * time.Second
	// backLimit is how long a RabbitMQ may take to start.
	backLimit = time.Minute
)

// Restart runs the command of who runs the RabbitMQ, and waits until it answers
// again. Whether that stops it in good order is up to the command: nobody is asked
// to kill it.
func (r *rabbitMQ) Restart(ctx context.Context, kill bool) error {
	switch {
	case r.own != nil:
		return r.own.Restart(ctx, kill)
	case kill:
		return notOffered("killing a broker of others")
	case r.restart == "":
		return notOffered("restarting a broker of others, unless --rabbitmq-restart says how")
	}
	// A connection sees the broker go: a command that only says it will be done, or
	// does nothing, would have what is asked of the old one taken for the new one.
	seeing, err := amqp.Dial(r.url)
	if err != nil {
		return err
	}
	defer func() { _ = seeing.Close() }()
	closed := seeing.NotifyClose(make(chan *amqp.Error, 1))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for range closed { // why it closes is known
		}
	}()
	if err := runInShell(ctx, r.restart); err != nil {
		return err
	}
	select {
	case <-gone:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(goneLimit):
		return notRun("the command that restarts RabbitMQ ended %v ago, and RabbitMQ has not stopped", goneLimit)
	}
	return r.waitUntilBack(ctx)
}

func (r *rabbitMQ) waitUntilBack(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	for {
		conn, err := amqp.Dial(r.url)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-soon.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return notRun("RabbitMQ has not come back within %v of the command that restarts it: %w", backLimit, err)
		}
	}
}

// runInShell runs a command line, and says what it printed last if it fails. What
// it starts may go on: it has a file to print to, and nobody waits for its end.
func runInShell(ctx context.Context, line string) (err error) {
	printed, err := os.CreateTemp("", "restart-*.log")
	if err != nil {
		return err
	}
	defer func() { _, _ = printed.Close(), os.Remove(printed.Name()) }()
	shell := []string{"sh", "-c", line}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C", line}
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1:]...)
	cmd.Stdout, cmd.Stderr = printed, printed
	err = cmd.Run()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	why := notRun("the command that restarts RabbitMQ failed: %w", err)
	if last := lastLine(printed); last != "" {
		why = fmt.Errorf("%w: %s", why, last)
	}
	return why
}

// lastLine is the last line of a file that says something, of its last 4 KiB.
func lastLine(f *os.File) string {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, size-4<<10), 4<<10))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
