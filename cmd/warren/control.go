package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newControl(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "control",
		Short: "Tell workers what to do",
		Example: `  warren control pause celery
  warren control shutdown celery@one
  warren control concurrency 4`,
		Args: subcommand,
		RunE: showHelp,
	}
	cmd.AddCommand(newPause(b), newResume(b), newShutdown(b), newConcurrency(b),
		newConsumerChange(b, "add-consumer", "Have workers take tasks from a queue too", "takes tasks from", workers.Control.AddQueue),
		newConsumerChange(b, "cancel-consumer", "Have workers take tasks from a queue no more", "takes no tasks from", workers.Control.CancelQueue))
	return cmd
}

func newPause(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "pause QUEUE",
		Short: "Have all workers take no more tasks from a queue",
		Long: `Pause has all workers take no more tasks from a queue, those that are started
later too, until 'warren control resume QUEUE'. What runs goes on.`,
		Example: "  warren control pause celery",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			app := workers.New(programName)
			return b.withApp(cmd, app, func(ctx context.Context) error {
				if err := app.Pause(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Paused queue '%s'\n", args[0])
				return nil
			})
		},
	}
}

func newResume(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:     "resume QUEUE",
		Short:   "Have workers take tasks from a paused queue again",
		Example: "  warren control resume celery",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			app := workers.New(programName)
			return b.withApp(cmd, app, func(ctx context.Context) error {
				paused, err := app.Resume(ctx, args[0])
				if err != nil {
					return err
				}
				if !paused {
					return fmt.Errorf("queue %q is not paused", args[0])
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Resumed queue '%s'\n", args[0])
				return nil
			})
		},
	}
}

func newShutdown(b *broker) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "shutdown [WORKER...]",
		Short:   "End workers, once the tasks that run have ended",
		Example: "  warren control shutdown\n  warren control shutdown celery@one",
	}
	addTimeout(cmd, &timeout)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return askWorkers(b, cmd, names, timeout, workers.Control.Shutdown, func(answers []workers.Answer[string]) error {
			return confirmAll(cmd, answers, func(says string) string { return says })
		})
	}
	return cmd
}

func newConcurrency(b *broker) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "concurrency N [WORKER...]",
		Short: "Change how many tasks workers run at once",
		Long: `Concurrency changes how many tasks workers run at once, until they end. With
fewer than run, none is interrupted.`,
		Example: "  warren control concurrency 4\n  warren control concurrency 1 celery@one",
		Args:    cobra.MinimumNArgs(1),
	}
	addTimeout(cmd, &timeout)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return usageError{fmt.Errorf("concurrency is %q; use 1 or more", args[0])}
		}
		set := func(c workers.Control, ctx context.Context) ([]workers.Answer[int], error) {
			return c.SetConcurrency(ctx, n)
		}
		return askWorkers(b, cmd, args[1:], timeout, set, func(answers []workers.Answer[int]) error {
			return confirmAll(cmd, answers, func(n int) string { return fmt.Sprintf("runs %d at once", n) })
		})
	}
	return cmd
}

func newConsumerChange(
	b *broker, name, short, now string,
	change func(workers.Control, context.Context, string) ([]workers.Answer[string], error),
) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     name + " QUEUE [WORKER...]",
		Short:   short,
		Long:    short + ", until they end.",
		Example: "  warren control " + name + " io\n  warren control " + name + " io celery@one",
		Args:    cobra.MinimumNArgs(1),
	}
	addTimeout(cmd, &timeout)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ask := func(c workers.Control, ctx context.Context) ([]workers.Answer[string], error) {
			return change(c, ctx, args[0])
		}
		return askWorkers(b, cmd, args[1:], timeout, ask, func(answers []workers.Answer[string]) error {
			return confirmAll(cmd, answers, func(queue string) string { return now + " '" + queue + "'" })
		})
	}
	return cmd
}

// confirmAll prints a line for each worker that did as it was told.
func confirmAll[V any](cmd *cobra.Command, answers []workers.Answer[V], text func(V) string) error {
	for _, a := range answers {
		if a.Err != nil {
			continue
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", a.Worker, text(a.Value)); err != nil {
			return err
		}
	}
	return nil
}
