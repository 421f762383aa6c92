package streams

import (
	"context"
	"errors"
	"fmt"
)

// clearGoneExchange takes away the streams of an exchange that has gone, unless
// a queue still has messages in them, and the record. It does nothing to an
// exchange that stands.
func (s *Session) clearGoneExchange(ctx context.Context, name string) error {
	return s.withGoneExchange(ctx, name, func(revision uint64) error {
		if err := s.parkBoth(ctx, name); err != nil {
			return err
		}
		for _, o := range bothOrigins(name) {
			if err := s.dropParked(ctx, o); err != nil {
				return err
			}
		}
		return s.topology.remove(ctx, revision)
	})
}

// withGoneExchange runs f while this session holds the record of an exchange
// that has gone, at that revision: nobody declares the exchange again, or takes
// its streams away, meanwhile. It does not run f when the exchange stands.
func (s *Session) withGoneExchange(ctx context.Context, name string, f func(revision uint64) error) error {
	if _, own := predeclaredExchange(name); own {
		return nil
	}
	return s.holdExchange(ctx, name, func(rec *exchangeRecord, stored bool) bool {
		if stored && s.standsExchange(rec) {
			return false
		}
		rec.Name, rec.Deleting = name, true
		return true
	}, f)
}

// clearLeftStream takes away a stream that an exchange has left for another one,
// unless a queue still has messages in it.
func (s *Session) clearLeftStream(ctx context.Context, o origin) error {
	var held exchangeRecord
	return s.holdExchange(ctx, o.exchange, func(rec *exchangeRecord, stored bool) bool {
		held = *rec
		prepared := rec.Moving && !o.volatile
		return stored && s.standsExchange(rec) && rec.origin() != o && !prepared
	}, func(uint64) error {
		if err := s.dropParked(ctx, o); err != nil {
			return err
		}
		return s.updateExchange(ctx, &held, func(rec *exchangeRecord) { rec.Busy = "" })
	})
}

// holdExchange runs f while this session holds the record of an exchange, at that
// revision, if the record is one that is wanted, which may be marked then. f must
// not wait for a queue: who holds one may wait for this.
func (s *Session) holdExchange(ctx context.Context, name string, wanted func(rec *exchangeRecord, stored bool) bool, f func(revision uint64) error) error {
	lock := exchangeLock(name)
	unlock, err := s.queueLocks.Lock(ctx, lock)
	if err != nil {
		return err
	}
	defer unlock()
	for pause := contended(); ; {
		rec := new(exchangeRecord)
		revision, err := s.topology.get(ctx, exchangeKey(name), rec)
		if err != nil || !wanted(rec, revision != 0) {
			return err
		}
		free, err := s.mayHold(ctx, rec.Busy, lock)
		if err != nil {
			return err
		}
		if free {
			rec.Busy = s.id
			revision, err = s.topology.put(ctx, exchangeKey(name), rec, revision)
			if err == nil {
				return f(revision)
			}
			if !errors.Is(err, errConflict) {
				return err
			}
		}
		if err := pause.Wait(ctx); err != nil {
			return fmt.Errorf("exchange %q is being changed by another session: %w", name, err)
		}
	}
}

// exchangeLock is the lock of an exchange among those of queues, whose names
// have no zero byte.
func exchangeLock(name string) string { return "exchange\x00" + name }
