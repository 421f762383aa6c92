package compare

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// WriteTables writes the measurements of a report for a terminal of 100 columns:
// a table for each workload and class, at full speed and at a fixed rate apart.
// Figures are medians over the repeats. A rate's ±N% is how far the farthest run
// is from its median. Ratios are of a target to RabbitMQ and to raw JetStream:
// above 1 is faster at full speed, below 1 at a fixed rate. What was lost,
// duplicated or out of order is said under the table, and nothing if nothing was.
func WriteTables(w io.Writer, r Report) error {
	var out bytes.Buffer
	all := exercises(r)
	if len(all) == 0 {
		fmt.Fprintln(&out, "Nothing was measured.")
	}
	for i, e := range all {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "%s\n%s\n", oneLine(e.Title()), e.ClassText())
		for _, s := range e.Settings {
			fmt.Fprintf(&out, "\n  %s\n", s)
			s.write(&out)
		}
	}
	if len(all) > 0 {
		fmt.Fprintf(&out, "\n%s\n", tableNotes(all))
	}
	writeMissing(&out, r)
	if sentences := Meaning(r); len(sentences) > 0 {
		fmt.Fprintf(&out, "\nWhat it means:\n")
		for _, sentence := range sentences {
			fmt.Fprintf(&out, "  %s\n", wrap(oneLine(sentence), 98, "  "))
		}
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

func (s *setting) write(w io.Writer) {
	var rows [][]string
	columns := s.columns()
	for _, r := range s.Rows {
		cells := []string{oneLine(r.Target)}
		for _, c := range columns {
			cells = append(cells, c.cell(r))
		}
		rows = append(rows, cells)
	}
	head := []string{"target"}
	for _, c := range columns {
		head = append(head, c.head)
	}
	writeAligned(w, append([][]string{head}, rows...))
	for _, note := range s.notes() {
		fmt.Fprintf(w, "  %s\n", note)
	}
}

// A tableColumn is one figure of a row.
type tableColumn struct {
	head string
	cell func(*row) string
}

// columns are those that any of the rows has a figure in.
func (s *setting) columns() []tableColumn {
	columns := fullSpeedColumns
	if s.Rate > 0 {
		columns = fixedRateColumns
	}
	return slices.DeleteFunc(slices.Clone(columns), func(c tableColumn) bool {
		return !slices.ContainsFunc(s.Rows, func(r *row) bool { return c.cell(r) != "–" })
	})
}

var fullSpeedColumns = []tableColumn{
	{"end to end/s", func(r *row) string { return r.EndToEnd.Rate() }},
	{"/RabbitMQ", func(r *row) string { return r.VsRabbit.String() }},
	{"/raw", func(r *row) string { return r.VsRaw.String() }},
	{"publish/s", func(r *row) string { return rateText(r.Publish.Median) }},
	{"deliver/s", func(r *row) string { return rateText(r.Deliver.Median) }},
	{"drain/s", func(r *row) string { return rateText(r.Drain.Median) }},
	{"CPU/msg", func(r *row) string { return durationText(r.CPU()) }},
	{"wire/msg", (*row).Wire},
}

var fixedRateColumns = []tableColumn{
	{"confirm p50", func(r *row) string { return r.ConfirmLat.P50.Duration() }},
	{"deliver p50", func(r *row) string { return r.DeliverLat.P50.Duration() }},
	{"p99", func(r *row) string { return r.DeliverLat.P99.Duration() }},
	{"p99.9", func(r *row) string { return r.DeliverLat.P999.Duration() }},
	{"max", func(r *row) string { return r.DeliverLat.Max.Duration() }},
	{"/RabbitMQ", func(r *row) string { return r.VsRabbit.String() }},
	{"/raw", func(r *row) string { return r.VsRaw.String() }},
	{"CPU/msg", func(r *row) string { return durationText(r.CPU()) }},
}

// notes are what has no place in a column: what went wrong, how work was shared,
// and what it cost the broker.
func (s *setting) notes() []string {
	var notes []string
	var cost []string
	for _, r := range s.Rows {
		name := oneLine(r.Target)
		if faults := r.Faults(); faults != "" {
			notes = append(notes, "! "+name+": "+faults)
		}
		if shares := r.Shares(); len(shares) > 0 {
			notes = append(notes, fmt.Sprintf("%s: shares %s", name, sharesText(shares)))
		}
		if refused := r.Refused(); refused != "" {
			notes = append(notes, wrap("! "+name+": "+refused, 96, "    "))
		}
		if broker := r.BrokerCPU(); broker > 0 {
			cost = append(cost, name+" "+durationText(broker)+" + "+durationText(r.ClientCPU()))
		}
	}
	if len(cost) > 0 {
		notes = append(notes, wrap("CPU of the broker + of the client: "+strings.Join(cost, ", "), 96, "    "))
	}
	return notes
}

func sharesText(shares []int) string {
	text := fmt.Sprint(shares)
	return strings.ReplaceAll(text[1:len(text)-1], " ", ", ")
}

// tableNotes says how to read the columns that are there.
func tableNotes(all []*exercise) string {
	compared := false
	notes := []string{
		"Medians over the repeats; ±N% is how far the farthest run is from its median.",
		"End to end is from the first publish to the last acknowledgement: what was delivered in that time, each copy counted, or confirmed where nobody consumes.",
		"CPU/msg is the broker's and the client's; wire/msg is how many messages of NATS or methods of AMQP, and how many bytes, went over the connections.",
	}
	if slices.ContainsFunc(all, func(e *exercise) bool { return slices.ContainsFunc(e.Settings, (*setting).hasRabbit) }) {
		compared = true
		notes = append(notes, "/RabbitMQ: divided by the best RabbitMQ of the table.")
	}
	if slices.ContainsFunc(all, func(e *exercise) bool { return slices.ContainsFunc(e.Settings, (*setting).hasRaw) }) {
		compared = true
		notes = append(notes, "/raw: divided by raw JetStream reached in the same way.")
	}
	if compared {
		notes = append(notes,
			"Above 1 is faster at full speed, from end to end; at a fixed rate it is the median latency, and below 1 is faster.",
			"A ratio has the digits that its spread allows; ~ lies within the spread: neither is ahead.")
	}
	return wrap(strings.Join(notes, " "), 98, "")
}

func writeMissing(w io.Writer, r Report) {
	if len(r.Missing) > 0 {
		fmt.Fprintln(w, "\nLeft out:")
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "  %s\n", wrap(oneLine(m.What+": "+m.Why), 96, "    "))
	}
	if r.Interrupted {
		fmt.Fprintf(w, "\nInterrupted after %s: this is what there was until then.\n", r.Took.Round(time.Second))
	}
}

// writeAligned writes rows below one another, the first column to the left and
// the figures to the right.
func writeAligned(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range rows {
		line := fmt.Sprintf("  %-*s", widths[0], cells[0])
		for i, cell := range cells[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// oneLine is a text that a terminal may be given: without line ends or escapes.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
}

// wrap breaks a text at blanks so that no line is wider than width, unless a
// single word is; the lines after the first are indented.
func wrap(text string, width int, indent string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = indent + word
			continue
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
