package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/streams"
)

type sendOptions struct {
	text       string
	queue      string
	count      int
	durable    bool
	persistent bool
	lifetimes  lifetimes
	expiration time.Duration
	expires    bool // an expiration was given
	given      bool // a text was given, which may be empty
}

func newSend(b *broker) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send [TEXT...]",
		Short: "Send a message to a queue",
		Long: `Send puts a message into a queue, "Hello World!" if there is no TEXT. It may be
there before anybody receives it; in another terminal type 'warren receive'. The
TEXT '' is an empty message.`,
		Example: `  warren send
  warren send --count 5                         Hello World 0 to Hello World 4
  warren send --count 5 --durable --persistent  they survive a restart`,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.queue, "queue", "hello", "`QUEUE` to send to")
	flags.IntVar(&o.count, "count", 0, "send so many, numbered from 0\n(default: one, without a number)")
	flags.BoolVar(&o.durable, "durable", false, "the queue comes back when the broker restarts")
	flags.BoolVar(&o.persistent, "persistent", false, "the messages come back when the broker restarts,\nin a durable queue")
	flags.DurationVar(&o.expiration, "expiration", 0, "how long a message may wait in the queue;\n0s: it is for who waits (default: as the\nqueue says)")
	o.lifetimes.add(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.expires = cmd.Flags().Changed("expiration")
		if o.expiration%time.Millisecond != 0 {
			return usageError{fmt.Errorf("--expiration is %v; use whole milliseconds", o.expiration)}
		}
		if cmd.Flags().Changed("count") && o.count < 1 {
			return usageError{fmt.Errorf("--count is %d; use 1 or more", o.count)}
		}
		if err := checkQueue(o.queue); err != nil {
			return err
		}
		o.text, o.given = strings.Join(args, " "), len(args) > 0
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			q := o.lifetimes.of(cmd, streams.Queue{Name: o.queue, Durable: o.durable})
			return o.run(ctx, s, q, cmd.OutOrStdout())
		})
	}
	return cmd
}

// checkQueue refuses the empty name, at which the server would make up one.
func checkQueue(name string) error {
	if name == "" {
		return usageError{errors.New("--queue is empty")}
	}
	return nil
}

func (o sendOptions) run(ctx context.Context, s *streams.Session, q streams.Queue, out io.Writer) error {
	if _, err := s.DeclareQueue(ctx, q); err != nil {
		return err
	}
	var mode streams.DeliveryMode
	if o.persistent {
		mode = streams.Persistent
	}
	for i := range max(o.count, 1) {
		m := streams.Message{Body: []byte(o.body(i)), DeliveryMode: mode}
		if o.expires {
			m.Expiration = strconv.FormatInt(o.expiration.Milliseconds(), 10)
		}
		if err := s.Publish(ctx, "", o.queue, m); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "Sent '%s'\n", o.textOr("Hello World!"))
	return nil
}

// body is the text of message i, which has a number if there is a count.
func (o sendOptions) body(i int) string {
	if o.count == 0 {
		return o.textOr("Hello World!")
	}
	return fmt.Sprintf("%s %d", o.textOr("Hello World"), i)
}

func (o sendOptions) textOr(otherwise string) string {
	if o.given {
		return o.text
	}
	return otherwise
}
