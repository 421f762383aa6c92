package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newEmitLogDirect(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "emit-log-direct SEVERITY TEXT...",
		Short: "Publish a message to the direct exchange 'direct_logs'",
		Long: `Emit-log-direct publishes TEXT with the routing key SEVERITY. The queues that
are bound with that very key get it; if there is none, it is dropped. So first
type 'warren receive-logs-direct SEVERITY' in another terminal.`,
		Example: `  warren emit-log-direct error "Disk is full"`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
				return emitLogDirect(ctx, s, cmd.OutOrStdout(), args[0], strings.Join(args[1:], " "))
			})
		},
	}
}

func emitLogDirect(ctx context.Context, s *streams.Session, out io.Writer, severity, text string) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "direct_logs", Kind: streams.Direct}); err != nil {
		return err
	}
	if err := s.Publish(ctx, "direct_logs", severity, streams.Message{Body: []byte(text)}); err != nil {
		return err
	}
	fmt.Fprintf(out, "Sent '%s':'%s'\n", severity, text)
	return nil
}
