package embeddedtest

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// A Contender does n units of work in a benchmark and says how long they took,
// without what it took to prepare them.
type Contender func(b *testing.B, n int) time.Duration

// Versus runs our way of doing some work and the raw ones in turn, in one run, so
// that both meet the same machine, and reports the medians of their rates, of
// units a second, and the ratio to the fastest raw one.
func Versus(b *testing.B, unit string, ours Contender, raw ...Contender) {
	b.Helper()
	const rounds = 3
	n := max(b.N/rounds, 1)
	rates := make([][]float64, 1+len(raw))
	for range rounds {
		for i, run := range append([]Contender{ours}, raw...) {
			took := run(b, n)
			rates[i] = append(rates[i], float64(n)/took.Seconds())
		}
	}
	best := 0.0
	for _, r := range rates[1:] {
		best = max(best, median(r))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rates[0]), unit+"/s")
	b.ReportMetric(best, "raw-"+unit+"/s")
	b.ReportMetric(median(rates[0])/best, "x-raw")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Transport is a way to a broker that figures are taken over.
type Transport struct {
	Name    string
	Connect func(testing.TB) *nats.Conn
}

// Transports are a broker in this process, and one in a process of its own, by
// TCP.
var Transports = []Transport{
	{"inproc", Connect},
	{"tcp", func(tb testing.TB) *nats.Conn {
		tb.Helper()
		return Process(tb, embedded.Config{}).Connect(tb)
	}},
}
