package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// errBlob is that the pieces of a value have expired, or were forgotten.
var errBlob = errors.New("a large value is not kept any more")

func blobKey(id string, piece int) string { return "blob." + id + "." + strconv.Itoa(piece) }

// display is a value as JSON for people: of one that is kept apart, how large it is.
func display(value json.RawMessage) json.RawMessage {
	if b := celery.ParseReference(value); b != nil {
		return json.RawMessage(fmt.Sprintf(`"... %d bytes ..."`, b.Size))
	}
	return value
}

func displayAll(list []json.RawMessage) []json.RawMessage {
	if !slices.ContainsFunc(list, celery.IsReference) {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		list[i] = display(list[i])
	}
	return list
}

func displayByName(values map[string]json.RawMessage) map[string]json.RawMessage {
	for name, value := range values {
		if celery.IsReference(value) {
			values = canvas.WithValue(values, name, display(value))
		}
	}
	return values
}

// largest is the size of a value that travels as it is: a message may have some.
func (c *client) largest() int { return int(c.nc.MaxPayload() / 8) }

// spill keeps a large value in the store for a time, and gives its reference.
func (c *client) spill(ctx context.Context, value json.RawMessage, ttl time.Duration) (json.RawMessage, error) {
	return c.spillOver(ctx, value, c.largest(), ttl)
}

// spillOver is spill for what is larger than a limit.
func (c *client) spillOver(ctx context.Context, value json.RawMessage, limit int, ttl time.Duration) (json.RawMessage, error) {
	if len(value) <= limit || celery.IsReference(value) {
		return value, nil
	}
	b, err := c.keepApart(ctx, value, ttl)
	return b.Reference(), err
}

// keepApart keeps a value in the store for a time.
func (c *client) keepApart(ctx context.Context, value []byte, ttl time.Duration) (celery.Claim, error) {
	b := celery.Claim{ID: c.ids.next(), Size: len(value)}
	var puts []*streams.Pending
	for piece := range slices.Chunk(value, int(c.nc.MaxPayload()/2)) {
		put := streams.Put{Key: blobKey(b.ID, b.Pieces), Value: piece, TTL: wholeSeconds(ttl)}
		puts = append(puts, c.store.Begin(ctx, put))
		b.Pieces++
	}
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil {
			return b, fmt.Errorf("keep a value of %d bytes: %w", b.Size, err)
		}
	}
	return b, nil
}

// spillAll spills the arguments of a task that are larger than so much, for as long as
// the task waits, and longer.
func (c *client) spillAll(ctx context.Context, m *Message, most int) error {
	ttl := joinExpires + c.untilDue(m.ETA)
	for i, value := range m.Args {
		if len(value) <= most || celery.IsReference(value) {
			continue
		}
		b, err := c.keepApart(ctx, value, ttl)
		if err != nil {
			return err
		}
		m.Args = slices.Clone(m.Args)
		m.Args[i] = b.Reference()
	}
	for name, value := range m.Kwargs {
		if len(value) <= most || celery.IsReference(value) {
			continue
		}
		b, err := c.keepApart(ctx, value, ttl)
		if err != nil {
			return err
		}
		m.Kwargs = canvas.WithValue(m.Kwargs, name, b.Reference())
	}
	return nil
}

// fetch gives the value that a reference stands for; other values as they are.
func (c *client) fetch(ctx context.Context, value json.RawMessage) (json.RawMessage, error) {
	if !celery.IsReference(value) {
		return value, nil
	}
	b := celery.ParseReference(value)
	if b == nil || b.Check() != nil {
		return nil, errBlob
	}
	return c.fetchApart(ctx, *b)
}

// fetchApart gives a value that is kept apart.
func (c *client) fetchApart(ctx context.Context, b celery.Claim) ([]byte, error) {
	whole := make([]byte, 0, min(b.Size, 1<<24))
	for piece := range b.Pieces {
		e, err := c.store.Get(ctx, blobKey(b.ID, piece))
		if errors.Is(err, streams.ErrNoEntry) || err == nil && len(whole)+len(e.Value) > b.Size {
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
