package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newInspect(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Ask workers what they do, and what they know",
		Example: `  warren inspect active
  warren inspect stats celery@one --json`,
		Args: subcommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		newInspection(b, "ping", "Ask workers whether they are there",
			workers.Control.Ping, one[string], column[said[string]]{name: "answer", value: func(s said[string]) any { return s.what }}),
		newInspection(b, "active", "List the tasks that run, and for how long they have",
			workers.Control.Active, several[workers.ActiveTask], taskColumns...),
		newInspection(b, "reserved", "List the tasks that workers have and have not begun",
			workers.Control.Reserved, several[workers.ActiveTask], taskColumns...),
		newInspection(b, "registered", "List the tasks that workers know",
			workers.Control.Registered, several[string], column[said[string]]{name: "name", value: func(s said[string]) any { return s.what }}),
		newInspection(b, "stats", "Show what workers have done", workers.Control.Stats, one[workers.Stats], statsColumns...),
		newScheduled(b))
	return cmd
}

// said is one of the things that a worker has said.
type said[T any] struct {
	worker string
	what   T
}

func one[T any](v T) []T { return []T{v} }

func several[T any](v []T) []T { return v }

var taskColumns = []column[said[workers.ActiveTask]]{
	{name: "id", value: func(s said[workers.ActiveTask]) any { return s.what.ID }},
	{name: "name", value: func(s said[workers.ActiveTask]) any { return s.what.Name }},
	{name: "args", value: func(s said[workers.ActiveTask]) any { return s.what.Args }},
	{name: "kwargs", value: func(s said[workers.ActiveTask]) any { return s.what.Kwargs }},
	{name: "queue", value: func(s said[workers.ActiveTask]) any { return s.what.Queue }},
	{name: "age", value: func(s said[workers.ActiveTask]) any { return age(time.Duration(s.what.Age)) }},
	{name: "cancelled", value: func(s said[workers.ActiveTask]) any { return s.what.Cancelled }, paint: paintCancelled},
	{name: "retries", value: func(s said[workers.ActiveTask]) any { return s.what.Retries }, extra: true},
	{name: "priority", value: func(s said[workers.ActiveTask]) any { return s.what.Priority }, extra: true},
	{name: "time_start", value: func(s said[workers.ActiveTask]) any { return s.what.Began }, extra: true},
}

var statsColumns = []column[said[workers.Stats]]{
	{name: "pid", value: func(s said[workers.Stats]) any { return s.what.PID }},
	{name: "uptime", value: func(s said[workers.Stats]) any { return age(time.Duration(s.what.Uptime)) }},
	{name: "concurrency", value: func(s said[workers.Stats]) any { return s.what.Concurrency }},
	{name: "running", value: func(s said[workers.Stats]) any { return s.what.Running }},
	{name: "total", value: func(s said[workers.Stats]) any { return counts[string](s.what.Total) }},
	{name: "states", value: func(s said[workers.Stats]) any { return counts[workers.State](s.what.States) }, paint: painter.states},
	{name: "queues", value: func(s said[workers.Stats]) any { return s.what.Queues }, extra: true},
	{name: "paused", value: func(s said[workers.Stats]) any { return s.what.Paused }, extra: true},
	{name: "oldest", value: func(s said[workers.Stats]) any { return age(time.Duration(s.what.Oldest)) }, extra: true},
}

// paintCancelled has a task stand out that is told to end, and runs all the same.
func paintCancelled(p painter, text string) string {
	if text == "true" {
		return p.paint(yellow, text)
	}
	return text
}

// counts are numbers of things by name; in JSON they are an object.
type counts[N ~string] map[N]int

func (c counts[N]) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		list = append(list, fmt.Sprintf("%s %d", name, c[name]))
	}
	return strings.Join(list, ", ")
}

// age is a time that has passed; in JSON it is seconds.
type age time.Duration

func (a age) String() string { return time.Duration(a).Round(10 * time.Millisecond).String() }

// MarshalJSON writes seconds.
func (a age) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(a).Round(time.Millisecond).Seconds())
}

// newInspection is a command that asks workers something of which each says a V,
// and lists the Rs that are in it.
func newInspection[V, R any](
	b *broker, what, short string,
	ask func(workers.Control, context.Context) ([]workers.Answer[V], error), rows func(V) []R, columns ...column[said[R]],
) *cobra.Command {
	columns = append([]column[said[R]]{{name: "worker", value: func(s said[R]) any { return s.worker }}}, columns...)
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     what + " [WORKER...]",
		Short:   short,
		Example: "  warren inspect " + what + "\n  warren inspect " + what + " celery@one --json",
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addTimeout(cmd, &timeout)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return askWorkers(b, cmd, names, timeout, ask, func(answers []workers.Answer[V]) error {
			var list []said[R]
			for _, a := range answers {
				if a.Err == nil {
					for _, r := range rows(a.Value) {
						list = append(list, said[R]{a.Worker, r})
					}
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), columns, list)
			}
			return printTable(cmd.OutOrStdout(), choose(columns, nil, false), list)
		})
	}
	return cmd
}

func addTimeout(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", time.Second, "wait so long at most for answers")
}

// askWorkers asks workers, prints what they say, and then says which did not.
func askWorkers[V any](
	b *broker, cmd *cobra.Command, names []string, timeout time.Duration,
	ask func(workers.Control, context.Context) ([]workers.Answer[V], error), show func([]workers.Answer[V]) error,
) error {
	app := workers.New(programName)
	return b.withApp(cmd, app, func(ctx context.Context) error {
		soon, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		answers, err := ask(app.Control(names...), soon)
		if errors.Is(err, workers.ErrNoWorker) {
			return fmt.Errorf("%w: see '%s'", err, call(cmd, "status"))
		}
		if err != nil {
			return err
		}
		if len(answers) == 0 {
			return noWorker(cmd)
		}
		if err := show(answers); err != nil {
			return err
		}
		return refusals(answers)
	})
}

func noWorker(cmd *cobra.Command) error {
	return fmt.Errorf("no worker is there: type '%s' in another terminal", call(cmd, "worker"))
}

// refusals says which workers did not answer, and why.
func refusals[V any](answers []workers.Answer[V]) error {
	var list []string
	for _, a := range answers {
		if a.Err != nil {
			list = append(list, a.Worker+": "+a.Err.Error())
		}
	}
	if list == nil {
		return nil
	}
	return errors.New(strings.Join(list, "\n"))
}

var scheduledColumns = []column[workers.ScheduledTask]{
	{name: "id", value: func(t workers.ScheduledTask) any { return t.ID }},
	{name: "name", value: func(t workers.ScheduledTask) any { return t.Name }},
	{name: "args", value: func(t workers.ScheduledTask) any { return jsonOf(t.Args) }},
	{name: "queue", value: func(t workers.ScheduledTask) any { return t.Queue }},
	{name: "eta", value: func(t workers.ScheduledTask) any { return t.ETA.UTC().Format(time.RFC3339) }},
	{name: "retries", value: func(t workers.ScheduledTask) any { return t.Retries }},
	{name: "kwargs", value: func(t workers.ScheduledTask) any { return jsonOf(t.Kwargs) }, extra: true},
	{name: "priority", value: func(t workers.ScheduledTask) any { return t.Priority }, extra: true},
}

func newScheduled(b *broker) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scheduled",
		Short: "List the tasks that wait for their time",
		Long: `Scheduled lists the tasks that wait for their countdown or ETA, or to be
retried. They wait in the broker, and in no worker.`,
		Example: "  warren inspect scheduled\n  warren inspect scheduled --json",
		Args:    noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			return printAll(cmd, scheduledColumns, app.Scheduled(ctx), asJSON)
		})
	}
	return cmd
}
