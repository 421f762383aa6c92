package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return b.with(cmd, func(ctx context.Context, s *streams.Session) error {
			rows, err := list(s, ctx)
			if err != nil {
				return err
			}
			chosen := choose(columns, args, asJSON)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), chosen, rows)
			}
			return printTable(cmd.OutOrStdout(), chosen, rows)
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

func printTable[T any](w io.Writer, columns []column[T], rows []T) error {
	cells := [][]string{names(columns)}
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = cell(c.value(row))
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(columns))
	for _, line := range cells {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	paints := newPainter(w)
	var table strings.Builder
	for n, line := range cells {
		for i, text := range line {
			room := widths[i] + 2 - utf8.RuneCountInString(text)
			if paint := columns[i].paint; n > 0 && paint != nil {
				text = paint(paints, text)
			}
			table.WriteString(text)
			if i < len(line)-1 {
				table.WriteString(strings.Repeat(" ", room))
			}
		}
		table.WriteByte('\n')
	}
	_, err := io.WriteString(w, table.String())
	return err
}

// cell is a value in a table: names may hold anything, and a line is a row.
func cell(value any) string {
	if args, ok := value.(map[string]any); ok && len(args) == 0 {
		return "[]"
	}
	return onOneLine.Replace(fmt.Sprint(value))
}

// onOneLine makes one line of any text, without a tab in it.
var onOneLine = strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`)

func printJSON[T any](w io.Writer, columns []column[T], rows []T) error {
	list := make([]map[string]any, len(rows))
	for i, row := range rows {
		list[i] = make(map[string]any, len(columns))
		for _, c := range columns {
			list[i][c.name] = c.value(row)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}
