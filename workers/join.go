package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"warren/streams"
)

// The gathering of a group. Each member writes its own slot; of two values the
// first counts, so that a member that runs twice is counted once. Whoever sees
// that all slots are filled goes on; two may, and do the same.

// fanIn is how many slots are looked at together. So many filled ones fill one
// slot of the next level: a member looks at fanIn slots and not at all of them.
const fanIn = 128

// filled is what a slot holds.
type filled struct {
	Value   json.RawMessage `json:"value,omitempty"`
	Failure *Failure        `json:"failure,omitempty"`
	Revoked bool            `json:"revoked,omitempty"`
}

// keepJoins records joins, before any member is sent.
func (c *client) keepJoins(ctx context.Context, joins []join) error {
	puts := make([]*streams.Pending, 0, len(joins))
	for i := range joins {
		text, err := marshal(joins[i])
		if err != nil {
			return err
		}
		puts = append(puts, c.store.Begin(ctx, streams.Put{Key: joinKey(joins[i].ID, "plan"), Value: text, TTL: joins[i].own().keptFor()}))
	}
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil {
			return fmt.Errorf("record a group: %w", err)
		}
	}
	return nil
}

// join reads a group; nil says that it has gone on, or was forgotten.
func (c *client) join(ctx context.Context, id string) (*join, error) {
	e, err := c.store.Get(ctx, joinKey(id, "plan"))
	if errors.Is(err, streams.ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := new(join)
	if err := json.Unmarshal(e.Value, j); err != nil {
		return nil, fmt.Errorf("read group %s: %w", id, err)
	}
	return j, nil
}

// fill fills a member's slot, and adds what follows, if that was decided by it.
func (c *client) fill(ctx context.Context, s slot, next *moves) error {
	if s.index < 0 || s.index >= s.size {
		return fmt.Errorf("the group has %d members", s.size)
	}
	if err := c.write(ctx, &s); err != nil {
		return err
	}
	reached(pointFilled)
	if s.fail != nil {
		return c.breakJoin(ctx, s, next)
	}
	complete, err := c.climb(ctx, s)
	if err != nil || !complete {
		return err
	}
	return c.gather(ctx, s.join, next)
}

// write writes a slot, or reads what another run of the member wrote before.
func (c *client) write(ctx context.Context, s *slot) error {
	text, err := marshal(filled{s.value, s.fail, s.revoked})
	if err != nil {
		return err
	}
	key := slotKey(s.join, 0, s.index)
	_, err = c.store.Put(ctx, streams.Put{Key: key, Value: text, TTL: s.keptFor(), Expect: streams.Absent})
	if !errors.Is(err, streams.ErrConflict) {
		return err
	}
	e, err := c.store.Get(ctx, key)
	if errors.Is(err, streams.ErrNoEntry) {
		return nil // the group has gone on
	}
	if err != nil {
		return err
	}
	var was filled
	if err := json.Unmarshal(e.Value, &was); err != nil {
		return fmt.Errorf("read slot %d: %w", s.index, err)
	}
	s.value, s.fail, s.revoked = was.Value, was.Failure, was.Revoked
	return nil
}

// climb reports whether the last slot was filled: it looks at the neighbours of a
// slot, and when all are filled, fills the slot above them, up to the last level.
func (c *client) climb(ctx context.Context, s slot) (bool, error) {
	index, size := s.index, s.size
	for level := 0; ; level++ {
		all, err := c.blockFilled(ctx, s.join, level, index, size)
		if err != nil || !all {
			return false, err
		}
		if size <= fanIn {
			return true, nil
		}
		index, size = index/fanIn, (size+fanIn-1)/fanIn
		above := streams.Put{Key: slotKey(s.join, level+1, index), Value: []byte("{}"), TTL: s.keptFor()}
		if _, err := c.store.Put(ctx, above); err != nil {
			return false, err
		}
	}
}

// blockFilled looks at the neighbours of a slot that is filled, from the last one
// on: as members begin in their order, that one mostly tells. What is read is as
// new as the slot, which was written before.
func (c *client) blockFilled(ctx context.Context, id string, level, index, size int) (bool, error) {
	from := index / fanIn * fanIn
	var keys []string
	for i := min(size, from+fanIn) - 1; i >= from; i-- {
		if i != index {
			keys = append(keys, slotKey(id, level, i))
		}
	}
	for range min(probes, len(keys)) {
		_, err := c.store.Get(ctx, keys[0])
		if errors.Is(err, streams.ErrNoEntry) {
			return false, nil // or the group has gone on, and its slots are cleared away
		}
		if err != nil {
			return false, err
		}
		keys = keys[1:]
	}
	if len(keys) == 0 {
		return true, nil
	}
	entries, err := c.store.GetMany(ctx, keys)
	return len(entries) == len(keys), err
}

// probes is how many slots are looked at one by one.
const probes = 4

// slots reads what the members of a group have come to, in their order; nil for
// those that are not done.
func (c *client) slots(ctx context.Context, j *join) ([]*filled, error) {
	keys := make([]string, j.Size)
	for i := range keys {
		keys[i] = slotKey(j.ID, 0, i)
	}
	entries, err := c.store.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	list := make([]*filled, j.Size)
	for i, key := range keys {
		e, ok := entries[key]
		if !ok {
			continue
		}
		list[i] = new(filled)
		if err := json.Unmarshal(e.Value, list[i]); err != nil {
			return nil, fmt.Errorf("read slot %d: %w", i, err)
		}
	}
	return list, nil
}

// gather goes on with the results of all members.
func (c *client) gather(ctx context.Context, id string, next *moves) error {
	j, err := c.join(ctx, id)
	if err != nil || j == nil {
		return err
	}
	list, err := c.slots(ctx, j)
	if err != nil {
		return err
	}
	values := make([]json.RawMessage, len(list))
	for i, f := range list {
		switch {
		case f == nil:
			return nil // another one has gone on, and cleared the slots away
		case f.Failure != nil:
			return nil // whoever failed goes on
		}
		if values[i], err = c.fetch(ctx, f.Value); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	all, err := marshal(values)
	if err != nil {
		return err
	}
	if all, err = c.spill(ctx, all, joinExpires); err != nil {
		return err
	}
	next.past = append(next.past, id)
	next.succeed(all, j.Callbacks, j.spot())
	return nil
}

// breakJoin goes on with the failure of a member: the first that fails decides.
func (c *client) breakJoin(ctx context.Context, s slot, next *moves) error {
	j, err := c.join(ctx, s.join)
	if err != nil || j == nil {
		return err
	}
	if first, err := c.firstToBreak(ctx, s); err != nil || !first {
		return err
	}
	list, err := c.slots(ctx, j)
	if err != nil {
		return err
	}
	causes := []Failure{}
	for i, f := range list {
		switch {
		case i == s.index:
			causes = append(causes, *s.fail)
		case f != nil && f.Failure != nil:
			causes = append(causes, *f.Failure)
		}
	}
	next.broke(j, causes, s.revoked)
	return nil
}

// firstToBreak reports whether a member is the one whose failure decides.
func (c *client) firstToBreak(ctx context.Context, s slot) (bool, error) {
	mine := strconv.Itoa(s.index)
	_, err := c.store.Put(ctx, streams.Put{Key: joinKey(s.join, "broken"), Value: []byte(mine), TTL: s.keptFor(), Expect: streams.Absent})
	if !errors.Is(err, streams.ErrConflict) {
		return err == nil, err
	}
	e, err := c.store.Get(ctx, joinKey(s.join, "broken"))
	return err == nil && string(e.Value) == mine, err
}

// clear forgets a group that has gone on: what follows it has been sent. What is
// left of one, because nobody could, is in nobody's way and expires.
func (c *client) clear(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, clearing)
	defer cancel()
	if _, err := c.store.Purge(ctx, joinKey(id, ">")); err != nil {
		c.cfg.Logger.Info("could not clear a group away", "group", id, "error", err)
	}
}

// clearing is how long clearing a group away may take.
const clearing = 5 * time.Second
