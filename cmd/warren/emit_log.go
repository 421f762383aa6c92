package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newEmitLog(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "emit-log",
		Short: "Publish five messages to the fanout exchange 'logs'",
		Long: `Emit-log publishes Hello World 0 to Hello World 4 to the fanout exchange 'logs'.
Whoever receives gets all of them; if nobody does, they are dropped. So first
type 'warren receive-logs' in another terminal, or in several.`,
		Example: `  warren emit-log`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
				return emitLog(ctx, s, cmd.OutOrStdout())
			})
		},
	}
}

func emitLog(ctx context.Context, s *streams.Session, out io.Writer) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
		return err
	}
	for i := range 5 {
		body := fmt.Sprintf("Hello World %d", i)
		if err := s.Publish(ctx, "logs", "", streams.Message{Body: []byte(body)}); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "Sent 'Hello World!'")
	return nil
}
