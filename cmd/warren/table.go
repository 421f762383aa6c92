package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// printTable prints a line for each row, below the names of the columns. On a
// terminal that is too narrow for that it prints a line for each cell instead, and
// an empty one between rows.
func printTable[T any](w io.Writer, columns []column[T], rows []T) error {
	table := [][]string{names(columns)}
	screened := screenOf(w) != nil
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			if line[i] = cell(c.value(row)); screened {
				line[i] = visible(line[i]) // how wide it is shown is measured
			}
		}
		table = append(table, line)
	}
	widths := make([]int, len(columns))
	total := -gap
	for i := range columns {
		for _, line := range table {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		total += widths[i] + gap
	}
	paints := newPainter(w)
	painted := func(column int, text string) string {
		if paint := columns[column].paint; paint != nil {
			return paint(paints, text)
		}
		return text
	}
	var shown strings.Builder
	if room := terminalWidth(w); room > 0 && total > room && len(rows) > 0 {
		writeRecords(&shown, table, painted)
	} else {
		writeLines(&shown, table, widths, painted)
	}
	_, err := io.WriteString(w, shown.String())
	return err
}

// gap is how far columns are apart.
const gap = 2

// writeLines writes a table whose first row is the names of its columns.
func writeLines(w *strings.Builder, table [][]string, widths []int, painted func(column int, text string) string) {
	for n, line := range table {
		for i, text := range line {
			room := widths[i] + gap - utf8.RuneCountInString(text)
			if n > 0 {
				text = painted(i, text)
			}
			w.WriteString(text)
			if i < len(line)-1 {
				w.WriteString(strings.Repeat(" ", room))
			}
		}
		w.WriteByte('\n')
	}
}

// writeRecords writes each row of such a table by itself, with its names.
func writeRecords(w *strings.Builder, table [][]string, painted func(column int, text string) string) {
	head := table[0]
	longest := 0
	for _, name := range head {
		longest = max(longest, utf8.RuneCountInString(name))
	}
	for n, line := range table[1:] {
		if n > 0 {
			w.WriteByte('\n')
		}
		for i, text := range line {
			w.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", longest+gap, head[i], painted(i, text)), " ") + "\n")
		}
	}
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
