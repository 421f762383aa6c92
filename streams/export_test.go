package streams

import (
	"context"
	"time"
)

// Gather makes a publisher take a stream for one that is slow from the start, and
// for good: what waits for it goes in batches.
func Gather(p *Publisher, exchange, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.laneOf(&Confirm{exchange: exchange, key: key})
	l.begin()
	l.probe = 1 << 30
	l.pace.single.fill(time.Hour)
	l.pace.fixed.fill(0)
	l.answers.mark = &Confirm{} // which has no answer: nothing is measured any more
}

// HalfMove begins to move an exchange to files and stops after some of its steps,
// as a session does that is killed.
func HalfMove(ctx context.Context, s *Session, exchange string, steps int) error {
	rec, revision, err := s.needExchange(ctx, exchange)
	if err != nil {
		return err
	}
	rec.Moving = true
	if _, err := s.topology.put(ctx, exchangeKey(exchange), rec, revision); err != nil {
		return err
	}
	moved := *rec
	moved.Volatile = false
	files, memory := moved.origin(), rec.origin()
	for _, step := range []func() error{
		func() error { return s.prepareFiles(ctx, &moved) },
		func() error {
			return s.changeBound(ctx, rec, func(c *queueChange) error { return c.bindInFiles(ctx, &moved) })
		},
		func() error { return s.park(ctx, memory) },
		func() error { _, err := s.ensureOrigin(ctx, files); return err },
		func() error {
			return s.updateExchange(ctx, rec, func(rec *exchangeRecord) { rec.Volatile = false })
		},
		func() error {
			return s.changeBound(ctx, rec, func(c *queueChange) error { return c.leaveMemory(ctx, &moved) })
		},
	}[:steps] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
