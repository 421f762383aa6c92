package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
	"warren/workers/beat"
)

type beatOptions struct {
	entryFlags
	app, name string
}

func newBeat(b *broker) *cobra.Command {
	var o beatOptions
	cmd := &cobra.Command{
		Use:   "beat",
		Short: "Send tasks again and again, at their times",
		Long: `Beat sends tasks when they are due: every so often, or at the times of a
crontab. It runs none of them; in another terminal type 'warren worker'.

Of a crontab's day of the month and day of the week both must match if one of
them begins with a star, and one is enough if neither does, as in crontab(5).
Celery wants both in any case.

Entries are stored at the broker. Beat puts those of its flags and its file, and
sends those that were put before too. While it runs, 'warren beat add' and
'warren beat remove' change them. Start several, and one leads. The others wait,
and one of them follows: at once when it is stopped, within the lease when it is
killed.`,
		Example: `  warren beat --every 10s --task add --args '[1, 2]'
  warren beat --cron "*/5 * * * *" --tz Europe/Kyiv --task mul --args '[2, 3]'
  warren beat --file entries.json`,
		Args: subcommand,
	}
	flags := cmd.Flags()
	o.add(flags)
	flags.StringVar(&o.Name, "entry", "", "`NAME` of the entry (default: that of the task)")
	flags.StringVar(&o.name, "name", "", "`NAME` of this scheduler\n(default: beat@ and the name of the host)")
	addAppFlag(cmd, &o.app)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := o.entries(cmd.Flags())
		if err != nil {
			return usageError{err}
		}
		app := workers.New(o.app)
		return b.withApp(cmd, app, func(ctx context.Context) error { return o.run(ctx, cmd, app, list) })
	}
	cmd.AddCommand(newBeatList(b), newBeatAdd(b), newBeatRemove(b))
	return cmd
}

// addAppFlag says whose entries they are. Each app has its own.
func addAppFlag(cmd *cobra.Command, app *string) {
	cmd.Flags().StringVar(app, "app", programName, "the `APP` whose entries they are")
}

// run runs a scheduler until Ctrl-C.
func (o beatOptions) run(ctx context.Context, cmd *cobra.Command, app *workers.App, list []beat.Entry) error {
	for _, e := range list {
		if err := putEntry(ctx, cmd, app, e); err != nil {
			return err
		}
	}
	if err := sayNone(ctx, cmd, app); err != nil {
		return err
	}
	s := beat.New(app, beat.Config{Name: o.name, OnEvent: func(e beat.Event) { say(cmd.OutOrStdout(), e) }})
	return s.Run(ctx)
}

// say prints what a scheduler does. An output that is gone ends the command.
func say(out io.Writer, e beat.Event) {
	switch e.Kind {
	case beat.Leads:
		fmt.Fprintf(out, "%s leads. To exit press CTRL+C\n", e.Leader)
	case beat.Waits:
		fmt.Fprintf(out, "%s leads, and this one waits to follow it. To exit press CTRL+C\n", e.Leader)
	case beat.Sent:
		fmt.Fprintf(out, "Sent '%s', due %s: %s\n", e.Entry, e.Due.UTC().Format(time.RFC3339), e.ID)
	}
}

// sayNone says how to add entries, where there are none.
func sayNone(ctx context.Context, cmd *cobra.Command, app *workers.App) error {
	list, err := beat.Entries(ctx, app)
	if err == nil && len(list) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "There are no entries: see '%s'\n", call(cmd, "beat add --help"))
	}
	return err
}
