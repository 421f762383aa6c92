package streams

import (
	"context"
	"errors"
	"fmt"
)

// clearGone takes away the streams of an exchange that has gone, unless
// a queue still has messages in them, and the record. It does nothing to an
// exchange that stands.
func (es *exchanges) clearGone(ctx context.Context, name string) error {
	return es.withGone(ctx, name, func(revision uint64) error {
		if err := es.parkBoth(ctx, name); err != nil {
			return err
		}
		for _, o := range bothOrigins(name) {
			if err := es.dropParked(ctx, o); err != nil {
				return err
			}
		}
		return es.topology.remove(ctx, revision)
	})
}

// withGone runs f while this node holds the record of an exchange
// that has gone, at that revision: nobody declares the exchange again, or takes
// its streams away, meanwhile. It does not run f when the exchange stands.
func (es *exchanges) withGone(ctx context.Context, name string, f func(revision uint64) error) error {
	if _, own := predeclaredExchange(name); own {
		return nil
	}
	return es.hold(ctx, name, func(rec *exchangeRecord, stored bool) bool {
		if stored && es.epoch.standsExchange(rec) {
			return false
		}
		rec.Name, rec.Deleting = name, true
		return true
	}, f)
}

// clearLeftStream takes away a stream that an exchange has left for another one,
// unless a queue still has messages in it.
func (es *exchanges) clearLeftStream(ctx context.Context, o origin) error {
	var held exchangeRecord
	return es.hold(ctx, o.exchange, func(rec *exchangeRecord, stored bool) bool {
		held = *rec
		prepared := rec.Moving && !o.volatile
		return stored && es.epoch.standsExchange(rec) && rec.origin() != o && !prepared
	}, func(uint64) error {
		if err := es.dropParked(ctx, o); err != nil {
			return err
		}
		return es.update(ctx, &held, func(rec *exchangeRecord) { rec.Busy = "" })
	})
}

// hold runs f while this node holds the record of an exchange, at that
// revision, if the record is one that is wanted, which may be marked then. f must
// not wait for a queue: who holds one may wait for this.
func (es *exchanges) hold(ctx context.Context, name string, wanted func(rec *exchangeRecord, stored bool) bool, f func(revision uint64) error) error {
	lock := exchangeLock(name)
	unlock, err := es.queues.locks.Lock(ctx, lock)
	if err != nil {
		return err
	}
	defer unlock()
	for pause := contended(); ; {
		rec := new(exchangeRecord)
		revision, err := es.topology.get(ctx, exchangeKey(name), rec)
		if err != nil || !wanted(rec, revision != 0) {
			return err
		}
		free, _, err := es.queues.mayHold(ctx, rec.Busy, lock)
		if err != nil {
			return err
		}
		if free {
			rec.Busy = es.id
			revision, err = es.topology.put(ctx, exchangeKey(name), rec, revision)
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
