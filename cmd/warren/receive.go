package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"warren/streams"
)

type receiveOptions struct {
	reception
	queue     string
	durable   bool
	lifetimes lifetimes
	work      work
}

func newReceive(b *broker) *cobra.Command {
	var o receiveOptions
	cmd := &cobra.Command{
		Use:   "receive",
		Short: "Receive what 'warren send' sends",
		Long: `Receive prints every message of a queue. Start several, and they share the
messages; in another terminal type 'warren send'.

Without --ack a message is done with as soon as it is sent here, and whatever a
receiver that dies had not handled is lost. With --ack it comes back.

` + bytesHelp,
		Example: `  warren receive
  warren receive --work 1s-5s                       in two terminals or more
  warren receive --work 1s-5s --ack --durable       kill it, start it again
  warren receive --work 1s-5s --prefetch 1          whoever is free is first`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	o.addCount(flags)
	flags.StringVar(&o.queue, "queue", "hello", "`QUEUE` to receive from")
	flags.BoolVar(&o.durable, "durable", false, "the queue comes back when the broker restarts")
	flags.BoolVar(&o.ack, "ack", false, "acknowledge each message when it is done with")
	flags.IntVar(&o.prefetch, "prefetch", 0, "hold so many messages at most, and --ack;\n0 is no limit")
	flags.Var(&o.work, "work", "be busy with each message for a time,\nor a random one between two")
	o.lifetimes.add(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(o.check(), checkQueue(o.queue)); err != nil {
			return err
		}
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			q := o.lifetimes.of(cmd, streams.Queue{Name: o.queue, Durable: o.durable})
			return o.run(ctx, s, q, cmd.OutOrStdout(), cmd.ErrOrStderr())
		})
	}
	return cmd
}

func (o receiveOptions) run(ctx context.Context, s *streams.Session, q streams.Queue, out, stderr io.Writer) error {
	info, err := s.DeclareQueue(ctx, q)
	if err != nil {
		return err
	}
	defer followOrphans(ctx, s, stderr, info)()
	return o.consume(ctx, s, out, o.queue, func(d *streams.Delivery) error {
		if err := o.process(ctx, out, d); err != nil {
			o.tellFate(stderr, d)
			return err
		}
		if o.ack {
			return d.Ack()
		}
		return nil
	})
}

func (o receiveOptions) process(ctx context.Context, out io.Writer, d *streams.Delivery) error {
	if o.work == (work{}) {
		_, err := fmt.Fprintf(out, "Received '%s'\n", d.Body)
		return err
	}
	if _, err := fmt.Fprintf(out, "Start processing %s\n", d.Body); err != nil {
		return err
	}
	return o.work.showOn(ctx, out)
}

// tellFate says what becomes of a message that was interrupted.
func (o receiveOptions) tellFate(stderr io.Writer, d *streams.Delivery) {
	if o.ack {
		fmt.Fprintf(stderr, "Interrupted: '%s' goes back to the queue.\n", d.Body)
		return
	}
	fmt.Fprintf(stderr, "Interrupted: '%s' is lost, and whatever waited here behind it; --ack would keep them.\n", d.Body)
}
