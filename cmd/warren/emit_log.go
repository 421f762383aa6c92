package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newEmitLog(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "emit-log [TEXT...]",
		Short: "Publish messages to the fanout exchange 'logs'",
		Long: `Emit-log publishes TEXT to the fanout exchange 'logs', or five messages, Hello
World 0 to Hello World 4, if there is no TEXT. The TEXT '' is an empty message.
Whoever receives gets all of them; if nobody does, they are dropped. So first type
'warren receive-logs' in another terminal, or in several.`,
		Example: `  warren emit-log
  warren emit-log Disk is full`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
				return emitLog(ctx, s, cmd.OutOrStdout(), args)
			})
		},
	}
}

func emitLog(ctx context.Context, s *streams.Session, out io.Writer, words []string) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Fanout}); err != nil {
		return err
	}
	text := strings.Join(words, " ")
	bodies := []string{text}
	if len(words) == 0 {
		text = "Hello World!"
		bodies = []string{"Hello World 0", "Hello World 1", "Hello World 2", "Hello World 3", "Hello World 4"}
	}
	for _, body := range bodies {
		if err := s.Publish(ctx, "logs", "", streams.Message{Body: []byte(body)}); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "Sent '%s'\n", text)
	return nil
}
