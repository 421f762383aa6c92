package compare

import (
	"context"
	"slices"
	"strings"
	"time"
)

// A scenario asks one question of a target.
type scenario struct {
	name     string
	question string
	// alone scenarios restart a broker or keep it busy, so nothing else runs.
	alone    bool
	restarts bool
	// play finds the answer. Its error is something that should have been done
	// and was not, or [ErrNotOffered], or errNotRun.
	play func(ctx context.Context, t *trial) (found, error)
	// why explains answers in one sentence. There is at least one.
	why func(a answers) string
}

// found is what a trial has found.
type found struct {
	did    string // for readers
	answer string // for comparing; no figures that vary from run to run
	took   time.Duration
}

// scenarios are all of them, in the order of the report. Those that take longest
// come first: the rest is played beside them.
func scenarios() []scenario {
	return []scenario{
		fairDispatch(),
		killedWorker(),
		stoppedWorker(),
		requeueOrder(),
		unroutable(),
		topicKeys(),
		emptyKeys(),
		lateSubscriber(),
		unbinding(),
		twoTypes(),
		restartCleanly(),
		restartByKilling(),
		largeMessages(),
	}
}

// limit bounds a trial.
func (s scenario) limit() time.Duration {
	if s.restarts {
		return restartLimit
	}
	return trialLimit
}

// because is the sentence about what came out.
func (s scenario) because(a answers) string {
	if len(a) == 0 {
		return "None of them has an answer."
	}
	return s.why(a)
}

// answers are the outcomes that are answers: neither failed nor not offered.
type answers []Outcome

func answersOf(outcomes []Outcome) answers {
	var a answers
	for _, o := range outcomes {
		if o.Failed == "" && !o.NotOffered {
			a = append(a, o)
		}
	}
	return a
}

// same says that there are answers and that all are alike.
func (a answers) same() bool {
	return len(a) > 0 && len(a.with(a[0].Answer)) == len(a)
}

// with are those that answered so.
func (a answers) with(answer string) answers {
	return slices.DeleteFunc(slices.Clone(a), func(o Outcome) bool { return o.Answer != answer })
}

// without are those that did not answer so.
func (a answers) without(answer string) answers {
	return slices.DeleteFunc(slices.Clone(a), func(o Outcome) bool { return o.Answer == answer })
}

// all says that each of them answered so.
func (a answers) all(answer string) bool { return len(a.with(answer)) == len(a) }

// none says that none of them answered so.
func (a answers) none(answer string) bool { return len(a.with(answer)) == 0 }

// names are the targets as a sentence has them: "a", "a and b", "a, b and c".
func (a answers) names() string {
	var names []string
	for _, o := range a {
		names = append(names, o.Target)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
