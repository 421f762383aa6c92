package main

import (
	"github.com/spf13/cobra"

	"warren/cmd/warren/internal/compare"
)

// newHoldMessages is a worker that a comparison of brokers starts, to kill it.
func newHoldMessages() *cobra.Command {
	return &cobra.Command{
		Use:    compare.HoldCommand + " ORDER",
		Short:  "Hold messages until killed, as a comparison of brokers orders",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare.Hold(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
