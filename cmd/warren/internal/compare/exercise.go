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
	Series                 int    // the target's place in the report, for its color
	EndToEnd               spread // the figure at full speed
	Publish, Deliver       spread // its sides
	Drain                  spread
	ConfirmLat, DeliverLat latencySpread
	// VsRabbit and VsRaw are the row's main figure divided by that of RabbitMQ and
	// of raw JetStream.
	VsRabbit, VsRaw ratio
}

// Main is the figure that a row is judged by: at full speed the rate from end to
// end, and not that of one side, where the other may be slower; else the median
// latency, to the handler if there is one.
func (r *row) Main() spread {
	switch {
	case r.Rate > 0 && r.DeliverLat.P50.Median > 0:
		return r.DeliverLat.P50
	case r.Rate > 0:
		return r.ConfirmLat.P50
	}
	return r.EndToEnd
}

// counted are the runs whose figures were not refused.
func (r *row) counted() (n int) {
	for _, run := range r.Runs {
		if run.Refused == "" {
			n++
		}
	}
	return n
}

// Refused says of how many runs the figures were refused, and why of the last one.
func (r *row) Refused() string {
	n := len(r.Runs) - r.counted()
	for i := len(r.Runs) - 1; i >= 0; i-- {
		if why := r.Runs[i].Refused; why != "" {
			return fmt.Sprintf("%s too short: %s", count(n, "run"), why)
		}
	}
	return ""
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

// each is what a figure of a run comes to for each message, over all runs.
func (r *row) each(figure func(Run) float64) float64 {
	return spreadOf(r.Runs, func(run Run) float64 {
		return figure(run) / float64(max(run.Published, run.Delivered, 1))
	}).Median
}

// CPU is what a message costs the broker and the client together, 0 if the broker's
// part was not seen.
func (r *row) CPU() time.Duration {
	return time.Duration(r.each(func(run Run) float64 {
		if run.CPU == 0 {
			return 0
		}
		return float64(run.CPU + run.ClientCPU)
	}))
}

// BrokerCPU and ClientCPU are the parts of CPU where they are apart.
func (r *row) BrokerCPU() time.Duration {
	if r.ClientCPU() == 0 {
		return 0
	}
	return time.Duration(r.each(func(run Run) float64 { return float64(run.CPU) }))
}

// ClientCPU is the measuring process's.
func (r *row) ClientCPU() time.Duration {
	return time.Duration(r.each(func(run Run) float64 { return float64(run.ClientCPU) }))
}

// Wire is what goes over the connections for a message: "4 in 640 B".
func (r *row) Wire() string {
	messages := r.each(func(run Run) float64 { return float64(run.WireMessages) })
	size := r.each(func(run Run) float64 { return float64(run.WireBytes) })
	switch {
	case size == 0:
		return "–"
	case messages == 0: // nobody sees through TLS
		return bytesText(int64(size))
	}
	return digits(messages) + " in " + bytesText(int64(size))
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
		EndToEnd:    spreadOf(m.Runs, func(r Run) float64 { return r.Rate }),
		Drain:       spreadOf(m.Runs, func(r Run) float64 { return r.DrainRate }),
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
