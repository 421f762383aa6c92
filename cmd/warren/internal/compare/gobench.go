package compare

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// WriteGobench writes the measurements of a report as Go benchmark results, to be
// compared with those of another run by benchstat:
//
//	BenchmarkWorkload/target=T/class=D1/size=128/window=100 N F ns/op F msgs/s ...
//
// Each run is a line; benchstat takes the median. A name has those settings that
// are not 0, so that equal names are the same measurement whatever else a run
// measured. N is how many messages there were, ns/op the time of one from end to
// end. Runs whose figures were refused are left out. Latencies are in confirm-p50-ns, confirm-p99-ns, deliver-p50-ns and
// deliver-p99-ns. lost, duplicated and reordered are there if they are not 0.
func WriteGobench(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "goos: %s\ngoarch: %s\n", configured(r.Machine.OS), configured(r.Machine.Arch))
	fmt.Fprintf(out, "pkg: warren/compare\ncpu: %s\n", configured(r.Machine.CPU))
	fmt.Fprintf(out, "warren: %s\n", configured(r.Version))
	fmt.Fprint(out, "Unit msgs/s better=higher\n")
	for _, m := range r.Measurements {
		name := benchmarkName(m)
		for _, run := range m.Runs {
			writeBenchmark(out, name, run)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the report for benchstat: %w", err)
	}
	return nil
}

// configured is a value in a line of its own: one line, and not empty.
func configured(value string) string {
	if value = strings.Join(strings.Fields(value), " "); value == "" {
		return "unknown"
	}
	return value
}

func benchmarkName(m Measurement) string {
	var name strings.Builder
	name.WriteString("Benchmark" + camelCase(m.Workload))
	fmt.Fprintf(&name, "/target=%s/class=%s/size=%d", namePart(m.Target), namePart(string(m.Class)), m.Size)
	for _, s := range []struct {
		key   string
		value int
	}{
		{"window", m.Window}, {"prefetch", m.Prefetch}, {"publishers", m.Publishers},
		{"consumers", m.Consumers}, {"bindings", m.Bindings},
	} {
		if s.value != 0 {
			fmt.Fprintf(&name, "/%s=%d", s.key, s.value)
		}
	}
	if m.Rate > 0 {
		name.WriteString("/rate=" + number(m.Rate))
	}
	return name.String()
}

// camelCase makes one word of several: "fan-out 1 to 10" is FanOut1To10.
func camelCase(text string) string {
	words := strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	for i, word := range words {
		letters := []rune(word)
		letters[0] = unicode.ToUpper(letters[0])
		words[i] = string(letters)
	}
	return strings.Join(words, "")
}

// namePart is a value within a name. Blanks would end the name, a slash the part,
// and a number after the last dash is taken for GOMAXPROCS, which the end of a
// name is safe from because a setting is there.
func namePart(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.IsControl(c) || c == '/' {
			return '_'
		}
		return c
	}, text)
	if text == "" {
		return "_"
	}
	return text
}

func writeBenchmark(w io.Writer, name string, run Run) {
	messages, rate := run.Delivered, run.Rate
	if messages == 0 {
		messages = run.Published
	}
	// A run that was too short has nothing to say.
	if messages <= 0 || rate <= 0 {
		return
	}
	fmt.Fprintf(w, "%s %d %s ns/op %s msgs/s", name, messages, number(float64(time.Second)/rate), number(rate))
	for _, side := range []struct {
		name    string
		latency *Latency
	}{{"confirm", run.Confirm}, {"deliver", run.Deliver}} {
		if l := side.latency; l != nil {
			fmt.Fprintf(w, " %d %s-p50-ns %d %s-p99-ns", l.P50, side.name, l.P99, side.name)
		}
	}
	for _, fault := range []struct {
		unit string
		n    int
	}{{"lost", run.Lost}, {"duplicated", run.Duplicated}, {"reordered", run.Reordered}} {
		if fault.n != 0 {
			fmt.Fprintf(w, " %d %s", fault.n, fault.unit)
		}
	}
	fmt.Fprintln(w)
}

// number writes a number in full: benchmark results know no exponents by custom.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
