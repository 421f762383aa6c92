package compare

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func gobench(t *testing.T, r Report) string {
	t.Helper()
	var out strings.Builder
	if err := WriteGobench(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGobenchLines(t *testing.T) {
	t.Parallel()
	r := Report{
		Version: "v1.2.0", Machine: Machine{OS: "linux", Arch: "arm64", CPU: "some\nprocessor"},
		Measurements: []Measurement{
			{
				Workload: "fan-out 1 to 10", Target: "rabbitmq classic", Class: D1, Size: 128, Window: 100, Consumers: 10,
				Runs: []Run{
					{Published: 10, Delivered: 100, Rate: 250, PublishRate: 25, DeliverRate: 300, Confirm: &Latency{P50: 5, P99: 9}, Deliver: &Latency{P50: 7, P99: 11}},
					{Published: 10, Delivered: 99, Rate: 200, PublishRate: 25, Lost: 1, Reordered: 2},
					{},
				},
			},
			{
				Workload: "backlog build", Target: "a/b\tc", Class: D2, Size: 1024, Rate: 1000,
				Runs: []Run{{Published: 10, Rate: 1000, PublishRate: 1000}, {Published: 10, Refused: "too short"}},
			},
		},
	}
	const want = `goos: linux
goarch: arm64
pkg: warren/compare
cpu: some processor
warren: v1.2.0
Unit msgs/s better=higher
BenchmarkFanOut1To10/target=rabbitmq_classic/class=D1/size=128/window=100/consumers=10 100 4000000 ns/op 250 msgs/s 5 confirm-p50-ns 9 confirm-p99-ns 7 deliver-p50-ns 11 deliver-p99-ns
BenchmarkFanOut1To10/target=rabbitmq_classic/class=D1/size=128/window=100/consumers=10 99 5000000 ns/op 200 msgs/s 1 lost 2 reordered
BenchmarkBacklogBuild/target=a_b_c/class=D2/size=1024/rate=1000 10 1000000 ns/op 1000 msgs/s
`
	if got := gobench(t, r); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Equal names are the same measurement, and no two measurements of a report share one.
func TestGobenchNames(t *testing.T) {
	t.Parallel()
	runs := make(map[string]int)
	for line := range strings.Lines(gobench(t, sampleReport(t))) {
		if name, _, _ := strings.Cut(line, " "); strings.HasPrefix(name, "Benchmark") {
			runs[name]++
		}
	}
	if want := len(sampleReport(t).Measurements); len(runs) != want {
		t.Errorf("%d names, want %d", len(runs), want)
	}
	for name, n := range runs {
		if n != repeats {
			t.Errorf("%s has %d lines, want %d", name, n, repeats)
		}
	}
}

// benchstat itself reads what is written for it: all of it, and the figures as they are.
func TestBenchstatReadsGobench(t *testing.T) {
	t.Parallel()
	reports := awkwardReports(t)
	reports["six targets"] = sampleReport(t)
	for name, r := range reports {
		out, complaints := benchstat(t, gobench(t, r), "-row", ".fullname")
		if complaints != "" {
			t.Errorf("%s: benchstat says: %s", name, complaints)
		}
		if len(r.Measurements) > 0 && !strings.Contains(out, "msgs/s") {
			t.Errorf("%s: benchstat found no rates: %s", name, out)
		}
	}

	out, _ := benchstat(t, gobench(t, sampleReport(t)), "-filter", "/class:D1 .unit:(msgs/s OR deliver-p50-sec)", "-row", ".name /rate", "-col", "/target")
	for _, want := range []string{`FanOut1To10\s.*247`, `1To1 1000\s.*1.000k`, `deliver-p50-sec`, `rabbitmq_quorum`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing in the output matches %s:\n%s", want, out)
		}
	}
}

// benchstatPath builds benchstat first: what go says of that, such as what it
// downloads, is no complaint of the program's.
var benchstatPath = sync.OnceValue(func() string {
	path, err := exec.Command("go", "tool", "-n", "benchstat").Output()
	if err != nil {
		return "benchstat" // running it says why not
	}
	return strings.TrimSpace(string(path))
})

func benchstat(t *testing.T, text string, args ...string) (out, complaints string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), benchstatPath(), append(args, file)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("benchstat: %v\n%s", err, stderr.String())
	}
	return stdout.String(), stderr.String()
}
