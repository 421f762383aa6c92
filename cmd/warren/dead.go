package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newDead(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List, replay or drop the tasks that were given up",
		Long: `Dead is about the tasks that were given up: those that failed and have no
retries left, that were lost with their workers, or that no worker knows. They
are kept for 30 days.`,
		Example: "  warren dead list\n  warren dead replay ID\n  warren dead drop --all",
		Args:    subcommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(newDeadList(b), newDeadReplay(b), newDeadDrop(b))
	return cmd
}

var deadColumns = []column[workers.DeadLetter]{
	{name: "id", value: func(l workers.DeadLetter) any { return l.ID }},
	{name: "task", value: func(l workers.DeadLetter) any { return l.Task }},
	{name: "queue", value: func(l workers.DeadLetter) any { return l.Queue }},
	{name: "attempt", value: func(l workers.DeadLetter) any { return l.Attempt }},
	{name: "date", value: func(l workers.DeadLetter) any { return l.Date.UTC().Format(time.RFC3339) }},
	{name: "exception", value: func(l workers.DeadLetter) any { return l.Failure.Type + ": " + l.Failure.Message }},
	{name: "worker", value: func(l workers.DeadLetter) any { return l.Worker }, extra: true},
	{name: "failure", value: func(l workers.DeadLetter) any { return jsonOf(l.Failure) }, extra: true},
	{name: "body", value: func(l workers.DeadLetter) any { return string(l.Message.Body) }, extra: true},
}

func newDeadList(b *broker) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tasks that were given up",
		Example: "  warren dead list\n  warren dead list --json",
		Args:    noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the messages")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			return printAll(cmd, deadColumns, app.DeadLetters(ctx), asJSON)
		})
	}
	return cmd
}

func newDeadReplay(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "replay ID...",
		Short: "Send tasks that were given up once more",
		Long: `Replay sends tasks that were given up to their queues once more, under their
ids. What stood behind them in a chain or a chord follows if they succeed.`,
		Example: "  warren dead replay ID",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return eachDead(b, cmd, ids, "Sent %s again\n", (*workers.App).Replay)
		},
	}
}

func newDeadDrop(b *broker) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "drop ID... | --all",
		Short:   "Forget tasks that were given up",
		Example: "  warren dead drop ID\n  warren dead drop --all",
	}
	cmd.Flags().BoolVar(&all, "all", false, "forget all of them")
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		if all == (len(ids) > 0) {
			return usageError{errors.New("name the tasks to drop, or give --all")}
		}
		if !all {
			return eachDead(b, cmd, ids, "Dropped %s\n", (*workers.App).DropDeadLetter)
		}
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			count, err := app.DropDeadLetters(ctx)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "Dropped %s\n", tasks(count))
			}
			return err
		})
	}
	return cmd
}

// eachDead does something with each of the ids, and says so.
func eachDead(b *broker, cmd *cobra.Command, ids []string, says string, do func(*workers.App, context.Context, string) error) error {
	app := workers.New(programName)
	return b.withApp(cmd, app, func(ctx context.Context) error {
		for _, id := range ids {
			err := do(app, ctx, id)
			if errors.Is(err, workers.ErrNoDeadLetter) {
				return fmt.Errorf("%w: see '%s'", err, call(cmd, "dead list"))
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), says, id)
		}
		return nil
	})
}
