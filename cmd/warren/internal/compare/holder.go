package compare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// HoldCommand is the hidden command that a program needs whose comparison kills
// workers: the program is started once more as 'PROGRAM hold-messages', and is to call
// [Hold] then.
const HoldCommand = "hold-messages"

// holdingLine is what a worker says when it holds what it should.
const holdingLine = "holding"

// holding is what a worker is to hold, and where.
type holding struct {
	Address Address `json:"address"`
	Queue   Queue   `json:"queue"`
	Count   int     `json:"count"`
}

// Hold takes messages from a queue, as an order made by [Behave] says, says so on
// out when it has them, and keeps them until in ends or ctx does. The order is the
// first line of in: there may be a password in it, which does not belong on a command
// line.
//
// The options are those of the [NATS] that is compared.
func Hold(ctx context.Context, in io.Reader, out io.Writer, options LoginOptions) error {
	var h holding
	if err := json.NewDecoder(in).Decode(&h); err != nil {
		return fmt.Errorf("%s is for 'warren compare' to call: %w", HoldCommand, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The other end is closed when whoever started this is gone. What reads on
	// after a failure ends with the process.
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	conn, err := h.Address.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// It is there already; what it says of itself is not known to this process.
	queue, err := conn.DeclareQueue(ctx, h.Queue)
	if err != nil {
		return err
	}
	box, err := openInbox(ctx, conn, queue, h.Count, nil)
	if err != nil {
		return err
	}
	defer box.leave()
	if _, err := box.wait(ctx, h.Count); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, holdingLine); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// A holder is a worker in a process of its own.
type holder struct {
	cmd   *exec.Cmd
	in    io.Closer
	said  bytes.Buffer  // on standard error, to be read once it has ended
	holds chan struct{} // closed when it holds its messages
	ended chan struct{} // closed when the process has been waited for
	kill  func() error  // kills it and waits for its end
}

// startHolder starts this program once more. The caller kills it.
func startHolder(order holding) (*holder, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &holder{
		cmd:   exec.Command(program, HoldCommand),
		holds: make(chan struct{}), ended: make(chan struct{}),
	}
	h.cmd.Args[0] = os.Args[0] // it may be called by several names
	h.kill = sync.OnceValue(h.end)
	h.cmd.Stderr = &h.said
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	h.in = in
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, h.in.Close())
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go h.listen(out)
	if err := json.NewEncoder(in).Encode(order); err != nil {
		return nil, errors.Join(err, h.kill())
	}
	return h, nil
}

func (h *holder) listen(out io.Reader) {
	defer close(h.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == holdingLine {
			close(h.holds)
		}
	}
	_ = h.cmd.Wait() // it is killed, or said what went wrong
}

// ready waits until the worker holds its messages.
func (h *holder) ready(ctx context.Context) error {
	select {
	case <-h.holds:
		return nil
	case <-h.ended:
		return fmt.Errorf("the worker ended: %s", strings.TrimSpace(h.said.String()))
	case <-ctx.Done():
		return fmt.Errorf("wait for the worker: %w", ctx.Err())
	}
}

func (h *holder) end() error {
	err := h.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = h.in.Close()
	<-h.ended
	return err
}
