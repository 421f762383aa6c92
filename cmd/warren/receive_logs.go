package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"warren/streams"
)

type receiveLogsOptions struct {
	reception
	name string
}

func newReceiveLogs(b *broker) *cobra.Command {
	o := receiveLogsOptions{reception: reception{ack: true, prefetch: 1}}
	cmd := &cobra.Command{
		Use:   "receive-logs [NAME]",
		Short: "Receive every message of the fanout exchange 'logs'",
		Long: `Receive-logs binds a queue of its own to the fanout exchange 'logs'. Start
several, and each gets everything; in another terminal type 'warren emit-log'.
NAME is what the logger calls itself, "Logger" and a number otherwise.

` + bytesHelp,
		Example: `  warren receive-logs
  warren receive-logs "Logger 512"`,
		Args: cobra.MaximumNArgs(1),
	}
	o.addCount(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		o.name = fmt.Sprintf("Logger %d", 1+rand.IntN(1000))
		if len(args) > 0 {
			o.name = args[0]
		}
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			return o.run(ctx, s, cmd.OutOrStdout())
		})
	}
	return cmd
}

func (o receiveLogsOptions) run(ctx context.Context, s *streams.Session, out io.Writer) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
		return err
	}
	queue, err := s.DeclareTemporaryQueue(ctx, "logs")
	if err != nil {
		return err
	}
	return o.consume(ctx, s, out, queue.Name, func(d *streams.Delivery) error {
		if _, err := fmt.Fprintf(out, "Processing msg by %s: %s\n", o.name, d.Body); err != nil {
			return err
		}
		return d.Ack()
	})
}
