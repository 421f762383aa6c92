package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/cmd/warren/internal/compare"
)

// flagsOf are the command's name and the flags that were given, without the
// passwords in them.
func flagsOf(cmd *cobra.Command) []string {
	words := []string{cmd.Name()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		words = append(words, "--"+f.Name+"="+redact(f.Value.String()))
	})
	return words
}

func (c comparison) print(cmd *cobra.Command, r compare.Report) error {
	if c.asJSON {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	m := r.Machine
	fmt.Fprintf(out, "%s, %d x %s, %s on %s, fsync takes %v\n", m.OS, m.Cores, m.CPU, m.Go, m.FileSystem, m.Fsync)
	for _, b := range r.Behaviours {
		fmt.Fprintf(out, "\n%s: %s\n", b.Scenario, b.Why)
		for _, o := range b.Outcomes {
			fmt.Fprintf(out, "  %s\t%s%s\n", o.Target, o.Did, o.Failed)
		}
	}
	if len(r.Measurements) > 0 {
		fmt.Fprint(out, "\nclass\tworkload\tbytes\twindow\tprefetch\ttarget\tpublish/s\tdeliver/s\tconfirm p50\tdeliver p50\tp99\tfaults\n")
	}
	for _, m := range r.Measurements {
		printMeasurement(out, m)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(out, "\nNot measured: %s: %s\n", m.What, m.Why)
	}
	if r.Interrupted {
		fmt.Fprint(out, "\nThis is what there was until it was interrupted.\n")
	}
	return out.Flush()
}

func printMeasurement(out *tabwriter.Writer, m compare.Measurement) {
	middle := func(figure func(compare.Run) float64) float64 {
		var all []float64
		for _, r := range m.Runs {
			all = append(all, figure(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	latency := func(of func(compare.Run) *compare.Latency, at func(*compare.Latency) float64) float64 {
		return middle(func(r compare.Run) float64 {
			if l := of(r); l != nil {
				return at(l) / 1e6
			}
			return 0
		})
	}
	confirm := func(r compare.Run) *compare.Latency { return r.Confirm }
	deliver := func(r compare.Run) *compare.Latency { return r.Deliver }
	p50 := func(l *compare.Latency) float64 { return float64(l.P50) }
	p99 := func(l *compare.Latency) float64 { return float64(l.P99) }
	faults := 0
	for _, r := range m.Runs {
		faults += r.Lost + r.Duplicated + r.Reordered
	}
	name := m.Workload
	if m.Rate > 0 {
		name += fmt.Sprintf(" at %g/s", m.Rate)
	}
	fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%s\t%.0f\t%.0f\t%.2f ms\t%.2f ms\t%.2f ms\t%d\n",
		m.Class, name, m.Size, m.Window, m.Prefetch, m.Target,
		middle(func(r compare.Run) float64 { return r.PublishRate }), middle(func(r compare.Run) float64 { return r.DeliverRate }),
		latency(confirm, p50), latency(deliver, p50), latency(deliver, p99), faults)
}
