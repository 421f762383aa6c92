package compare

import (
	"fmt"
	"time"
)

// A cell is a figure of a table with the name of its column, which stands beside it
// where the page is too narrow for columns.
type cell struct {
	Label string
	Value any
}

func cellOf(label string, value any) cell { return cell{label, value} }

// quantiles are those of a latency that are shown of each run.
var quantiles = []string{"p50", "p95", "p99", "p99.9", "max"}

// runHeads are the columns of the table of all runs, behind the target's.
var runHeads = func() []string {
	heads := []string{"Run", "Took", "Published", "Delivered", "End to end/s", "Published/s", "Delivered/s", "Drained/s"}
	for _, side := range []string{"Confirm", "Deliver"} {
		for _, q := range quantiles {
			heads = append(heads, side+" "+q+" µs")
		}
	}
	return append(heads, "CPU ms", "Client’s ms", "Memory MiB", "Wire messages", "Wire bytes", "Lost", "Duplicated", "Reordered", "Shares", "Refused")
}()

// runCells are the figures of a run, by its place among the others.
func runCells(i int, r Run) []string {
	cells := []string{fmt.Sprint(i + 1), durationText(r.Took), fmt.Sprint(r.Published), fmt.Sprint(r.Delivered)}
	for _, rate := range []float64{r.Rate, r.PublishRate, r.DeliverRate, r.DrainRate} {
		cells = append(cells, orNone(rate > 0, "%.0f", rate))
	}
	cells = append(append(cells, micros(r.Confirm)...), micros(r.Deliver)...)
	cells = append(cells, millis(r.CPU), millis(r.ClientCPU), orNone(r.Memory > 0, "%.1f", float64(r.Memory)/(1<<20)))
	for _, n := range []int64{r.WireMessages, r.WireBytes, int64(r.Lost), int64(r.Duplicated), int64(r.Reordered)} {
		cells = append(cells, fmt.Sprint(n))
	}
	return append(cells, sharesText(r.Shares), r.Refused)
}

func millis(d time.Duration) string { return orNone(d > 0, "%.1f", d.Seconds()*1e3) }

// micros are the quantiles of a latency in microseconds.
func micros(l *Latency) []string {
	if l == nil {
		l = &Latency{}
	}
	var all []string
	for _, d := range []time.Duration{l.P50, l.P95, l.P99, l.P999, l.Max} {
		all = append(all, orNone(l.Count > 0, "%.1f", float64(d)/1e3))
	}
	return all
}

// orNone writes a figure, or a dash if there is none.
func orNone(there bool, format string, figure float64) string {
	if !there {
		return "–"
	}
	return fmt.Sprintf(format, figure)
}
