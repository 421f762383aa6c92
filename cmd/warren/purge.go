package main

import (
	"context"
	"errors"
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
wait for their time, stay. A queue of ordinary messages is refused: 'warren queue
purge' drops those.`,
		Example: "  warren purge\n  warren purge io",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			queue := lectureQueue
			if len(args) > 0 {
				queue = args[0]
			}
			app := workers.New(programName)
			return b.withApp(cmd, app, func(ctx context.Context) error {
				count, err := app.Purge(ctx, queue)
				if errors.Is(err, workers.ErrNoTask) {
					return fmt.Errorf("%w: type '%s' to drop all messages of the queue", err, call(cmd, "queue purge "+typed([]string{queue})))
				}
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
