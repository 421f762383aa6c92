package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mostNamed is how many workloads or behaviours a sentence names.
const mostNamed = 4

// Meaning is what a report comes to, in at most five sentences: where Warren is
// ahead, where it is behind, what the runs do not tell, how long a message takes, and
// what it does otherwise. There are none where nothing can be compared.
func Meaning(r Report) []string {
	m := meaning{report: r, features: featuresOf(r.Targets)}
	for _, e := range exercises(r) {
		for _, s := range e.Settings {
			m.add(e, s)
		}
	}
	var all []string
	for _, sentence := range []string{m.ahead(), m.behind(), m.within(), m.latency(), m.behaviour()} {
		if sentence != "" {
			all = append(all, sentence)
		}
	}
	return all
}

// A finding is Warren in one setting beside another.
type finding struct {
	what  string // "fan-out 1 to many, D0"
	ratio ratio
	row   *row
	to    *row
}

type meaning struct {
	report   Report
	features map[string]Features
	rates    []finding
	paced    []finding
}

// add looks at Warren over TCP, as RabbitMQ is, or in this process if there is no
// other, and sets it beside the best RabbitMQ, or beside raw JetStream.
func (m *meaning) add(e *exercise, s *setting) {
	mine := s.best(func(r *row) bool { return m.isWarren(r) && m.features[r.Target].Transport == "TCP" })
	if mine == nil {
		mine = s.best(m.isWarren)
	}
	if mine == nil {
		return
	}
	to := s.best(func(r *row) bool { return m.features[r.Target].isRabbit() })
	if to == nil {
		to = s.best(func(r *row) bool {
			return m.features[r.Target].isRaw() && m.features[r.Target].Transport == m.features[mine.Target].Transport
		})
	}
	f := finding{what: e.short(s) + ", " + string(e.Class), ratio: ratioOf(mine, to), row: mine, to: to}
	switch {
	case f.ratio.Value == 0:
	case e.Paced:
		m.paced = append(m.paced, f)
	default:
		m.rates = append(m.rates, f)
	}
}

func (m *meaning) isWarren(r *row) bool { return m.features[r.Target].isWarren() }

// short names a setting: the workload, and what its settings differ in.
func (e *exercise) short(s *setting) string {
	parts := []string{e.Workload}
	differs := func(of func(setup) int) bool {
		return slices.ContainsFunc(e.Settings, func(o *setting) bool { return of(o.setup) != of(s.setup) })
	}
	for _, p := range []struct {
		of   func(setup) int
		text string
	}{
		{func(s setup) int { return s.Size }, bytesText(int64(s.Size))},
		{func(s setup) int { return s.Window }, fmt.Sprintf("window %d", s.Window)},
		{func(s setup) int { return s.Prefetch }, fmt.Sprintf("prefetch %d", s.Prefetch)},
		{func(s setup) int { return s.Consumers }, count(s.Consumers, "consumer")},
		{func(s setup) int { return s.Bindings }, count(s.Bindings, "binding")},
	} {
		if differs(p.of) {
			parts = append(parts, p.text)
		}
	}
	return strings.Join(parts, ", ")
}

// some are the findings of a kind, those that are farthest from 1 first.
func (m *meaning) some(of func(ratio) bool) []finding {
	list := slices.DeleteFunc(slices.Clone(m.rates), func(f finding) bool { return !of(f.ratio) })
	far := func(f finding) float64 { return max(f.ratio.Value, 1/f.ratio.Value) }
	slices.SortStableFunc(list, func(a, b finding) int { return cmp.Compare(far(b), far(a)) })
	return list
}

// named names the first of a list: "topic, D0 (2.4 times), publish, D2 (2 times)".
func named(list []finding) string {
	var parts []string
	for _, f := range list[:min(len(list), mostNamed)] {
		parts = append(parts, fmt.Sprintf("%s (%s times)", f.what, f.ratio))
	}
	return withMore(parts, len(list))
}

func withMore(parts []string, all int) string {
	if more := all - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

func (m *meaning) ahead() string {
	if len(m.rates) == 0 {
		return ""
	}
	list := m.some(func(r ratio) bool { return r.Low > 1 })
	sentence := fmt.Sprintf("Beside %s, %s is ahead in %d of %s, by rates from end to end", m.others(), m.warrens(), len(list), count(len(m.rates), "measurement"))
	if len(list) > 0 {
		sentence += ": " + named(list)
	}
	return sentence + "."
}

func (m *meaning) behind() string {
	list := m.some(func(r ratio) bool { return r.High < 1 })
	switch {
	case len(m.rates) == 0:
		return ""
	case len(list) == 0:
		return "It is behind in none."
	}
	return fmt.Sprintf("It is behind in %d: %s.", len(list), named(list))
}

func (m *meaning) within() string {
	list := m.some(ratio.Within)
	switch {
	case len(m.rates) == 0:
		return ""
	case len(list) == 0:
		return "Every difference is larger than the spread of the runs."
	}
	return fmt.Sprintf("In %d the difference lies within the spread of the runs, which do not tell who is ahead: %s.", len(list), named(list))
}

func (m *meaning) latency() string {
	var parts []string
	for _, f := range m.paced {
		part := fmt.Sprintf("%s beside %s (%s", f.row.Main().Duration(), f.to.Main().Duration(), f.what)
		if f.ratio.Within() {
			part += ", within the spread"
		}
		part += ")"
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return "At a fixed rate half of the messages have arrived after " + withMore(parts[:min(len(parts), mostNamed)], len(parts)) + "."
}

func (m *meaning) behaviour() string {
	var alike int
	var differ []string
	for _, b := range m.report.Behaviours {
		switch b.Verdict {
		case LikeRabbitMQ, AllAlike:
			alike++
		case UnlikeRabbitMQ:
			differ = append(differ, b.Scenario+m.difference(b))
		}
	}
	n := len(m.report.Behaviours)
	has := func(chosen func(Features) bool) bool {
		return slices.ContainsFunc(m.report.Targets, func(t TargetInfo) bool { return chosen(t.Features) })
	}
	if n == 0 || !has(Features.isRabbit) || !has(Features.isWarren) {
		return ""
	}
	sentence := fmt.Sprintf("Of %s Warren does as RabbitMQ in %d", count(n, "behaviour"), alike)
	if len(differ) == 0 {
		return sentence + ", and otherwise in none."
	}
	return fmt.Sprintf("%s, and otherwise in %d: %s.", sentence, len(differ), withMore(differ[:min(len(differ), mostNamed)], len(differ)))
}

// shortAnswer is how long an answer may be within a sentence.
const shortAnswer = 50

// difference says what Warren and RabbitMQ did, if that is short.
func (m *meaning) difference(b Behaviour) string {
	a := answersOf(b.Outcomes)
	rabbit := a.of(m.features, Features.isRabbit)
	warren := a.of(m.features, Features.isWarren)
	warren = slices.DeleteFunc(warren, func(o Outcome) bool { return !rabbit.none(o.Answer) })
	if len(warren) == 0 || len(rabbit) == 0 || len(warren[0].Answer) > shortAnswer || len(rabbit[0].Answer) > shortAnswer {
		return ""
	}
	return fmt.Sprintf(" (%s: %s; RabbitMQ: %s)", warren.names(), warren[0].Answer, rabbit[0].Answer)
}

// others are whom Warren is set beside.
func (m *meaning) others() string {
	var names []string
	for _, f := range m.rates {
		t := m.features[f.to.Target]
		name := t.Broker + " " + t.Version
		if t.isRaw() {
			name = "JetStream without it"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// warrens is how Warren is reached.
func (m *meaning) warrens() string {
	for _, f := range m.rates {
		if m.features[f.row.Target].Transport != "TCP" {
			return "Warren in the program's own process"
		}
	}
	return "Warren over TCP"
}
