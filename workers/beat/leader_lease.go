package beat

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"warren/streams"
)

// A leaderLease is what the schedulers of an app have one of: who holds it leads. It is a
// value with a TTL, which its holder renews; every change of it is
// compare-and-set.
type leaderLease struct {
	store *streams.Store
	key   string
	ttl   time.Duration // whole seconds
	self  holder
	now   func() time.Time // by the broker's clock

	heldBy   holder // the other one who holds it, as far as that is known
	revision uint64
	until    time.Time // it is held for so long, if it is not renewed
}

// holder is who holds the lease. The name is for people.
type holder struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// acquire tries to take the lease. False says that another one holds it. One that has renewed
// it at a time that is still to come has not since the broker's clock was put back: a TTL
// would not end before that time.
func (l *leaderLease) acquire(ctx context.Context) (bool, error) {
	e, err := l.store.Get(ctx, l.key)
	expect := streams.Absent
	switch {
	case err == nil && l.others(e.Value) && e.Time.Sub(l.now()) < l.ttl:
		return false, nil
	case err == nil:
		expect = streams.Revision(e.Revision)
	case !errors.Is(err, streams.ErrNoEntry):
		return false, err
	}
	err = l.hold(ctx, expect)
	if errors.Is(err, streams.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// others reports whether another one holds the lease. That this one holds it, it may
// not know: it was not told what became of a write.
func (l *leaderLease) others(value []byte) bool {
	var has holder
	_ = json.Unmarshal(value, &has) // of nobody, if it is nothing
	if has.ID == "" || has.ID == l.self.ID {
		return false
	}
	l.heldBy = has
	return true
}

// renew holds the lease for another while. ErrConflict says that it is lost.
func (l *leaderLease) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	return l.hold(ctx, streams.Revision(l.revision))
}

func (l *leaderLease) hold(ctx context.Context, expect streams.Expectation) error {
	asked := time.Now()
	text, err := json.Marshal(l.self)
	if err != nil {
		return err
	}
	revision, err := l.store.Put(ctx, streams.Put{Key: l.key, Value: text, TTL: l.ttl, Expect: expect})
	if err != nil {
		return err
	}
	l.revision, l.until = revision, asked.Add(l.ttl)
	return nil
}

// release gives the lease up, if it is still held: the next one need not wait for
// its end.
func (l *leaderLease) release(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	_, err := l.store.Put(ctx, streams.Put{Key: l.key, TTL: time.Second, Expect: streams.Revision(l.revision)})
	return err
}
