package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"warren/streams"
)

// A blob is a value too large for the messages and records it would travel in. It
// is kept in pieces in the store, and a reference travels in its place: nobody
// who sends or receives the value notices.
type blob struct {
	ID     string `json:"warren.blob"`
	Size   int    `json:"size"`
	Pieces int    `json:"pieces"`
}

// blobStart is what the reference to a blob begins with.
var blobStart = []byte(`{"warren.blob":"`)

// errBlob is that the pieces of a value have expired, or were forgotten.
var errBlob = errors.New("a large value is not kept any more")

func blobKey(id string, piece int) string { return "blob." + id + "." + strconv.Itoa(piece) }

// largest is the size of a value that travels as it is: a message may have some.
func (c *client) largest() int { return int(c.nc.MaxPayload() / 8) }

// spill keeps a large value in the store for a time, and gives its reference.
func (c *client) spill(ctx context.Context, value json.RawMessage, ttl time.Duration) (json.RawMessage, error) {
	if len(value) <= c.largest() {
		return value, nil
	}
	b := blob{ID: c.ids.next(), Size: len(value)}
	var puts []*streams.Pending
	for piece := range slices.Chunk(value, int(c.nc.MaxPayload()/2)) {
		put := streams.Put{Key: blobKey(b.ID, b.Pieces), Value: piece, TTL: wholeSeconds(ttl)}
		puts = append(puts, c.store.Begin(ctx, put))
		b.Pieces++
	}
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil {
			return nil, fmt.Errorf("keep a value of %d bytes: %w", b.Size, err)
		}
	}
	return marshal(b)
}

// spillAll spills the arguments of a task that are large, for as long as the task
// waits, and longer.
func (c *client) spillAll(ctx context.Context, m *Message) error {
	ttl := joinExpires + untilDue(m.ETA)
	for i, value := range m.Args {
		small, err := c.spill(ctx, value, ttl)
		if err != nil {
			return err
		}
		if len(small) != len(value) {
			m.Args = slices.Clone(m.Args)
			m.Args[i] = small
		}
	}
	for name, value := range m.Kwargs {
		small, err := c.spill(ctx, value, ttl)
		if err != nil {
			return err
		}
		if len(small) != len(value) {
			m.give(small, name)
		}
	}
	return nil
}

// fetch gives the value that a reference stands for; other values as they are.
func (c *client) fetch(ctx context.Context, value json.RawMessage) (json.RawMessage, error) {
	if !bytes.HasPrefix(value, blobStart) {
		return value, nil
	}
	var b blob
	if err := json.Unmarshal(value, &b); err != nil || b.Size < 0 || b.Pieces < 0 {
		return value, nil // it only looks like one
	}
	whole := make([]byte, 0, min(b.Size, 1<<24))
	for piece := range b.Pieces {
		e, err := c.store.Get(ctx, blobKey(b.ID, piece))
		if errors.Is(err, streams.ErrNoEntry) {
			return nil, errBlob
		}
		if err != nil {
			return nil, err
		}
		whole = append(whole, e.Value...)
	}
	if len(whole) != b.Size {
		return nil, errBlob
	}
	return whole, nil
}

// fetchAll fetches the arguments of a task that are kept apart.
func (c *client) fetchAll(ctx context.Context, m *Message) error {
	for i := range m.Args {
		value, err := c.fetch(ctx, m.Args[i])
		if err != nil {
			return fmt.Errorf("argument %d: %w", i+1, err)
		}
		m.Args[i] = value
	}
	for name := range m.Kwargs {
		value, err := c.fetch(ctx, m.Kwargs[name])
		if err != nil {
			return fmt.Errorf("argument %q: %w", name, err)
		}
		m.Kwargs[name] = value
	}
	return nil
}
