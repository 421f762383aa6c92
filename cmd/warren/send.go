package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"warren/streams"
)

type sendOptions struct {
	text       string
	queue      string
	count      int
	durable    bool
	persistent bool
}

func newSend(b *broker) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [TEXT...]",
		Short: "Send a message to a queue",
		Long: `Send puts a message into a queue, "Hello World!" if there is no TEXT. It may be
there before anybody receives it; in another terminal type 'warren receive'.`,
		Example: `  warren send
  warren send --count 5                          Hello World 0 to Hello World 4
  warren send --count 5 --durable --persistent   they survive the broker's restart`,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.queue, "queue", "hello", "queue to send to")
	flags.IntVar(&o.count, "count", 0, "send so many, numbered from 0 (default: one, without a number)")
	flags.BoolVar(&o.durable, "durable", false, "the queue comes back when the broker restarts")
	flags.BoolVar(&o.persistent, "persistent", false, "the messages come back when the broker restarts, in a durable queue")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		o.text = strings.Join(args, " ")
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			return o.run(ctx, s, cmd.OutOrStdout())
		})
	}
	return cmd
}

func (o sendOptions) check() error {
	if o.count < 0 {
		return usageError{errors.New("--count is not negative")}
	}
	return checkQueue(o.queue)
}

// checkQueue refuses the empty name, at which the server would make up one.
func checkQueue(name string) error {
	if name == "" {
		return usageError{errors.New("--queue is empty")}
	}
	return nil
}

func (o sendOptions) run(ctx context.Context, s *streams.Session, out io.Writer) error {
	if _, err := s.DeclareQueue(ctx, streams.Queue{Name: o.queue, Durable: o.durable}); err != nil {
		return err
	}
	var mode streams.DeliveryMode
	if o.persistent {
		mode = streams.Persistent
	}
	for _, body := range bodies(o.text, o.count) {
		if err := s.Publish(ctx, "", o.queue, streams.Message{Body: []byte(body), DeliveryMode: mode}); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "Sent '%s'\n", textOr(o.text, "Hello World!"))
	return nil
}

// bodies are the texts of so many messages, numbered from 0, or of one without
// a number.
func bodies(text string, count int) []string {
	if count == 0 {
		return []string{textOr(text, "Hello World!")}
	}
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf("%s %d", textOr(text, "Hello World"), i)
	}
	return list
}

func textOr(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
