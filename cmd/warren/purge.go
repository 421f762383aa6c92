package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newPurge(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "purge [QUEUE]",
		Short: "Revoke the tasks that wait in a queue",
		Long: `Purge revokes all tasks that wait in a queue, celery if none is named, without
asking. Who waits for their results is told. Tasks that a worker has, or that
wait for their time, stay.`,
		Example: "  warren purge\n  warren purge io",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			queue := "celery"
			if len(args) > 0 {
				queue = args[0]
			}
			app := workers.New(programName)
			return b.withApp(cmd, app, func(ctx context.Context) error {
				count, err := app.Purge(ctx, queue)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Purged %s from queue '%s'\n", tasks(count), queue)
				return nil
			})
		},
	}
}

func tasks(count int) string {
	if count == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", count)
}
