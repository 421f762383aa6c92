package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newResult(b *broker) *cobra.Command {
	var timeout time.Duration
	var tree bool
	cmd := &cobra.Command{
		Use:   "result ID",
		Short: "Show what has become of a task",
		Long: `Result prints the state of a task: PENDING, STARTED, RETRY, SUCCESS, FAILURE or
REVOKED. Behind SUCCESS it prints the result, behind FAILURE why, on stderr.

With --tree it prints the task, and below it what its end has called, each with
its state.`,
		Example: "  warren result ID\n  warren result ID --timeout 10s\n  warren result ID --tree",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait so long at most for its end (default: none)")
	cmd.Flags().BoolVar(&tree, "tree", false, "print what it has called, too, with the states")
	cmd.MarkFlagsMutuallyExclusive("tree", "timeout")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			r, err := workers.ResultOf[json.RawMessage](app, args[0])
			if err != nil {
				return usageError{err}
			}
			if tree {
				return printTree(ctx, cmd, r, "", make(map[string]bool))
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
		return unknownTask(r)
	}
	if !state.Ready() && timeout > 0 {
		state = waitFor(ctx, cmd, r, state, timeout)
	}
	fmt.Fprintln(cmd.OutOrStdout(), newPainter(cmd.OutOrStdout()).state(state))
	if !state.Ready() {
		return nil
	}
	return printResult(ctx, cmd, r, 0)
}

func unknownTask(r *workers.Result[json.RawMessage]) error {
	return fmt.Errorf("task %s: %w; records are kept for a day", r.ID(), workers.ErrUnknown)
}

// printTree prints a task, and indented below it what its end has called. Of what
// is called only the record may have expired, or not be there yet.
func printTree(ctx context.Context, cmd *cobra.Command, r *workers.Result[json.RawMessage], indent string, seen map[string]bool) error {
	if seen[r.ID()] {
		return nil // ids that were chosen may be those of what is above
	}
	seen[r.ID()] = true
	info, err := r.Info(ctx)
	switch {
	case errors.Is(err, workers.ErrUnknown) && indent == "":
		return unknownTask(r)
	case errors.Is(err, workers.ErrUnknown):
		info = workers.TaskInfo{ID: r.ID(), Name: "?", State: workers.Unknown}
	case err != nil:
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s%s %s %s\n", indent, info.Name, info.ID, newPainter(cmd.OutOrStdout()).state(info.State))
	if err != nil {
		return nil
	}
	children, err := r.Children(ctx)
	for _, child := range children {
		if err := printTree(ctx, cmd, child, indent+"  ", seen); err != nil {
			return err
		}
	}
	return err
}

// waitFor waits for the end of a task, and says which it was.
func waitFor(ctx context.Context, cmd *cobra.Command, r *workers.Result[json.RawMessage], state workers.State, timeout time.Duration) workers.State {
	soon, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stop := showWaiting(soon, cmd.ErrOrStderr(), timeout, standingOf(r))
	_, _ = r.Get(soon) // what it is, is asked for again
	stop()
	if now, err := r.State(ctx); err == nil {
		return now
	}
	return state
}

// standingOf says how a task fares that is waited for, and how far it is if it has
// told that. When the broker does not answer it says what it said last.
func standingOf(r *workers.Result[json.RawMessage]) func(context.Context) string {
	said := "waiting"
	return func(ctx context.Context) string {
		state, err := r.State(ctx)
		if err != nil {
			return said
		}
		said = string(state)
		if far, err := r.Progress(ctx); err == nil && far != nil && state == workers.Started {
			const most = 30 // what is shown is in one line
			if text := []rune(string(far)); len(text) > most {
				far = json.RawMessage(string(text[:most-1]) + "…")
			}
			said += " " + string(far)
		}
		return said
	}
}
