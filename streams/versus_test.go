package streams_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

// A contender does n units of work and says how long they took, without what
// it took to prepare them.
type contender func(b *testing.B, n int) time.Duration

// versus runs our way and the raw ones in turn, in one run, so that both meet
// the same machine, and reports the medians of their rates and the ratio to
// the fastest raw one.
func versus(b *testing.B, ours contender, raw ...contender) {
	b.Helper()
	const rounds = 3
	n := max(b.N/rounds, 1)
	rates := make([][]float64, 1+len(raw))
	for range rounds {
		for i, run := range append([]contender{ours}, raw...) {
			took := run(b, n)
			rates[i] = append(rates[i], float64(n)/took.Seconds())
		}
	}
	best := 0.0
	for _, r := range rates[1:] {
		best = max(best, median(r))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rates[0]), "msg/s")
	b.ReportMetric(best, "raw-msg/s")
	b.ReportMetric(median(rates[0])/best, "x-raw")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// transports are the ways to a broker that figures are taken over: in this
// process, and by TCP to one of its own.
var transports = []struct {
	name    string
	connect func(testing.TB) *nats.Conn
}{
	{"inproc", embeddedtest.Connect},
	{"tcp", func(tb testing.TB) *nats.Conn {
		tb.Helper()
		return embeddedtest.Process(tb, embedded.Config{}).Connect(tb)
	}},
}
