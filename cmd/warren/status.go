package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newStatus(b *broker) *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the workers",
		Long: `Status lists the workers that are there. One that was killed stays in the list
for 15 seconds, and does not answer. One that answers, and whose oldest task
grows old, has a task that hangs: 'warren inspect active' says which.`,
		Example: "  warren status\n  warren status --json",
		Args:    noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addTimeout(cmd, &timeout)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			soon, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			answers, err := app.Control().Stats(soon)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), statusColumns, answers)
			case len(answers) == 0:
				return noWorker(cmd)
			}
			return printTable(cmd.OutOrStdout(), choose(statusColumns, nil, false), answers)
		})
	}
	return cmd
}

var statusColumns = []column[workers.Answer[workers.Stats]]{
	{name: "worker", value: func(a workers.Answer[workers.Stats]) any { return a.Worker }},
	{name: "status", value: func(a workers.Answer[workers.Stats]) any { return standing(a.Err) }, paint: paintStanding},
	{name: "running", value: func(a workers.Answer[workers.Stats]) any {
		return fmt.Sprintf("%d/%d", a.Value.Running, a.Value.Concurrency)
	}},
	{name: "oldest", value: func(a workers.Answer[workers.Stats]) any { return age(time.Duration(a.Value.Oldest)) }},
	{name: "processed", value: func(a workers.Answer[workers.Stats]) any { return ended(a.Value) }},
	{name: "queues", value: func(a workers.Answer[workers.Stats]) any { return queueList(a.Value) }},
	{name: "pid", value: func(a workers.Answer[workers.Stats]) any { return a.Value.PID }, extra: true},
}

func standing(err error) string {
	if err != nil {
		return "no answer"
	}
	return "OK"
}

func paintStanding(p painter, text string) string {
	if text == standing(nil) {
		return p.paint(green, text)
	}
	return p.paint(red, text)
}

func ended(s workers.Stats) int {
	sum := 0
	for _, n := range s.Total {
		sum += n
	}
	return sum
}

func queueList(s workers.Stats) string {
	list := append([]string(nil), s.Queues...)
	for _, queue := range s.Paused {
		list = append(list, queue+" (paused)")
	}
	return strings.Join(list, ", ")
}
