package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"warren/streams"
)

type receiveLogsTopicOptions struct {
	reception
	keys []string
}

func newReceiveLogsTopic(b *broker) *cobra.Command {
	o := receiveLogsTopicOptions{reception: reception{ack: true, prefetch: 1}}
	cmd := &cobra.Command{
		Use:   "receive-logs-topic KEY...",
		Short: "Receive what matches keys of the exchange 'topic_logs'",
		Long: `Receive-logs-topic binds a queue of its own to the topic exchange 'topic_logs',
once for each KEY. In a KEY * stands for one word and # for any number of them,
none too. In another terminal type 'warren emit-log-topic'.

` + bytesHelp,
		Example: `  warren receive-logs-topic "app.notification.sms.#"
  warren receive-logs-topic "*.critical" "kern.*"
  warren emit-log-topic app.notification.sms.sent "To 555-0100"`,
		Args: cobra.MinimumNArgs(1),
	}
	o.addCount(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		o.keys = args
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			return o.run(ctx, s, cmd.OutOrStdout())
		})
	}
	return cmd
}

func (o receiveLogsTopicOptions) run(ctx context.Context, s *streams.Session, out io.Writer) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "topic_logs", Kind: streams.Topic}); err != nil {
		return err
	}
	queue, err := s.DeclareTemporaryQueue(ctx, "topic_logs", o.keys...)
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
