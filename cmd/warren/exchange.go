package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newExchange(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "exchange",
		Short:   "Delete an exchange",
		Example: "  warren exchange delete logs",
		Args:    subcommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newExchangeDelete(b))
	return cmd
}

func newExchangeDelete(b *broker) *cobra.Command {
	var ifUnused bool
	cmd := &cobra.Command{
		Use:     "delete EXCHANGE",
		Short:   "Delete an exchange and its bindings",
		Example: "  warren exchange delete logs",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&ifUnused, "if-unused", false, "refuse while a queue is bound to it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return b.look(cmd, func(ctx context.Context, s *streams.Session) error {
			// Deleting what is not there succeeds in AMQP, and hides a mistyped name.
			if err := s.CheckExchange(ctx, args[0]); err != nil {
				return err
			}
			if err := s.DeleteExchange(ctx, args[0], unusedFlags(ifUnused)...); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Deleted exchange '%s'\n", args[0])
			return nil
		})
	}
	return cmd
}
