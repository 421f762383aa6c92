package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

type eventsOptions struct {
	asJSON bool
	count  int
}

func newEvents(b *broker) *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happens in the workers, as it does",
		Long: `Events prints a line for each thing that happens in the workers, until Ctrl-C.
They tell it only while somebody listens, and nothing of it is kept.`,
		Example: "  warren events\n  warren events --json",
		Args:    noArguments,
	}
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON, an event a line")
	cmd.Flags().IntVar(&o.count, "count", 0, "exit after so many events (default: never)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.count < 0 {
			return usageError{fmt.Errorf("--count is %d; use a number that is not negative", o.count)}
		}
		app := workers.New(programName)
		return b.withApp(cmd, app, func(ctx context.Context) error { return o.run(ctx, app, cmd) })
	}
	return cmd
}

func (o eventsOptions) run(ctx context.Context, app *workers.App, cmd *cobra.Command) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fmt.Fprintln(cmd.ErrOrStderr(), "Waiting for events. To exit press CTRL+C")
	n := 0
	var lost error
	err := app.Events(ctx, func(e workers.Event) {
		if n++; o.count > 0 && n > o.count {
			return
		}
		if lost = o.print(cmd.OutOrStdout(), e); lost != nil || n == o.count {
			cancel()
		}
	})
	if lost != nil {
		return lost
	}
	return err
}

func (o eventsOptions) print(w io.Writer, e workers.Event) error {
	if o.asJSON {
		return json.NewEncoder(w).Encode(e)
	}
	_, err := fmt.Fprintf(w, "%s %s %s\n", e.Timestamp.Local().Format("15:04:05.000"), newPainter(w).event(e.Type), strings.Join(words(e), " "))
	return err
}

// words are what an event says, the likeliest to be looked for first.
func words(e workers.Event) []string {
	list := []string{e.Hostname}
	if e.UUID != "" {
		list = append(list, fmt.Sprintf("%s[%s]", e.Name, e.UUID))
	}
	add := func(name, value string) {
		if value != "" {
			list = append(list, name+"="+cell(value))
		}
	}
	add("args", e.Args)
	add("kwargs", e.Kwargs)
	add("result", e.Result)
	if e.Runtime > 0 {
		add("runtime", time.Duration(e.Runtime).Round(10*time.Microsecond).String())
	}
	add("exception", e.Exception)
	if e.Type == workers.WorkerHeartbeat || e.Type == workers.WorkerOffline {
		add("active", fmt.Sprint(e.Active))
		add("processed", fmt.Sprint(e.Processed))
	}
	return list
}
