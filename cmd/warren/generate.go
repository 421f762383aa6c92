package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"warren/streams"
)

// The exchange of the exercise, and the two types of its messages, which are
// also their routing keys.
const (
	shopExchange = "shop"
	orderType    = "order"
	paymentType  = "payment"
)

type generateOptions struct {
	rate  float64
	count int
}

func newGenerate(b *broker) *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Exercise 1: generate messages of two types",
		Long: `Generate publishes orders and payments to the direct exchange 'shop', until
Ctrl-C is pressed. A subscriber gets one type of them. So first type in two
other terminals:

  warren subscribe order --log orders.log
  warren subscribe payment --log payments.log`,
		Example: `  warren generate
  warren generate --rate 100 --count 1000`,
		Args: noArguments,
	}
	cmd.Flags().Float64Var(&o.rate, "rate", 1, "messages a second")
	cmd.Flags().IntVar(&o.count, "count", 0, "stop after so many (default: when Ctrl-C is pressed)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			return o.run(ctx, s, cmd.OutOrStdout())
		})
	}
	return cmd
}

// check refuses what no ticker can do; NaN is between no bounds.
func (o generateOptions) check() error {
	if !(o.rate >= 1e-6 && o.rate <= 1e6) {
		return usageError{fmt.Errorf("--rate is %v; use 0.000001 to 1000000", o.rate)}
	}
	if o.count < 0 {
		return usageError{fmt.Errorf("--count is %d; use 1 or more", o.count)}
	}
	return nil
}

func (o generateOptions) run(ctx context.Context, s *streams.Session, out io.Writer) error {
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: shopExchange, Kind: streams.Direct, Durable: true}); err != nil {
		return err
	}
	pace := time.NewTicker(time.Duration(float64(time.Second) / o.rate))
	defer pace.Stop()
	for n := 1; ; n++ {
		if err := publishNumber(ctx, s, out, n); err != nil {
			return err
		}
		if n == o.count {
			return nil
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil // Ctrl-C is how a generator ends
		}
	}
}

// publishNumber publishes message n, and tells when nobody wanted it. Ctrl-C does
// not cut it short: whether the broker has the message would not be known.
func publishNumber(ctx context.Context, s *streams.Session, out io.Writer, n int) error {
	kind, body := orderType, fmt.Sprintf("order %d: %d kg of tea", n, 1+rand.IntN(9))
	if n%2 == 0 {
		kind, body = paymentType, fmt.Sprintf("payment %d: %d.%02d EUR", n, rand.IntN(100), rand.IntN(100))
	}
	m := streams.Message{Type: kind, Timestamp: time.Now(), DeliveryMode: streams.Persistent, Body: []byte(body)}
	err := s.Publish(context.WithoutCancel(ctx), shopExchange, kind, m, streams.Mandatory)
	switch {
	case errors.Is(err, streams.ErrNoRoute):
		fmt.Fprintf(out, "Dropped '%s': nobody has subscribed to %s\n", body, kind)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "Sent '%s'\n", body)
	return nil
}
