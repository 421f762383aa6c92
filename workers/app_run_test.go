package workers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/workers"
	"warren/workers/beat"
)

// TestAppRun_SendsAndRuns: the scheduler sends what the worker runs, and the end of the
// context is no error.
func TestAppRun_SendsAndRuns(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	tick := workers.Do0(s.App, "tick", func(context.Context) error {
		cancel()
		return nil
	})
	s.connect(embeddedtest.Connect(t), workers.Config{})
	entry := beat.Entry{Name: "tick", Schedule: beat.Every(time.Hour), Call: tick.S(), AtStart: true}
	err := s.Run(ctx, workers.WorkerConfig{}, beat.New(s.App, beat.Config{Entries: []beat.Entry{entry}}))
	if err != nil || s.ctx.Err() != nil {
		t.Errorf("ended with %v, %v", err, s.ctx.Err())
	}
}

// TestAppRun_OneFailureEndsBoth: nobody is left with half of it.
func TestAppRun_OneFailureEndsBoth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		worker    workers.WorkerConfig
		scheduler beat.Config
		want      string
	}{
		"of the worker":    {worker: workers.WorkerConfig{Concurrency: -1}, want: "worker of app"},
		"of the scheduler": {scheduler: beat.Config{Entries: []beat.Entry{{Name: "no call"}}}, want: "scheduler of app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.connect(embeddedtest.Connect(t), workers.Config{})
			err := s.Run(s.ctx, c.worker, beat.New(s.App, c.scheduler))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "of app") != 1 || s.ctx.Err() != nil {
				t.Errorf("ended with %v, want an error of the %s alone", err, c.want)
			}
		})
	}
}
