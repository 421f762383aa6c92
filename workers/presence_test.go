package workers_test

import (
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
)

// TestALostWordIsSaidAgain: what a server of a cluster takes with it, that may be
// said twice, is said to the next one long before the time is up.
func TestALostWordIsSaidAgain(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		s := newShop(t)
		s.ctx = t.Context()
		s.connect(nc, workers.Config{})
		apply(s, s.note.S("declares", "the queue"))
		for _, word := range []struct {
			key string
			say func() error
		}{
			{"worker", func() error { s.work(workers.WorkerConfig{}); return nil }},
			{"control.paused", func() error { return s.Pause(t.Context(), "celery") }},
			{"revoked", func() error { return s.Revoke(t.Context(), "an-id") }},
		} {
			first := true
			line.Lose(func(subject string) bool {
				lost := first && strings.Contains(subject, word.key)
				first = first && !lost
				return lost
			})
			start := time.Now()
			if err := word.say(); err != nil {
				t.Errorf("%s: %v", word.key, err)
			}
			took := time.Since(start)
			line.Lose(nil)
			if first {
				t.Errorf("%s: nothing was lost", word.key)
			}
			if took > 10*time.Second {
				t.Errorf("%s: it took %v", word.key, took)
			}
		}
	})
}
