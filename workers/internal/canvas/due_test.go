package canvas

import (
	"testing"
	"time"

	"warren/workers/internal/celery"
)

func TestWhenACanvasIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	after := func(d time.Duration) Signature { return Signature{Options: Options{Countdown: celery.Seconds(d)}} }
	at := func(d time.Duration) Signature {
		return Signature{Options: Options{ETA: &celery.Moment{Time: now.Add(d)}}}
	}
	chain := func(list ...Signature) Signature { return Signature{Kind: KindChain, Tasks: list} }
	group := func(list ...Signature) Signature { return Signature{Kind: KindGroup, Tasks: list} }
	for what, test := range map[string]struct {
		sig  Signature
		want time.Duration
	}{
		"a task":                         {Signature{}, 0},
		"a countdown":                    {after(time.Hour), time.Hour},
		"a moment":                       {at(time.Hour), time.Hour},
		"a moment that has passed":       {at(-time.Hour), 0},
		"a group of none":                {group(), 0},
		"a group":                        {group(after(time.Hour), after(3*time.Hour), Signature{}), 3 * time.Hour},
		"a chain":                        {chain(after(time.Hour), after(2*time.Hour)), 3 * time.Hour},
		"a chain to a moment":            {chain(after(time.Hour), at(2*time.Hour)), 2 * time.Hour},
		"a chain beyond a moment":        {chain(after(3*time.Hour), at(2*time.Hour)), 3 * time.Hour},
		"a group of chains, and a chain": {chain(group(chain(after(time.Hour), after(time.Hour)), after(time.Minute)), after(time.Hour)), 3 * time.Hour},
	} {
		if got := Due(&test.sig, now).Sub(now); got != test.want {
			t.Errorf("%s is due after %v, want %v", what, got, test.want)
		}
	}
}
