package compare

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"bytes":    bytesText,
	"count":    count,
	"describe": describe,
	"duration": durationText,
	"rate":     rateText,
	"shares":   sharesText,
	"time":     func(t time.Time) string { return t.Format("2 January 2006, 15:04:05 MST") },
	"iso":      func(t time.Time) string { return t.Format(time.RFC3339) },
	"round":    func(d time.Duration) string { return d.Round(time.Second).String() },
	"good":     func(v Verdict) bool { return v == AllAlike || v == LikeRabbitMQ },
	"bad":      func(v Verdict) bool { return v == UnlikeRabbitMQ || v == Differing },
	"swatch":   func(series int) int { return series % seriesColors },
	"dashes":   dashText,
	"mark":     markPath,

	"leastFills":  func() int { return leastFills },
	"leastRuns":   func() int { return leastRuns },
	"shortestRun": func() time.Duration { return ShortestRun },

	"cell":     cellOf,
	"runHeads": func() []string { return runHeads },
	"runCells": runCells,
}).Parse(pageHTML))

// WritePage writes a report as one HTML page that needs nothing else: styles and
// charts are in it, it has no scripts, and the report itself is in it as JSON, in
// the form of [WriteJSON], in the element with the id "report". It follows the
// reader's choice of light and dark, and can be printed. A histogram that cannot
// be read is an error, and nothing is written then.
func WritePage(w io.Writer, r Report) error {
	data, err := newPage(r)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	// A page that fails halfway is none.
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if _, err := w.Write(page.Bytes()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	Report
	CSS       template.CSS
	Title     string
	Classes   []classPart
	Exercises []*exercise
	Speed     []speedPart
	Paced     []latencyPart // latency at a fixed rate
	Full      []latencyPart // latency at full speed
	Meaning   []string
	Alike     int    // behaviours in which Warren does as RabbitMQ, or all do the same
	Judged    int    // behaviours with a verdict on that
	Faulty    []*row // with messages lost, duplicated or reordered
	Repeats   int
}

// A speedPart is the speed of one exercise.
type speedPart struct {
	*exercise
	Chart *chart // nil if there is nothing to draw
}

// A latencyPart is a chart of latencies, and the figures of the same.
type latencyPart struct {
	*exercise
	Setting string
	Side    string
	Chart   chart
	Lines   []latencyLine
}

// A latencyLine is one target on a chart of latencies.
type latencyLine struct {
	*row
	latencySpread
}

func newPage(r Report) (page, error) {
	p := page{Report: withoutNil(r), CSS: template.CSS(pageCSS), Title: pageTitle(r), Exercises: exercises(r)}
	p.Classes, p.Meaning = classesOf(r), Meaning(r)
	for _, b := range r.Behaviours {
		switch b.Verdict {
		case AllAlike, LikeRabbitMQ:
			p.Alike++
			p.Judged++
		case UnlikeRabbitMQ, Differing:
			p.Judged++
		}
	}
	for _, e := range p.Exercises {
		if err := p.addSpeed(e); err != nil {
			return page{}, err
		}
		for _, s := range e.Settings {
			if err := p.addLatency(e, s); err != nil {
				return page{}, err
			}
			p.addRows(s)
		}
	}
	return p, nil
}

// pageTitle names the targets, or if they are many only their first words, which
// are the brokers.
func pageTitle(r Report) string {
	var names, firsts []string
	for _, t := range r.Targets {
		names = append(names, t.Name)
		if first, _, _ := strings.Cut(t.Name, " "); !slices.Contains(firsts, first) {
			firsts = append(firsts, first)
		}
	}
	if len(names) > 3 {
		names = firsts
	}
	switch len(names) {
	case 0:
		return "Comparison of brokers"
	case 1:
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func (p *page) addSpeed(e *exercise) error {
	if e.Paced {
		return nil
	}
	drawn, ok, err := barChart(e)
	if err != nil {
		return err
	}
	part := speedPart{exercise: e}
	if ok {
		part.Chart = &drawn
	}
	p.Speed = append(p.Speed, part)
	return nil
}

func (p *page) addLatency(e *exercise, s *setting) error {
	for _, side := range []struct {
		name string
		of   func(Run) *Latency
		sum  func(*row) latencySpread
	}{
		{"from publishing to the handler", func(r Run) *Latency { return r.Deliver }, func(r *row) latencySpread { return r.DeliverLat }},
		{"from publishing to the confirm", func(r Run) *Latency { return r.Confirm }, func(r *row) latencySpread { return r.ConfirmLat }},
	} {
		curves, err := curvesOf(s, side.of)
		if err != nil || len(curves) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		part := latencyPart{exercise: e, Setting: s.String(), Side: side.name}
		part.Chart, err = curveChart(e.Workload+", "+side.name+", "+part.Setting+", "+e.ClassText(), curves)
		if err != nil {
			return err
		}
		for _, c := range curves {
			part.Lines = append(part.Lines, latencyLine{c.row, side.sum(c.row)})
		}
		if e.Paced {
			p.Paced = append(p.Paced, part)
		} else {
			p.Full = append(p.Full, part)
		}
	}
	return nil
}

func (p *page) addRows(s *setting) {
	for _, r := range s.Rows {
		p.Repeats = max(p.Repeats, len(r.Runs))
		if r.Faults() != "" {
			p.Faulty = append(p.Faulty, r)
		}
	}
}

// dashText is a target's dashes as SVG has them.
func dashText(series int) string {
	var lengths []string
	for _, d := range seriesDashes(series) {
		lengths = append(lengths, number(d.Points()))
	}
	return strings.Join(lengths, " ")
}
