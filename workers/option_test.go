package workers_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestOption_ContradictionsAreRefused: and what is no number.
func TestOption_ContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.connect(embeddedtest.Connect(t), workers.Config{})
	at := time.Now().Add(time.Hour)
	for want, o := range map[string][]workers.Option{
		"both Expires and ExpiresAt": {workers.Expires(time.Hour), workers.ExpiresAt(at)},
		"ExpiresAt has no time":      {workers.ExpiresAt(time.Time{})},
		"the backoff is below 1":     {workers.Retry(workers.RetryPolicy{Backoff: math.Inf(1)})},
		"or no number":               {workers.Retry(workers.RetryPolicy{Backoff: math.NaN()})},
	} {
		_, err := s.add.S(1, 1).With(o...).Apply(s.ctx)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := workers.Repeat(s.add.S(1, 1), s.add.P(1), -1).Apply(s.ctx); err == nil {
		t.Error("a step was repeated -1 times, want an error")
	}
}
