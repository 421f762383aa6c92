package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newQueue(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "queue",
		Short:   "Purge or delete a queue",
		Example: "  warren queue purge hello\n  warren queue delete hello",
		Args:    subcommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newQueuePurge(b), newQueueDelete(b))
	return cmd
}

func newQueuePurge(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "purge QUEUE",
		Short: "Drop the messages of a queue that nobody has received",
		Long: `Purge drops the ready messages of a queue. Those that a receiver holds and has
not acknowledged are its own. Tasks are dropped without a word to those who wait for
their results: for a queue of tasks use 'warren purge'.`,
		Example: "  warren queue purge hello",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.look(cmd, func(ctx context.Context, s *streams.Session) error {
				count, err := s.PurgeQueue(ctx, args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Purged %s from queue '%s'\n", messages(count), args[0])
				return nil
			})
		},
	}
}

func newQueueDelete(b *broker) *cobra.Command {
	var ifEmpty, ifUnused bool
	cmd := &cobra.Command{
		Use:     "delete QUEUE",
		Short:   "Delete a queue with its messages",
		Example: "  warren queue delete hello\n  warren queue delete hello --if-empty --if-unused",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&ifEmpty, "if-empty", false, "refuse while it has messages")
	cmd.Flags().BoolVar(&ifUnused, "if-unused", false, "refuse while it has consumers")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return b.look(cmd, func(ctx context.Context, s *streams.Session) error {
			// Deleting what is not there succeeds in AMQP, and hides a mistyped name.
			if _, err := s.InspectQueue(ctx, args[0]); err != nil {
				return err
			}
			count, err := s.DeleteQueue(ctx, args[0], deleteFlags(ifEmpty, ifUnused)...)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Deleted queue '%s' with %s\n", args[0], messages(count))
			return nil
		})
	}
	return cmd
}

func deleteFlags(ifEmpty, ifUnused bool) []streams.DeleteFlag {
	var flags []streams.DeleteFlag
	if ifEmpty {
		flags = append(flags, streams.IfEmpty)
	}
	if ifUnused {
		flags = append(flags, streams.IfUnused)
	}
	return flags
}

func unusedFlags(ifUnused bool) []streams.UnusedFlag {
	if ifUnused {
		return []streams.UnusedFlag{streams.IfUnused}
	}
	return nil
}

func messages(count int) string {
	if count == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", count)
}
