package compare

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of latencies, between which three digits are kept. What is beyond it
// counts as its end.
const (
	leastLatency = time.Microsecond
	mostLatency  = 10 * time.Minute
	digitsKept   = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(leastLatency), int64(mostLatency), digitsKept)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Within the range nothing can fail.
	_ = h.RecordValue(int64(min(max(d, leastLatency), mostLatency)))
}

// latencyOf sums up histograms, or gives nil if there is nothing in them.
func latencyOf(parts ...*hdrhistogram.Histogram) (*Latency, error) {
	h := newHistogram()
	for _, part := range parts {
		h.Merge(part)
	}
	if h.TotalCount() == 0 {
		return nil, nil
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	at := func(percentile float64) time.Duration { return time.Duration(h.ValueAtQuantile(percentile)) }
	return &Latency{
		Count: h.TotalCount(), Mean: time.Duration(h.Mean()),
		P50: at(50), P95: at(95), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max()),
		Histogram: string(encoded),
	}, nil
}
