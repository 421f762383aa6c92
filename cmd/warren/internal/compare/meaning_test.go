package compare

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// addMeasured adds a measurement of three runs to a report.
func addMeasured(r *Report, m Measurement, figures ...float64) {
	for _, f := range figures {
		run := Run{Rate: f}
		if m.Rate > 0 {
			run.Deliver = &Latency{Count: 1000, P50: time.Duration(f)}
		}
		m.Runs = append(m.Runs, run)
	}
	r.Measurements = append(r.Measurements, m)
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	r := Report{Targets: sampleTargets(), Behaviours: sampleBehaviours()}
	r.Behaviours[3].Outcomes[1].Failed = ""
	for target, factor := range map[string]float64{"warren embedded": 50, "warren tcp": 3, "raw tcp": 7, "rabbitmq classic": 1, "rabbitmq quorum": 0.5} {
		addMeasured(&r, Measurement{Workload: "topic", Target: target, Class: D0}, 100*factor, 101*factor, 102*factor)
		addMeasured(&r, Measurement{Workload: "publish", Target: target, Class: D2, Window: 1}, 100/factor, 101/factor, 102/factor)
		addMeasured(&r, Measurement{Workload: "publish", Target: target, Class: D2, Window: 100}, 100, 110, 120)
		addMeasured(&r, Measurement{Workload: "1 to 1", Target: target, Class: D1, Rate: 1000}, 1e6/factor, 1e6/factor, 1e6/factor)
	}
	want := []string{
		"Beside RabbitMQ 3.10.8, Warren over TCP is ahead in 1 of 3 measurements, by rates from end to end: topic, D0 (3.0 times).",
		"It is behind in 1: publish, window 1, D2 (0.17 times).",
		"In 1 the difference lies within the spread of the runs, which do not tell who is ahead: publish, window 100, D2 (~1.0 times).",
		"At a fixed rate half of the messages have arrived after 333 µs beside 1 ms (1 to 1, D1).",
		"Of 4 behaviours Warren does as RabbitMQ in 3, and otherwise in 1: message of 32 MiB (warren embedded: refused; RabbitMQ: closed).",
	}
	if got := Meaning(r); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.Targets = slices.DeleteFunc(r.Targets, func(t TargetInfo) bool { return t.isRabbit() })
	if got := Meaning(r); len(got) != 4 || !strings.HasPrefix(got[0], "Beside JetStream without it, Warren over TCP is ahead in 1 of 3") {
		t.Errorf("without RabbitMQ: got %q", got)
	}
	if got := Meaning(Report{}); len(got) != 0 {
		t.Errorf("of nothing: got %q", got)
	}
}

// TestMeaning_Awkward: whatever is missing, there are sentences or none.
func TestMeaning_Awkward(t *testing.T) {
	t.Parallel()
	reports := awkwardReports(t)
	reports["six targets"] = sampleReport(t)
	for name, r := range reports {
		got := Meaning(r)
		if len(got) > 5 {
			t.Errorf("%s: %d sentences", name, len(got))
		}
		for _, sentence := range got {
			if !strings.HasSuffix(sentence, ".") || strings.Contains(sentence, "  ") || strings.Contains(sentence, "%!") {
				t.Errorf("%s: %q", name, sentence)
			}
		}
	}
	if got := Meaning(reports["six targets"]); len(got) != 5 {
		t.Errorf("of six targets: got %q, want five sentences", got)
	}
}

// TestVerdict: what JetStream does by itself is no difference of Warren's, and what
// Warren shares with one type of queue is not either.
func TestVerdict(t *testing.T) {
	t.Parallel()
	features := featuresOf(sampleTargets())
	const warren, raw, classic, quorum = "warren tcp", "raw tcp", "rabbitmq classic", "rabbitmq quorum"
	for _, test := range []struct {
		did  map[string]string
		want Verdict
	}{
		{map[string]string{}, NoAnswer},
		{map[string]string{warren: "a"}, OneAnswer},
		{map[string]string{warren: "a", raw: "a", classic: "a"}, AllAlike},
		{map[string]string{warren: "a", raw: "b", classic: "a"}, LikeRabbitMQ},
		{map[string]string{warren: "a", classic: "a", quorum: "b"}, LikeRabbitMQ},
		{map[string]string{warren: "a", "warren embedded": "b", classic: "a"}, UnlikeRabbitMQ},
		{map[string]string{warren: "a", classic: "b", quorum: "c"}, UnlikeRabbitMQ},
		{map[string]string{warren: "a", raw: "b"}, Differing},
		{map[string]string{classic: "a", quorum: "b"}, Differing},
	} {
		outcomes := []Outcome{{Target: warren + " fsync", Failed: "it hung"}, {Target: raw + " fsync", NotOffered: true}}
		for target, answer := range test.did {
			outcomes = append(outcomes, Outcome{Target: target, Answer: answer})
		}
		if got := verdictOf(outcomes, features); got != test.want {
			t.Errorf("%v: got %q, want %q", test.did, got, test.want)
		}
	}
}

// TestPage_EmptySections: a page has no headings over nothing.
func TestPage_EmptySections(t *testing.T) {
	t.Parallel()
	empty, full := writePage(t, Report{}), writePage(t, sampleReport(t))
	for _, id := range []string{"behaviour", "speed", "latency", "method", "numbers"} {
		if strings.Contains(empty, `id="`+id+`"`) || strings.Contains(empty, `href="#`+id+`"`) {
			t.Errorf("a page with nothing in it has a section %q", id)
		}
		if !strings.Contains(full, `id="`+id+`"`) || !strings.Contains(full, `href="#`+id+`"`) {
			t.Errorf("a page with everything in it has no section %q", id)
		}
	}
}

// TestPage_BeginsWithTheMeaning: before what was run, and before any figure.
func TestPage_BeginsWithTheMeaning(t *testing.T) {
	t.Parallel()
	r := sampleReport(t)
	p := readPage(t, writePage(t, r))
	at := -1
	for _, sentence := range append(Meaning(r), r.Command) {
		i := strings.Index(p.text, sentence)
		if i <= at {
			t.Errorf("%q is at %d, want it after %d", sentence, i, at)
		}
		at = i
	}
}

// TestPage_Percentiles: one in a thousand is on the axis, however few there were.
func TestPage_Percentiles(t *testing.T) {
	t.Parallel()
	r := Report{Targets: sampleTargets()}
	h := newHistogram()
	for i := range 100 {
		record(h, time.Duration(i+1)*time.Millisecond)
	}
	l, err := latencyOf(h)
	if err != nil {
		t.Fatal(err)
	}
	r.Measurements = []Measurement{{Workload: "1 to 1", Target: "raw tcp", Class: D0, Rate: 1000, Runs: []Run{{Rate: 1000, Deliver: l}}}}
	if page := writePage(t, r); !strings.Contains(page, ">99.9%<") {
		t.Error("99.9% is not on the axis")
	}
}
