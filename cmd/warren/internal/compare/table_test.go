package compare

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func tables(t *testing.T, r Report) string {
	t.Helper()
	var out strings.Builder
	if err := WriteTables(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTables(t *testing.T) {
	t.Parallel()
	out := tables(t, sampleReport(t))
	for _, want := range []string{
		`(?m)^1 to 1, at full speed\nD0: held in memory, survives nothing\n\n  128 B, window 100, prefetch 100, 1 publisher, 1 consumer\n  target +end to end/s +/RabbitMQ +/raw +publish/s +deliver/s +CPU/msg +wire/msg\n  warren embedded +1\d\d k ±\d% `,
		`(?m)^  rabbitmq classic +\S+ k ±\d% +1 +0\.\d+ +\S+ k +\S+ k +\S+ µs +4 in 640 B$`,
		`(?m)^backlog build, at full speed\nD2: synced`,
		`(?m)^1 to 1, at a fixed rate\nD1: `,
		`(?m)^  ! rabbitmq classic: 3 lost, 12 duplicated, 1 reordered$`,
		`(?m)^  rabbitmq classic: shares \d+, \d+, \d+, \d+$`,
		`(?m)^  class D2 of rabbitmq classic: RabbitMQ 4 does not`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing matches %s in:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "!"); n != 1 {
		t.Errorf("%d faults are told of, want 1", n)
	}
	if strings.Contains(out, "Interrupted") {
		t.Error("an end is told of that was not")
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(tables(t, sampleReport(t))) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestTablesOfAwkwardReports(t *testing.T) {
	t.Parallel()
	reports := awkwardReports(t)
	escape := sampleReport(t)
	escape.Measurements[0].Target = "red\x1b[31m\nline"
	reports["escapes"] = escape
	for name, r := range reports {
		out := tables(t, r)
		if i := strings.IndexFunc(out, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }); i >= 0 {
			t.Errorf("%s: there is a %q", name, out[i])
		}
		for _, bad := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s: there is a %s in:\n%s", name, bad, out)
			}
		}
		for _, m := range r.Measurements {
			if !strings.Contains(out, oneLine(m.Target)) || !strings.Contains(out, m.Workload) {
				t.Errorf("%s: %s on %s is not there", name, m.Workload, m.Target)
			}
		}
	}
	if got := tables(t, Report{}); got != "Nothing was measured.\n" {
		t.Errorf("of an empty report: %q", got)
	}
	if out := tables(t, Report{Interrupted: true, Took: 3 * time.Second}); !strings.Contains(out, "Interrupted after 3s") {
		t.Errorf("of an interrupted report: %q", out)
	}
}

// Rates are compared with the best of RabbitMQ and with raw JetStream that is
// reached in the same way; latencies the other way round.
func TestRatios(t *testing.T) {
	t.Parallel()
	r := Report{Targets: sampleTargets()}
	add := func(rate float64, figures map[string]float64) {
		for _, target := range r.Targets {
			if f := figures[target.Name]; f > 0 {
				run := Run{Rate: f, DeliverRate: 1e6}
				if rate > 0 {
					run = Run{Rate: rate, Deliver: &Latency{Count: 100, P50: time.Duration(f)}}
				}
				r.Measurements = append(r.Measurements, Measurement{Workload: "w", Target: target.Name, Class: D1, Rate: rate, Runs: []Run{run, run, run}})
			}
		}
	}
	figures := map[string]float64{
		"warren embedded": 300, "warren tcp": 200, "raw embedded": 400, "rabbitmq classic": 50, "rabbitmq quorum": 100,
	}
	add(0, figures)
	add(1000, figures)

	all := exercises(r)
	if len(all) != 2 || all[0].Paced || !all[1].Paced {
		t.Fatalf("got %d exercises, want full speed and a fixed rate apart", len(all))
	}
	for i, want := range []map[string][2]float64{
		{"warren embedded": {3, 0.75}, "warren tcp": {2, 0}, "raw embedded": {4, 1}, "rabbitmq classic": {0.5, 0}, "rabbitmq quorum": {1, 0}},
		{"warren embedded": {6, 0.75}, "warren tcp": {4, 0}, "raw embedded": {8, 1}, "rabbitmq classic": {1, 0}, "rabbitmq quorum": {2, 0}},
	} {
		for _, row := range all[i].Settings[0].Rows {
			if got := [2]float64{row.VsRabbit.Value, row.VsRaw.Value}; got != want[row.Target] {
				t.Errorf("%s, %s: got %v, want %v", all[i].Title(), row.Target, got, want[row.Target])
			}
		}
	}
}
