package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newResult(b *broker) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "result ID",
		Short: "Show what has become of a task",
		Long: `Result prints the state of a task: PENDING, STARTED, RETRY, SUCCESS, FAILURE or
REVOKED. Behind SUCCESS it prints the result, behind FAILURE why, on stderr.`,
		Example: "  warren result ID\n  warren result ID --timeout 10s",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait so long at most for its end (default: none)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			r, err := workers.ResultOf[json.RawMessage](app, args[0])
			if err != nil {
				return usageError{err}
			}
			return showResult(ctx, cmd, r, timeout)
		})
	}
	return cmd
}

func showResult(ctx context.Context, cmd *cobra.Command, r *workers.Result[json.RawMessage], timeout time.Duration) error {
	state, err := r.State(ctx)
	if err != nil {
		return err
	}
	if state == workers.Unknown {
		return fmt.Errorf("task %s: %w; records are kept for a day", r.ID(), workers.ErrUnknown)
	}
	if !state.Ready() && timeout > 0 {
		state = waitFor(ctx, r, state, timeout)
	}
	fmt.Fprintln(cmd.OutOrStdout(), state)
	if !state.Ready() {
		return nil
	}
	return printResult(ctx, cmd, r, 0)
}

// waitFor waits for the end of a task, and says which it was.
func waitFor(ctx context.Context, r *workers.Result[json.RawMessage], state workers.State, timeout time.Duration) workers.State {
	soon, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, _ = r.Get(soon) // what it is, is asked for again
	if now, err := r.State(ctx); err == nil {
		return now
	}
	return state
}
