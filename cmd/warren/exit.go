package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"warren/streams"
)

// Exit codes, as the help of the root command tells them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
	exitPipe        = 141 // what a shell says of a program that SIGPIPE ended
)

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// report tells the user what went wrong and what to type next, and gives the
// exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	var usage usageError
	var lost outputError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &lost) && errors.Is(err, syscall.EPIPE):
		return exitPipe // as 'head' does it: the reader knows why
	case errors.As(err, &usage):
		fmt.Fprintf(w, "warren: %s\nUsage: %s\nTry '%s --help'.\n", oneLine(err), cmd.UseLine(), cmd.CommandPath())
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "Interrupted")
		return exitInterrupted
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		err = fmt.Errorf("the broker does not answer: %w", err)
	}
	fmt.Fprintf(w, "warren: %s\n", oneLine(err))
	if hint := hintFor(cmd, err); hint != "" {
		fmt.Fprintln(w, hint)
	}
	return exitFailure
}

// oneLine puts joined errors on one line, each once.
func oneLine(err error) string {
	return strings.Join(slices.Compact(strings.Split(err.Error(), "\n")), "; ")
}

// hintFor is what to type about a condition of AMQP.
func hintFor(cmd *cobra.Command, err error) string {
	var amqp *streams.Error
	if !errors.As(err, &amqp) {
		return ""
	}
	switch {
	case errors.Is(err, streams.ErrCancelled):
		return "It was deleted, or it was not durable and the broker was restarted."
	case amqp.Hint != "":
		return amqp.Hint
	case strings.HasPrefix(amqp.Detail, "inequivalent arg"):
		return fmt.Sprintf("It exists already, and otherwise. Declare it the same way, use another name,\n"+
			"or delete it first: '%s', '%s'.", call(cmd, "queue delete NAME"), call(cmd, "exchange delete NAME"))
	case strings.HasPrefix(amqp.Detail, "no vhost"):
		return fmt.Sprintf("The first command that uses a virtual host makes it: '%s'.", call(cmd, "send --vhost NAME"))
	case amqp.Code == streams.ErrNotFound.Code:
		return fmt.Sprintf("See what there is: '%s', '%s'.", call(cmd, "list queues"), call(cmd, "list exchanges"))
	}
	return ""
}
