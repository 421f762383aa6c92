package canvas

import "time"

// Due is when the last of a canvas may begin, whose first may from a time on, if
// nothing took time.
func Due(s *Signature, from time.Time) time.Time {
	switch s.Kind {
	case KindTask:
		return Later(from, DueAt(s.Options, from))
	case KindGroup:
		last := from
		for i := range s.Tasks {
			last = Later(last, Due(&s.Tasks[i], from))
		}
		return last
	}
	for i := range s.Tasks {
		from = Due(&s.Tasks[i], from)
	}
	return from
}

// Later is the later of two moments.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// DueAt is when a call that is sent at a time is due; zero for at once.
func DueAt(o Options, sent time.Time) time.Time {
	switch {
	case o.ETA != nil:
		return o.ETA.Time
	case o.Countdown > 0:
		return sent.Add(time.Duration(o.Countdown))
	}
	return time.Time{}
}
