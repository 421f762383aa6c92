package main

import (
	"github.com/spf13/cobra"

	"warren/cmd/warren/internal/compare"
)

// newHoldMessages is a worker that a comparison of brokers starts, to kill it.
func newHoldMessages() *cobra.Command {
	return &cobra.Command{
		Use:    compare.HoldCommand,
		Short:  "Hold messages until killed, as a comparison of brokers orders",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return compare.Hold(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), loginOptions)
		},
	}
}
