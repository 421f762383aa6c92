package beat

import (
	"encoding/binary"
	"hash/fnv"
	"time"
)

// Missed says what becomes of the runs that were due while no scheduler was
// there. A run that is late by less than two leases, because one leader had to be
// followed by another, is not missed.
type Missed string

// What becomes of missed runs.
const (
	// MissedOnce runs the last of them. It is the default.
	MissedOnce Missed = "once"
	// MissedSkip runs none.
	MissedSkip Missed = "skip"
	// MissedAll runs them all, the oldest first, but no more than the last hundred.
	MissedAll Missed = "all"
)

// mostMissed bounds [MissedAll].
const mostMissed = 100

// A plan is when the runs of an entry are due. It is pure: every scheduler that
// makes it of the same entry comes to the same.
type plan struct {
	times
	name    string
	since   time.Time // when the entry, with this schedule, was put
	atStart bool
	jitter  time.Duration
	missed  Missed
}

// How far a run may be in the future: the clock is not known better. And how far the
// clock is put back for that to be a correction of it, as in cron(8).
const (
	mostAhead  = time.Second
	correction = 3 * time.Hour
)

// anew reports whether the runs begin anew, because they have come further than now:
// the clock was put back since. Those of certain times of the day wait until the clock
// has shown what it shows twice, as in cron(8), unless that was a correction.
func (p plan) anew(reached, now time.Time) bool {
	switch back := reached.Sub(now); {
	case back <= mostAhead:
		return false
	case back > correction:
		return true
	}
	switch t := p.times.(type) {
	case crontab:
		return t.anyHour
	case moments:
		return false
	}
	return true
}

// next is the first time after t at which a run is due.
func (p plan) next(t time.Time) time.Time {
	if t.Before(p.since) {
		if p.atStart {
			return p.since
		}
		t = p.since
	}
	return p.after(t)
}

// fire is when the run of a due time is sent: by its jitter later, but before the
// next one is due. The jitter is the same in every scheduler.
func (p plan) fire(due time.Time) time.Time {
	most := p.jitter
	if next := p.next(due); !next.IsZero() {
		most = min(most, next.Sub(due))
	}
	if most <= 0 {
		return due
	}
	h := fnv.New64a()
	_, _ = h.Write(binary.BigEndian.AppendUint64([]byte(p.name), uint64(due.UnixNano())))
	return due.Add(time.Duration(h.Sum64() % uint64(most)))
}

// nextFire is the first time after t at which a run is sent.
func (p plan) nextFire(t time.Time) time.Time {
	for due := p.next(t.Add(-p.jitter)); !due.IsZero(); due = p.next(due) {
		if at := p.fire(due); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// due are the times whose runs are to be sent now, when the last one was of that
// time. What is late by no more than late is not missed.
func (p plan) due(last, now time.Time, late time.Duration) []time.Time {
	list := p.passed(last, now)
	n := len(list)
	switch {
	case n == 0 || p.missed == MissedAll:
		return list
	case p.missed == MissedSkip && now.Sub(p.fire(list[n-1])) > late:
		return nil
	}
	return list[n-1:]
}

// passed are the due times after the last one, the last hundred at most. It looks
// back further and further: there may be many, or few.
func (p plan) passed(last, now time.Time) []time.Time {
	if last.Before(p.since) {
		last = p.since.Add(-1)
	}
	for back := p.jitter + time.Minute; ; back *= 60 {
		from := now.Add(-back)
		whole := !from.After(last) || back > 365*24*time.Hour
		if whole {
			from = last
		}
		list := p.between(from, now)
		if whole || len(list) >= mostMissed {
			return list[max(len(list)-mostMissed, 0):]
		}
	}
}

func (p plan) between(from, now time.Time) []time.Time {
	var list []time.Time
	for due := p.next(from); !due.IsZero() && !p.fire(due).After(now); due = p.next(due) {
		list = append(list, due)
	}
	return list
}
