package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newRevoke(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID...",
		Short: "Keep tasks from running, and cancel those that run",
		Long: `Revoke keeps tasks from running, in workers that are started later too, and
cancels the context of those that run. The id of a group, or of the first task
of a chain, is that of all of it.`,
		Example: "  warren revoke ID",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			app := workers.New(programName)
			return b.withApp(cmd, app, func(ctx context.Context) error {
				for _, id := range ids {
					if err := revoke(ctx, cmd, app, id); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func revoke(ctx context.Context, cmd *cobra.Command, app *workers.App, id string) error {
	r, err := workers.ResultOf[json.RawMessage](app, id)
	if err != nil {
		return usageError{err}
	}
	state, err := r.State(ctx)
	if err != nil {
		return err
	}
	if state.Ready() {
		return fmt.Errorf("task %s has ended: it is %s", id, state)
	}
	if err := app.Revoke(ctx, id); err != nil {
		return err
	}
	if state == workers.Unknown {
		fmt.Fprintf(cmd.ErrOrStderr(), "No task is known as %s. If it is a group's id, its tasks will not run.\n", id)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Revoked %s\n", id)
	return nil
}
