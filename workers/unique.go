package workers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"warren/streams"
)

// unique is that a task is sent once for a key in a time.
type unique struct {
	key    string
	within time.Duration
}

// uniqueKey is where the id of the task of a key is kept, whatever bytes the key
// has.
func uniqueKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "unique." + hex.EncodeToString(sum[:16])
}

// applyUnique sends a task if it is the first of its key, and gives a handle on
// the first.
func (c *client) applyUnique(ctx context.Context, sig Signature, u unique) (*handle, error) {
	if sig.Kind != KindTask {
		return nil, errUnique
	}
	key := uniqueKey(u.key)
	for {
		claim := streams.Put{Key: key, Value: []byte(sig.Options.TaskID), TTL: wholeSeconds(u.within), Expect: streams.Absent}
		_, err := c.store.Put(ctx, claim)
		if err == nil {
			break
		}
		if !errors.Is(err, streams.ErrConflict) {
			return nil, fmt.Errorf("claim key %q: %w", u.key, err)
		}
		e, err := c.store.Get(ctx, key)
		if err == nil {
			return &handle{c: c, cell: c.results.cell(string(e.Value)), claimed: true}, nil
		}
		if !errors.Is(err, streams.ErrNoEntry) {
			return nil, fmt.Errorf("claim key %q: %w", u.key, err)
		}
	}
	h, err := c.applyFrozen(ctx, sig)
	if err != nil && !errors.Is(err, streams.ErrUnconfirmed) {
		err = errors.Join(err, c.store.Delete(context.WithoutCancel(ctx), key))
	}
	return h, err
}
