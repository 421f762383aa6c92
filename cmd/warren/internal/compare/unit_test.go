package compare

import (
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{rateText(0), "–"}, {rateText(0.0123), "0.012"}, {rateText(7), "7"}, {rateText(97.23), "97.2"},
		{rateText(999), "999"}, {rateText(999.7), "1 k"}, {rateText(9_996), "10 k"}, {rateText(97_230), "97.2 k"},
		{rateText(137_400), "137 k"}, {rateText(999_600), "1 M"}, {rateText(1_234_000), "1.23 M"},
		{durationText(0), "–"}, {durationText(7), "7 ns"}, {durationText(330 * time.Microsecond), "330 µs"},
		{durationText(1234 * time.Microsecond), "1.23 ms"}, {durationText(999_700 * time.Microsecond), "1 s"},
		{durationText(90 * time.Second), "90 s"}, {durationText(200 * time.Second), "3m20s"},
		{bytesText(0), "0 B"}, {bytesText(128), "128 B"}, {bytesText(1024), "1 KiB"}, {bytesText(1536), "1.50 KiB"},
		{bytesText(64 << 20), "64 MiB"}, {bytesText(8 << 30), "8 GiB"},
		{count(1, "run"), "1 run"}, {count(0, "run"), "0 runs"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	runs := []Run{{DeliverRate: 110}, {DeliverRate: 0}, {DeliverRate: 90}, {DeliverRate: 100}}
	rate := func(r Run) float64 { return r.DeliverRate }
	if got, want := spreadOf(runs, rate), (spread{Median: 100, Low: 90, High: 110}); got != want {
		t.Errorf("of an odd number: got %v, want %v", got, want)
	}
	if got, want := spreadOf(append(runs, Run{DeliverRate: 120}), rate), (spread{Median: 105, Low: 90, High: 120}); got != want {
		t.Errorf("of an even number: got %v, want %v", got, want)
	}
	if got := spreadOf(runs, rate).Rate(); got != "100 ±10%" {
		t.Errorf("got %q", got)
	}
	if got := (spread{}).Rate(); got != "–" {
		t.Errorf("of nothing: got %q", got)
	}
}
