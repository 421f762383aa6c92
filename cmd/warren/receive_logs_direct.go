package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"warren/streams"
)

type receiveLogsDirectOptions struct {
	reception
	severities []string
}

func newReceiveLogsDirect(b *broker) *cobra.Command {
	o := receiveLogsDirectOptions{reception: reception{ack: true, prefetch: 1}}
	cmd := &cobra.Command{
		Use:   "receive-logs-direct SEVERITY...",
		Short: "Receive chosen severities of the exchange 'direct_logs'",
		Long: `Receive-logs-direct binds a queue of its own to the direct exchange
'direct_logs', once for each SEVERITY, and gets the messages whose routing key
is one of them. In another terminal type 'warren emit-log-direct'.

` + bytesHelp,
		Example: `  warren receive-logs-direct warning error
  warren emit-log-direct error "Disk is full"`,
		Args: cobra.MinimumNArgs(1),
	}
	o.addCount(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		o.severities = args
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			return o.run(ctx, s, cmd.OutOrStdout())
		})
	}
	return cmd
}

func (o receiveLogsDirectOptions) run(ctx context.Context, s *streams.Session, out io.Writer) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}); err != nil {
		return err
	}
	queue, err := s.DeclareTemporaryQueue(ctx, "direct_logs", o.severities...)
	if err != nil {
		return err
	}
	return o.consume(ctx, s, out, queue.Name, func(d *streams.Delivery) error {
		if _, err := fmt.Fprintf(out, "Received '%s':'%s'\n", d.Key, d.Body); err != nil {
			return err
		}
		return d.Ack()
	})
}
