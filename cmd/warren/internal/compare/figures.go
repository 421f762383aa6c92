package compare

import (
	"fmt"
	"time"
)

// What a run must be for its figures to say something. A shorter one measures how a
// broker begins: one that is over before its first window is shows a rate that
// nothing goes on at.
const (
	// ShortestRun is how long each part of a run takes at least of which there is a
	// rate.
	ShortestRun = 500 * time.Millisecond
	// leastFills is how often a run fills each window and each prefetch at least.
	leastFills = 50
	// fewest is how many messages a run has at least, and fewestPaced one at a
	// fixed rate: one in a thousand is asked for then.
	fewest      = 100
	fewestPaced = 1000
	// most is how many it has at most, for all are remembered.
	most = 1_000_000
	// leastRuns is how many runs a spread, and so a ratio, is of at least.
	leastRuns = 3
)

// least is how many messages a run has at least.
func (w Workload) least() int {
	if w.Rate > 0 {
		return fewestPaced // its windows are never full
	}
	each := max(w.Consumers, 1)
	each = (each + max(w.Fanout, 1) - 1) / max(w.Fanout, 1) // consumers of a queue
	return max(fewest, leastFills*w.Window*w.Publishers, leastFills*w.Prefetch*each)
}

// judge takes a run's figures away, and says why, if it was too short for them.
func (w Workload) judge(run Run) Run {
	switch least := w.least(); {
	case run.steady < ShortestRun:
		run.Refused = fmt.Sprintf("it took %s, and a figure takes %s", durationText(run.steady), durationText(ShortestRun))
	case run.Published < least:
		run.Refused = fmt.Sprintf("it had %s, and a figure takes %d: %d windows and prefetches", count(run.Published, "message"), least, leastFills)
	default:
		return run
	}
	run.Rate, run.PublishRate, run.DeliverRate, run.DrainRate = 0, 0, 0, 0
	run.Confirm, run.Deliver = nil, nil
	return run
}
