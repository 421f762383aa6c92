package compare

import (
	"context"
	"time"
)

// A pace says when messages are due: one after the other at a rate, however long
// each takes. The zero pace is full speed.
type pace struct {
	start time.Duration // by the clock
	every time.Duration
}

func paceOf(rate float64) pace {
	p := pace{start: clock()}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait waits until a message is due and gives the time for which it was: a
// publisher that was held up is late, and what it is late by counts.
func (p pace) wait(ctx context.Context, i int) (time.Duration, error) {
	if p.every == 0 {
		return clock(), ctx.Err()
	}
	due := p.start + time.Duration(i)*p.every
	if left := due - clock(); left > 0 {
		pause(left)
	}
	return due, ctx.Err()
}
