package compare

import (
	"fmt"
	"strings"
	"time"
)

// An exercise is all that was measured of one workload in one durability class,
// either at full speed or at a fixed rate: what one table and one chart show.
type exercise struct {
	Workload string
	Class    Class
	Paced    bool // at a fixed rate
	Settings []*setting
}

// Title is the exercise in a line, without its class.
func (e *exercise) Title() string {
	if e.Paced {
		return e.Workload + ", at a fixed rate"
	}
	return e.Workload + ", at full speed"
}

// ClassText is the class with what it means, which stands on every table and chart.
func (e *exercise) ClassText() string { return string(e.Class) + ": " + describe(e.Class) }

// A setting is an exercise with everything else equal too: what the targets in it
// did may be compared.
type setting struct {
	setup
	Rows []*row
}

// setup is what makes measurements comparable, beside workload and class.
type setup struct {
	Size, Window, Prefetch, Publishers, Consumers, Bindings int
	Rate                                                    float64
}

func setupOf(m Measurement) setup {
	return setup{m.Size, m.Window, m.Prefetch, m.Publishers, m.Consumers, m.Bindings, m.Rate}
}

// String is the setup in a line: "1 KiB, window 100, 1 publisher, 4 consumers".
func (s setup) String() string {
	parts := []string{bytesText(int64(s.Size))}
	if s.Rate > 0 {
		parts = append(parts, rateText(s.Rate)+" messages/s")
	}
	if s.Window > 0 {
		parts = append(parts, fmt.Sprintf("window %d", s.Window))
	}
	if s.Prefetch > 0 {
		parts = append(parts, fmt.Sprintf("prefetch %d", s.Prefetch))
	}
	if s.Publishers > 0 {
		parts = append(parts, count(s.Publishers, "publisher"))
	}
	if s.Consumers > 0 {
		parts = append(parts, count(s.Consumers, "consumer"))
	}
	if s.Bindings > 0 {
		parts = append(parts, count(s.Bindings, "binding"))
	}
	return strings.Join(parts, ", ")
}

// A row is one target in a setting.
type row struct {
	Measurement
	Series                 int // the target's place in the report, for its color
	Publish, Deliver       spread
	ConfirmLat, DeliverLat latencySpread
	// VsRabbit and VsRaw are the row's main figure divided by that of RabbitMQ and
	// of raw JetStream, 0 if they are not there to compare with.
	VsRabbit, VsRaw float64
}

// Main is the figure that a row is judged by: the rate at full speed, else the
// median latency; that of delivering if there is such a side, else of publishing.
func (r *row) Main() spread {
	switch {
	case r.Rate > 0 && r.DeliverLat.P50.Median > 0:
		return r.DeliverLat.P50
	case r.Rate > 0:
		return r.ConfirmLat.P50
	case r.Deliver.Median > 0:
		return r.Deliver
	}
	return r.Publish
}

// Faults sums up what went wrong in all runs; empty if nothing did.
func (r *row) Faults() string {
	var lost, duplicated, reordered int
	for _, run := range r.Runs {
		lost += run.Lost
		duplicated += run.Duplicated
		reordered += run.Reordered
	}
	var parts []string
	for _, f := range []struct {
		n    int
		word string
	}{{lost, "lost"}, {duplicated, "duplicated"}, {reordered, "reordered"}} {
		if f.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", f.n, f.word))
		}
	}
	return strings.Join(parts, ", ")
}

// Shares are the deliveries of each consumer in the last run that has them.
func (r *row) Shares() []int {
	for i := len(r.Runs) - 1; i >= 0; i-- {
		if len(r.Runs[i].Shares) > 0 {
			return r.Runs[i].Shares
		}
	}
	return nil
}

// CPU is the broker's time a message, over the runs in which it was seen.
func (r *row) CPU() time.Duration {
	return time.Duration(spreadOf(r.Runs, func(run Run) float64 {
		return float64(run.CPU) / float64(max(run.Published, run.Delivered, 1))
	}).Median)
}

// Memory is the broker's.
func (r *row) Memory() int64 {
	return int64(spreadOf(r.Runs, func(run Run) float64 { return float64(run.Memory) }).Median)
}

// exercises puts the measurements of a report together that belong together, in
// the order in which they are first met; the rows are in the order of the targets.
func exercises(r Report) []*exercise {
	type key struct {
		workload string
		class    Class
		paced    bool
	}
	var all []*exercise
	found := make(map[key]*exercise)
	for _, m := range r.Measurements {
		k := key{m.Workload, m.Class, m.Rate > 0}
		e := found[k]
		if e == nil {
			e = &exercise{Workload: k.workload, Class: k.class, Paced: k.paced}
			found[k] = e
			all = append(all, e)
		}
		s := e.setting(setupOf(m))
		s.Rows = append(s.Rows, rowOf(m, seriesOf(r, m.Target)))
	}
	for _, e := range all {
		for _, s := range e.Settings {
			s.finish(r.Targets)
		}
	}
	return all
}

func (e *exercise) setting(want setup) *setting {
	for _, s := range e.Settings {
		if s.setup == want {
			return s
		}
	}
	s := &setting{setup: want}
	e.Settings = append(e.Settings, s)
	return s
}

func rowOf(m Measurement, series int) *row {
	return &row{
		Measurement: m,
		Series:      series,
		Publish:     spreadOf(m.Runs, func(r Run) float64 { return r.PublishRate }),
		Deliver:     spreadOf(m.Runs, func(r Run) float64 { return r.DeliverRate }),
		ConfirmLat:  latencySpreadOf(m.Runs, func(r Run) *Latency { return r.Confirm }),
		DeliverLat:  latencySpreadOf(m.Runs, func(r Run) *Latency { return r.Deliver }),
	}
}

// seriesOf is a target's place in the report; one that is not listed comes last.
func seriesOf(r Report, target string) int {
	for i, t := range r.Targets {
		if t.Name == target {
			return i
		}
	}
	return len(r.Targets)
}
