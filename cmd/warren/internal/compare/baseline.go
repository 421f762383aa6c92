package compare

import (
	"cmp"
	"slices"
	"strings"
)

// isRabbit tells a RabbitMQ by its broker.
func (f Features) isRabbit() bool { return strings.EqualFold(f.Broker, "RabbitMQ") }

// isRaw tells JetStream without Warren by the client: nats.go itself.
func (f Features) isRaw() bool { return !f.isRabbit() && strings.HasPrefix(f.Client, "nats.go") }

// isWarren tells Warren by what is left.
func (f Features) isWarren() bool { return f.Broker != "" && !f.isRabbit() && !f.isRaw() }

// finish sorts the rows by target and sets each against the baselines.
//
// The RabbitMQ to compare with is the best of those in the setting. Raw JetStream
// is the best that is reached in the same way, in process or over TCP: another
// way of reaching it says nothing about what a layer on it costs.
func (s *setting) finish(targets []TargetInfo) {
	slices.SortStableFunc(s.Rows, func(a, b *row) int { return cmp.Compare(a.Series, b.Series) })
	info := func(r *row) TargetInfo {
		if r.Series < len(targets) {
			return targets[r.Series]
		}
		return TargetInfo{}
	}
	for _, r := range s.Rows {
		transport := info(r).Transport
		r.VsRabbit = ratioOf(r, s.best(func(o *row) bool { return info(o).isRabbit() }))
		r.VsRaw = ratioOf(r, s.best(func(o *row) bool {
			return info(o).isRaw() && info(o).Transport == transport
		}))
	}
}

// best is the row with the best main figure among those chosen, nil if there is none.
func (s *setting) best(chosen func(*row) bool) *row {
	var best *row
	for _, r := range s.Rows {
		f := r.Main().Median
		if f == 0 || !r.comparable() || !chosen(r) {
			continue
		}
		if best == nil || (s.Rate == 0) == (f > best.Main().Median) {
			best = r
		}
	}
	return best
}

// hasRabbit and hasRaw say whether anything is compared with them.
func (s *setting) hasRabbit() bool {
	return slices.ContainsFunc(s.Rows, func(r *row) bool { return r.VsRabbit.Value > 0 })
}

func (s *setting) hasRaw() bool {
	return slices.ContainsFunc(s.Rows, func(r *row) bool { return r.VsRaw.Value > 0 })
}
