package streams

import (
	"context"
	"fmt"
)

// Follow calls f with everything that is there and matches a pattern, see
// [Store.Notify], markers among it, then ready, once, and then f with every write
// as it comes, in the order of the revisions, until the context ends, which is the
// error. It goes on after lost connections and restarts of the broker, without gaps;
// of several writes to a key that it was behind, it has the last. f and ready are
// called from the goroutine of Follow; ready may be nil. What [Store.Purge] takes
// is not told.
func (t *Store) Follow(ctx context.Context, pattern string, f func(Entry), ready func()) error {
	err := t.follow(ctx, pattern, f, ready)
	return fmt.Errorf("follow %q in store %q: %w", pattern, t.name, err)
}

func (t *Store) follow(ctx context.Context, pattern string, f func(Entry), ready func()) error {
	filter, err := t.filter(pattern)
	if err != nil {
		return err
	}
	d := &feed{t: t, filter: filter, next: 1, f: func(entry Entry) bool { f(entry); return ctx.Err() == nil }}
	err = d.forEver(ctx, ready)
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return err
}

// Range calls f with the value of every key that matches a pattern, each key once,
// until f says false. Of what is written meanwhile, it may or may not have the
// earlier values, and keys that are new.
func (t *Store) Range(ctx context.Context, pattern string, f func(Entry) bool) error {
	if err := t.scan(ctx, pattern, false, f); err != nil {
		return fmt.Errorf("read %q of store %q: %w", pattern, t.name, err)
	}
	return nil
}

// Keys lists the keys that match a pattern and have a value, in no order.
func (t *Store) Keys(ctx context.Context, pattern string) ([]string, error) {
	var keys []string
	err := t.scan(ctx, pattern, true, func(entry Entry) bool {
		keys = append(keys, entry.Key)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list keys %q of store %q: %w", pattern, t.name, err)
	}
	return keys, nil
}

// scan reads to the end: an entry that is written meanwhile moves there, and is met
// there, perhaps for a second time.
func (t *Store) scan(ctx context.Context, pattern string, bare bool, f func(Entry) bool) error {
	filter, err := t.filter(pattern)
	if err != nil {
		return err
	}
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	met := make(map[string]struct{})
	d := &feed{t: t, filter: filter, next: 1, bare: bare, f: func(entry Entry) bool {
		if _, again := met[entry.Key]; again || entry.Gone != Present {
			return true
		}
		met[entry.Key] = struct{}{}
		return f(entry)
	}}
	return d.toEnd(ctx)
}
