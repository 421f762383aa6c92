package compare

import "slices"

// A Verdict is what comes of comparing what targets did in a scenario.
type Verdict string

// The verdicts. What RabbitMQ does is what its users know; that JetStream without
// Warren does something else is why there is Warren, and no difference of Warren's.
const (
	AllAlike       Verdict = "the same"        // all that answered
	LikeRabbitMQ   Verdict = "as RabbitMQ"     // Warren does what a RabbitMQ does
	UnlikeRabbitMQ Verdict = "not as RabbitMQ" // Warren does what no RabbitMQ does
	Differing      Verdict = "different"       // there is no Warren, or no RabbitMQ
	OneAnswer      Verdict = "one answer"
	NoAnswer       Verdict = "no answer"
)

// verdictOf judges outcomes. Features tell which target is a RabbitMQ and which is
// Warren.
func verdictOf(outcomes []Outcome, features map[string]Features) Verdict {
	a := answersOf(outcomes)
	rabbit, warren := a.of(features, Features.isRabbit), a.of(features, Features.isWarren)
	unlike := func(o Outcome) bool { return rabbit.none(o.Answer) }
	switch {
	case len(a) == 0:
		return NoAnswer
	case len(a) == 1:
		return OneAnswer
	case a.same():
		return AllAlike
	case len(rabbit) == 0 || len(warren) == 0:
		return Differing
	case slices.ContainsFunc(warren, unlike):
		return UnlikeRabbitMQ
	}
	return LikeRabbitMQ
}

// of are the answers of some targets.
func (a answers) of(features map[string]Features, chosen func(Features) bool) (some answers) {
	for _, o := range a {
		if chosen(features[o.Target]) {
			some = append(some, o)
		}
	}
	return some
}

func featuresOf(targets []TargetInfo) map[string]Features {
	all := make(map[string]Features)
	for _, t := range targets {
		all[t.Name] = t.Features
	}
	return all
}
