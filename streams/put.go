package streams

import (
	"context"
	"fmt"
	"time"
)

// A Put is a write to a [Store].
type Put struct {
	Key   string
	Value []byte
	// TTL is how long the value lives: whole seconds. Default: the store's.
	TTL time.Duration
	// Expect is what must be there for the write to be done. Default: [Any].
	Expect Expectation
	// ID makes the broker drop, and confirm with the revision of the first, a
	// write with an ID that it has seen within two minutes. Default: no ID.
	ID string
}

// Expectation is what a write expects to find.
type Expectation uint64

const (
	// Any is met by everything.
	Any Expectation = 0
	// Absent is met where there is no value, and by a marker.
	Absent = ^Expectation(0)
)

// Revision expects exactly that write, be it a value or a marker. Revision 0,
// which no entry has, is [Absent].
func Revision(n uint64) Expectation {
	if n == 0 {
		return Absent
	}
	return Expectation(n)
}

// Put writes a value and waits until the broker has stored it; the revision is
// the entry's from then on. If the expectation is not met, the error is
// [ErrConflict]. A value larger than the server takes is 406, a store that has
// gone 404. When the confirm is lost, a write that expects something finds out
// what became of it, as far as the time allows and others have not written since;
// what stays unknown is [ErrUnconfirmed]. Nothing is written twice.
func (t *Store) Put(ctx context.Context, p Put) (revision uint64, err error) {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	revision, err = t.start(ctx, &Pending{t: t, put: p}).wait(ctx)
	if err != nil {
		return 0, t.putError(p.Key, err)
	}
	return revision, nil
}

// Begin is Put without waiting for the confirm, which the context's deadline
// bounds, or the session's Timeout: many writes may be under way at once. It waits
// only for a connection that takes the value. Writes begun in one goroutine are
// stored in that order. The value is not copied: leave it as it is until Done.
func (t *Store) Begin(ctx context.Context, p Put) *Pending {
	return t.start(ctx, &Pending{t: t, put: p})
}

func (t *Store) putError(key string, err error) error {
	return fmt.Errorf("put %q into store %q: %w", key, t.name, err)
}

// Delete takes the value of a key away and leaves a marker, also where there was
// no value.
func (t *Store) Delete(ctx context.Context, key string) error {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	_, err := t.start(ctx, &Pending{t: t, put: Put{Key: key}, deletes: true}).wait(ctx)
	if err != nil {
		return fmt.Errorf("delete %q from store %q: %w", key, t.name, err)
	}
	return nil
}

// start sends the first try of a write.
func (t *Store) start(ctx context.Context, p *Pending) *Pending {
	t.explainPut(p)
	p.done = make(chan struct{})
	p.deadline = t.s.deadline(ctx)
	if err := p.begin(ctx); err != nil {
		p.end(0, err)
	}
	return p
}
