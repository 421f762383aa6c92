package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newEmitLogTopic(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "emit-log-topic KEY TEXT...",
		Short: "Publish a message to the topic exchange 'topic_logs'",
		Long: `Emit-log-topic publishes TEXT with the routing key KEY, words with dots between
them. The queues with a binding that matches get it; if there is none, it is
dropped. So first type 'warren receive-logs-topic KEY' in another terminal.`,
		Example: `  warren emit-log-topic app.notification.sms.sent "To 555-0100"`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
				return emitLogTopic(ctx, s, cmd.OutOrStdout(), args[0], strings.Join(args[1:], " "))
			})
		},
	}
}

func emitLogTopic(ctx context.Context, s *streams.Session, out io.Writer, key, text string) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}); err != nil {
		return err
	}
	if err := s.Publish(ctx, "topic_logs", key, streams.Message{Body: []byte(text)}); err != nil {
		return err
	}
	fmt.Fprintf(out, "Sent '%s':'%s'\n", key, text)
	return nil
}
