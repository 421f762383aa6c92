package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"warren/streams"
)

func newList(b *broker) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List queues, exchanges or bindings",
		Example: `  warren list queues
  warren list queues name messages_ready consumers
  warren list bindings --json`,
		Args: subcommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		newListing(b, "queues", queueColumns, (*streams.Session).Queues),
		newListing(b, "exchanges", exchangeColumns, (*streams.Session).Exchanges),
		newListing(b, "bindings", bindingColumns, (*streams.Session).Bindings))
	return cmd
}

// A column is what rabbitmqctl calls a property of T, and how to find it.
type column[T any] struct {
	name  string
	value func(T) any
	extra bool // only shown when asked for, and in JSON
	// paint paints a cell, where there is colour. Default: it stays as it is.
	paint func(painter, string) string
}

var queueColumns = []column[streams.QueueInfo]{
	{name: "name", value: func(q streams.QueueInfo) any { return q.Name }},
	{name: "messages_ready", value: func(q streams.QueueInfo) any { return q.Ready }},
	{name: "messages_unacknowledged", value: func(q streams.QueueInfo) any { return q.Unacked }},
	{name: "consumers", value: func(q streams.QueueInfo) any { return q.Consumers }},
	{name: "durable", value: func(q streams.QueueInfo) any { return q.Durable }},
	{name: "exclusive", value: func(q streams.QueueInfo) any { return q.Exclusive }, extra: true},
	{name: "auto_delete", value: func(q streams.QueueInfo) any { return q.AutoDelete }, extra: true},
	{name: "messages", value: func(q streams.QueueInfo) any { return q.Ready + q.Unacked }, extra: true},
	{name: "messages_orphaned", value: func(q streams.QueueInfo) any { return q.Orphaned }, extra: true},
	{name: "schedules", value: func(q streams.QueueInfo) any { return q.Schedules }, extra: true},
	{name: "messages_scheduled", value: func(q streams.QueueInfo) any { return q.Scheduled }, extra: true},
	{name: "arguments", value: func(q streams.QueueInfo) any { return arguments(q.Args) }, extra: true},
}

var exchangeColumns = []column[streams.Exchange]{
	{name: "name", value: func(x streams.Exchange) any { return x.Name }},
	{name: "type", value: func(x streams.Exchange) any { return string(x.Kind) }},
	{name: "durable", value: func(x streams.Exchange) any { return x.Durable }},
	{name: "auto_delete", value: func(x streams.Exchange) any { return x.AutoDelete }, extra: true},
	{name: "internal", value: func(x streams.Exchange) any { return x.Internal }, extra: true},
	{name: "arguments", value: func(x streams.Exchange) any { return arguments(x.Args) }, extra: true},
}

var bindingColumns = []column[streams.Binding]{
	{name: "source_name", value: func(b streams.Binding) any { return b.Exchange }},
	{name: "source_kind", value: func(streams.Binding) any { return "exchange" }},
	{name: "destination_name", value: func(b streams.Binding) any { return b.Queue }},
	{name: "destination_kind", value: func(streams.Binding) any { return "queue" }},
	{name: "routing_key", value: func(b streams.Binding) any { return b.Key }},
	{name: "arguments", value: func(b streams.Binding) any { return arguments(b.Args) }, extra: true},
}

// arguments is a table as JSON shows one: {} when it is empty.
func arguments(t streams.Table) map[string]any {
	if t == nil {
		return map[string]any{}
	}
	return t
}

func newListing[T any](b *broker, what string, columns []column[T], list func(*streams.Session, context.Context) ([]T, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     what + " [COLUMN...]",
		Short:   "List " + what,
		Long:    "List " + what + ", with all columns or those asked for, of:\n" + paragraph(strings.Join(names(columns), ", ")),
		Example: "  warren list " + what + "\n  warren list " + what + " --json",
		Args:    func(_ *cobra.Command, args []string) error { return knownColumns(columns, args) },
	}
	cmd.ValidArgs = names(columns)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return b.look(cmd, func(ctx context.Context, s *streams.Session) error {
			rows, err := list(s, ctx)
			if err != nil && !errors.As(err, new(*streams.DamagedError)) {
				return err
			}
			chosen, show := choose(columns, args, asJSON), printTable[T]
			if asJSON {
				show = printJSON[T]
			}
			return errors.Join(show(cmd.OutOrStdout(), chosen, rows), err) // what is damaged is told below the rest
		})
	}
	return cmd
}

func names[T any](columns []column[T]) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return list
}

func knownColumns[T any](columns []column[T], asked []string) error {
	for _, name := range asked {
		if !slices.Contains(names(columns), name) {
			return fmt.Errorf("unknown column %q; there are %s", name, strings.Join(names(columns), ", "))
		}
	}
	return nil
}

// choose gives the columns asked for, in that order, or the usual ones.
func choose[T any](columns []column[T], asked []string, all bool) []column[T] {
	var chosen []column[T]
	for _, name := range asked {
		chosen = append(chosen, columns[slices.Index(names(columns), name)])
	}
	if len(asked) > 0 {
		return chosen
	}
	for _, c := range columns {
		if all || !c.extra {
			chosen = append(chosen, c)
		}
	}
	return chosen
}
