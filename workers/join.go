package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
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

	lost bool // it was filled, and cannot be read
}

// filledJSON is how a slot is kept: with where its value is, if it is kept apart.
type filledJSON struct {
	plainFilled
	ValueAt *celery.Claim `json:"value_at,omitempty"`
}

type plainFilled filled

// MarshalJSON writes the slot.
func (f filled) MarshalJSON() ([]byte, error) {
	out := filledJSON{plainFilled: plainFilled(f)}
	out.Value, out.ValueAt = celery.Apart(f.Value)
	return jsontext.Marshal(out)
}

// UnmarshalJSON reads a slot.
func (f *filled) UnmarshalJSON(text []byte) error {
	var in filledJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*f = filled(in.plainFilled)
	var err error
	f.Value, err = celery.Together(in.Value, in.ValueAt)
	return err
}

// keepJoins records joins, before any member is sent.
func (c *client) keepJoins(ctx context.Context, joins []canvas.Join) error {
	puts := make([]*streams.Pending, 0, len(joins))
	for _, j := range joins {
		err := j.Check(j.ID)
		if err == nil {
			err = celery.CheckID(j.ID)
		}
		if err != nil {
			return celery.Permanent(err)
		}
		text, err := j.Write()
		if err != nil {
			return celery.Permanent(err)
		}
		if text, err = c.keepPlan(ctx, &j, text); err != nil {
			return err
		}
		puts = append(puts, c.store.Begin(ctx, streams.Put{Key: joinKey(j.ID, "plan"), Value: text, TTL: c.keptFor(j.Own())}))
	}
	for _, p := range puts {
		if err := waitFor(ctx, p); err != nil {
			return fmt.Errorf("record a group: %w", err)
		}
	}
	return nil
}

// join reads a group; nil says that it has gone on, or was forgotten.
func (c *client) join(ctx context.Context, id string) (*canvas.Join, error) {
	e, err := c.store.Get(ctx, joinKey(id, "plan"))
	if errors.Is(err, streams.ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j, err := canvas.ReadJoin(id, e.Value)
	if err != nil || j.At == nil {
		return j, err
	}
	text, err := c.fetch(ctx, j.At.Reference())
	if err != nil {
		return nil, fmt.Errorf("read group %s: %w", id, err)
	}
	return canvas.ReadJoin(id, text)
}

// keepPlan keeps what is written of a group apart, if it is large.
func (c *client) keepPlan(ctx context.Context, j *canvas.Join, text []byte) ([]byte, error) {
	if len(text) <= 4*c.largest() {
		return text, nil
	}
	all, err := c.keepApart(ctx, text, c.keptFor(j.Own()))
	if err != nil {
		return nil, err
	}
	return jsontext.Marshal(canvas.Join{ID: j.ID, Size: j.Size, At: &all})
}

// A slot is filled by a member, and has a revision then: its own, or that of the slot
// above it.
type slot struct {
	canvas.Slot
	revision uint64
}

// fill fills a member's slot, and adds what follows, if that was decided by it.
func (c *client) fill(ctx context.Context, of canvas.Slot, next *effects) error {
	s := slot{Slot: of}
	if s.Index < 0 || s.Index >= s.Size {
		return celery.Permanent(fmt.Errorf("the group has %d members", s.Size))
	}
	if err := c.write(ctx, &s); err != nil {
		return err
	}
	reached(pointFilled)
	if s.Failure != nil {
		return c.breakJoin(ctx, s.Slot, next)
	}
	if goesOn, err := c.climb(ctx, s); err != nil || !goesOn {
		return err
	}
	return c.gather(ctx, s.Join, next)
}

// write writes a slot, or reads what another run of the member wrote before.
func (c *client) write(ctx context.Context, s *slot) error {
	text, err := jsontext.Marshal(filled{Value: s.Value, Failure: s.Failure, Revoked: s.Revoked})
	if err != nil {
		return err
	}
	put := streams.Put{Key: slotKey(s.Join, 0, s.Index), Value: text, TTL: c.keptFor(s.Gathering), Expect: streams.Absent}
	s.revision, err = c.store.Put(ctx, put)
	if !errors.Is(err, streams.ErrConflict) {
		return err
	}
	e, err := c.store.Get(ctx, put.Key)
	if errors.Is(err, streams.ErrNoEntry) {
		return nil // the group has gone on
	}
	if err != nil {
		return err
	}
	was, err := parseSlot(e.Value)
	if err != nil { // nobody has got anything out of it
		put.Expect = streams.Revision(e.Revision)
		s.revision, err = c.store.Put(ctx, put)
		return err
	}
	s.Value, s.Failure, s.Revoked, s.revision = was.Value, was.Failure, was.Revoked, e.Revision
	return nil
}

// parseSlot reads what a member has come to.
func parseSlot(text []byte) (*filled, error) {
	f := new(filled)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, err
	}
	return f, nil
}

// climb reports whether a member is to go on, as the last slot was filled: it looks at
// the neighbours of a slot, and when all are filled, fills the slot above them, up to
// the last level.
func (c *client) climb(ctx context.Context, s slot) (bool, error) {
	index, size := s.Index, s.Size
	for level := 0; ; level++ {
		all, err := c.blockFilled(ctx, s.Join, level, index, size)
		if err != nil || !all {
			return false, err
		}
		if size <= fanIn {
			return c.isLast(ctx, s, level)
		}
		index, size = index/fanIn, (size+fanIn-1)/fanIn
		above := streams.Put{Key: slotKey(s.Join, level+1, index), Value: []byte("{}"), TTL: c.keptFor(s.Gathering)}
		if s.revision, err = c.store.Put(ctx, above); err != nil {
			return false, err
		}
	}
}

// blockFilled reports whether the neighbours of a slot are filled, which is filled. A
// level that is one block is counted: nobody reads a result to know that it is there.
// Of a larger one the neighbours are looked at from the last one on: as members begin
// in their order, that one mostly tells. What is read is as new as the slot, which was
// written before.
func (c *client) blockFilled(ctx context.Context, id string, level, index, size int) (bool, error) {
	if size <= fanIn {
		n, err := c.store.Count(ctx, joinKey(id, strconv.Itoa(level)+".*"))
		return n >= size, err
	}
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

// isLast reports whether a slot was written last of the last level, which is filled: by
// its revision, as who writes it sees all others. Several may see that all are filled,
// and all would read all results. Small ones they do: it costs them no more than to find
// out who is the last.
func (c *client) isLast(ctx context.Context, s slot, level int) (bool, error) {
	if len(s.Value) <= largestInSlot && !celery.IsReference(s.Value) {
		return true, nil
	}
	e, err := c.store.Last(ctx, joinKey(s.Join, strconv.Itoa(level)+".*"))
	if errors.Is(err, streams.ErrNoEntry) {
		return false, nil // the group has gone on
	}
	return err == nil && e.Revision <= s.revision, err
}

// largestInSlot is the size of a result that is kept in a slot as it is where the slots
// of a block are read to know that they are filled.
const largestInSlot = 1 << 10

// largestAt is the size of a result that goes on from a position as it is.
func (c *client) largestAt(at canvas.Position) int {
	if at.Size > fanIn && len(at.Rest) == 0 && at.Plan == nil {
		return min(largestInSlot, c.largest())
	}
	return c.largest()
}

// probes is how many slots are looked at one by one.
const probes = 4

// slots reads what the members of a group have come to, in their order; nil for
// those that are not done.
func (c *client) slots(ctx context.Context, j *canvas.Join) ([]*filled, error) {
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
		if list[i], err = parseSlot(e.Value); err != nil {
			list[i] = lostMember(i, err)
		}
	}
	return list, nil
}

// lostMember is a member of which is not known any more what it has come to.
func lostMember(i int, cause error) *filled {
	f := Failure{Type: malformed, Message: fmt.Sprintf("what member %d of the group has come to cannot be read: %v", i, cause)}
	return &filled{Failure: &f, lost: true}
}

// gather goes on with the results of all members.
func (c *client) gather(ctx context.Context, id string, next *effects) error {
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
		case f.lost:
			return c.breakJoin(ctx, canvas.Slot{Gathering: j.Own(), Index: i, Failure: f.Failure}, next)
		case f.Failure != nil:
			return nil // whoever failed goes on
		}
		values[i], err = c.fetch(ctx, f.Value)
		if errors.Is(err, errBlob) {
			return c.breakJoin(ctx, canvas.Slot{Gathering: j.Own(), Index: i, Failure: lostMember(i, err).Failure}, next)
		}
		if err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	all, err := jsontext.Marshal(values)
	if err != nil {
		return err
	}
	if all, err = c.spillOver(ctx, all, c.largestAt(j.Next()), joinExpires); err != nil {
		return err
	}
	return c.goOnWith(ctx, j, all, next)
}

// goOnWith gives the results of a group to what follows it. Where that is not kept any more,
// the group has failed.
func (c *client) goOnWith(ctx context.Context, j *canvas.Join, results json.RawMessage, next *effects) error {
	rest, plan, err := c.ahead(ctx, j.Rest, j.Plan)
	switch {
	case errors.Is(err, errPlanOver): // what follows has gone on
		next.past = append(next.past, j.ID)
		return nil
	case err != nil && lastingOf(err) == permanent:
		f := Failure{TaskID: j.ID, Type: typeOf(err), Message: err.Error()}
		next.Break(j, j.Failure([]Failure{f}), false)
		return err
	case err != nil:
		return err
	case j.Plan != nil && plan == nil:
		next.over = append(next.over, j.Plan.ID)
	}
	j.Rest, j.Plan = rest, plan
	next.past = append(next.past, j.ID)
	next.Succeed(results, j.Callbacks, j.Next())
	return nil
}

// breakJoin goes on with the failure of a member: the first that fails decides.
func (c *client) breakJoin(ctx context.Context, s canvas.Slot, next *effects) error {
	j, err := c.join(ctx, s.Join)
	if err != nil || j == nil {
		return err
	}
	if first, err := c.firstToBreak(ctx, s); err != nil || !first {
		return err
	}
	j.Rest, j.Plan, err = c.allSteps(ctx, j.Rest, j.Plan)
	switch {
	case errors.Is(err, errPlanOver):
		return nil
	case err != nil && lastingOf(err) != permanent:
		return err
	}
	list, err := c.slots(ctx, j)
	if err != nil {
		return err
	}
	causes := []Failure{}
	for i, f := range list {
		switch {
		case i == s.Index:
			causes = append(causes, *s.Failure)
		case f != nil && f.Failure != nil:
			causes = append(causes, *f.Failure)
		}
	}
	f, err := c.keepFailure(ctx, j.Failure(causes), c.keptFor(s.Gathering))
	if err != nil {
		return err
	}
	next.Break(j, f, s.Revoked)
	return nil
}

// firstToBreak reports whether a member is the one whose failure decides.
func (c *client) firstToBreak(ctx context.Context, s canvas.Slot) (bool, error) {
	mine := strconv.Itoa(s.Index)
	_, err := c.store.Put(ctx, streams.Put{Key: joinKey(s.Join, "broken"), Value: []byte(mine), TTL: c.keptFor(s.Gathering), Expect: streams.Absent})
	if !errors.Is(err, streams.ErrConflict) {
		return err == nil, err
	}
	e, err := c.store.Get(ctx, joinKey(s.Join, "broken"))
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
