package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"warren/streams"
)

type subscribeOptions struct {
	reception
	kind  string
	path  string
	queue string
}

func newSubscribe(b *broker) *cobra.Command {
	o := subscribeOptions{reception: reception{ack: true, prefetch: 1}}
	cmd := &cobra.Command{
		Use:   "subscribe order|payment --log FILE",
		Short: "Exercise 1: write the messages of one type to a log file",
		Long: `Subscribe appends every message of one type to a log file, a line each, and
acknowledges it when the line is on the disk. Nothing is lost: the queue is kept
while nobody subscribes, and what was written but not acknowledged when the
subscriber died is written again. In another terminal type 'warren generate'.

` + rotationHelp,
		Example: `  warren subscribe order --log orders.log
  warren subscribe payment --log payments.log`,
		Args: cobra.MatchAll(cobra.ExactArgs(1), knownType),
	}
	o.addCount(cmd.Flags())
	cmd.Flags().StringVar(&o.path, "log", "", "`FILE` to append to")
	cmd.Flags().StringVar(&o.queue, "queue", "", "`QUEUE` that keeps the messages; subscribers of one\nshare them (default: shop.TYPE)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.path == "" {
			return usageError{errors.New("--log FILE is missing")}
		}
		if err := o.check(); err != nil {
			return err
		}
		o.kind = args[0]
		o.queue = cmp.Or(o.queue, shopExchange+"."+o.kind)
		return withLog(cmd, o.path, func(log *logFile) error {
			return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
				return o.run(ctx, s, cmd.OutOrStdout(), cmd.ErrOrStderr(), log)
			})
		})
	}
	return cmd
}

func knownType(cmd *cobra.Command, args []string) error {
	if args[0] == orderType || args[0] == paymentType {
		return nil
	}
	return fmt.Errorf("unknown type %q; '%s' makes %s and %s", args[0], call(cmd, "generate"), orderType, paymentType)
}

func (o subscribeOptions) run(ctx context.Context, s *streams.Session, out, stderr io.Writer, log *logFile) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: shopExchange, Kind: streams.Direct, Durable: true}); err != nil {
		return err
	}
	info, err := s.DeclareQueue(ctx, streams.Queue{Name: o.queue, Durable: true})
	if err != nil {
		return err
	}
	defer followOrphans(ctx, s, stderr, info)()
	if err := s.Bind(ctx, streams.Binding{Exchange: shopExchange, Queue: o.queue, Key: o.kind}); err != nil {
		return err
	}
	return o.consume(ctx, s, out, o.queue, func(d *streams.Delivery) error {
		if err := log.writeLine("%s type=%s key=%s %s", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), d.Type, d.Key, d.Body); err != nil {
			return err
		}
		fmt.Fprintf(out, "Logged '%s'\n", d.Body)
		return d.Ack()
	})
}
