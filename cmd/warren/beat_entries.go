package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
	"warren/workers/beat"
)

func newBeatAdd(b *broker) *cobra.Command {
	var o beatOptions
	cmd := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Add entries, or change them",
		Long: `Add stores an entry, under its name or the task's, or those of a file. One that
is there already is changed, and begins anew if its times are others.`,
		Example: `  warren beat add sum --every 10s --task add --args '[1, 2]'
  warren beat add --file entries.json`,
		Args: cobra.MaximumNArgs(1),
	}
	o.add(cmd.Flags())
	addAppFlag(cmd, &o.app)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			o.Name = args[0]
		}
		list, err := o.entries(cmd.Flags())
		if err == nil && (len(list) == 0 || o.Name != "" && !o.given(cmd.Flags())) {
			err = errors.New("what to send, and when, is missing: give --task and --every or --cron")
		}
		if err != nil {
			return usageError{err}
		}
		app := workers.New(o.app)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			for _, e := range list {
				if err := putEntry(ctx, cmd, app, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func newBeatRemove(b *broker) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "remove NAME...",
		Short:   "Remove entries",
		Long:    "Remove removes entries. What was sent of them stays sent.",
		Example: "  warren beat remove sum",
		Args:    cobra.MinimumNArgs(1),
	}
	addAppFlag(cmd, &name)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		app := workers.New(name)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			list, err := beat.Entries(ctx, app)
			if err != nil {
				return err
			}
			there := make(map[string]bool)
			for _, e := range list {
				there[e.Name] = true
			}
			for _, name := range names {
				if !there[name] {
					return fmt.Errorf("there is no entry %q: see '%s'", name, call(cmd, "beat list"))
				}
				if err := beat.Delete(ctx, app, name); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Removed '%s'\n", name)
			}
			return nil
		})
	}
	return cmd
}

var entryColumns = []column[beat.EntryInfo]{
	{name: "name", value: func(e beat.EntryInfo) any { return e.Name }},
	{name: "task", value: func(e beat.EntryInfo) any { return taskOf(e.Entry) }},
	{name: "schedule", value: func(e beat.EntryInfo) any { return e.Schedule.String() }},
	{name: "last", value: func(e beat.EntryInfo) any { return dateOf(e.Last) }},
	{name: "next", value: func(e beat.EntryInfo) any { return dateOf(e.Next) }},
	{name: "last_id", value: func(e beat.EntryInfo) any { return e.LastID }, extra: true},
	{name: "call", value: func(e beat.EntryInfo) any { return jsonOf(e.Call) }, extra: true},
	{name: "jitter", value: func(e beat.EntryInfo) any { return e.Jitter.String() }, extra: true},
	{name: "missed", value: func(e beat.EntryInfo) any { return string(e.Missed) }, extra: true},
	{name: "at_start", value: func(e beat.EntryInfo) any { return e.AtStart }, extra: true},
}

// dateOf is a time in a table; a time that is none is empty.
func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func newBeatList(b *broker) *cobra.Command {
	var name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List entries, when they were sent last and are due next",
		Example: "  warren beat list\n  warren beat list --json",
		Args:    noArguments,
	}
	addAppFlag(cmd, &name)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the calls")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		app := workers.New(name)
		return b.withApp(cmd, app, func(ctx context.Context) error {
			list, err := beat.Entries(ctx, app)
			if err != nil {
				return err
			}
			return printList(cmd, entryColumns, list, asJSON)
		})
	}
	return cmd
}

func putEntry(ctx context.Context, cmd *cobra.Command, app *workers.App, e beat.Entry) error {
	if err := beat.Put(ctx, app, e); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Put '%s': %s, %s\n", e.Name, taskOf(e), e.Schedule)
	return nil
}

// taskOf is the task of an entry, or what canvas it is.
func taskOf(e beat.Entry) string {
	sig, _ := e.Call.(workers.Signature)
	if sig.Kind != workers.KindTask {
		return string(sig.Kind)
	}
	return sig.Task
}
