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
func (c *client) keepJoins(ctx context.Context, joins []join) error {
	puts := make([]*streams.Pending, 0, len(joins))
	for _, j := range joins {
		err := j.check(j.ID)
		if err == nil {
			err = celery.CheckID(j.ID)
		}
		if err != nil {
			return celery.Permanent(err)
		}
		text, err := j.write()
		if err != nil {
			return celery.Permanent(err)
		}
		if text, err = c.keepPlan(ctx, &j, text); err != nil {
			return err
		}
		puts = append(puts, c.store.Begin(ctx, streams.Put{Key: joinKey(j.ID, "plan"), Value: text, TTL: c.keptFor(j.own())}))
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
	j, err := parseJoin(id, e.Value)
	if err != nil || j.At == nil {
		return j, err
	}
	text, err := c.fetch(ctx, j.At.Reference())
	if err != nil {
		return nil, fmt.Errorf("read group %s: %w", id, err)
	}
	return parseJoin(id, text)
}

// keepPlan keeps what is written of a group apart, if it is large.
func (c *client) keepPlan(ctx context.Context, j *join, text []byte) ([]byte, error) {
	if len(text) <= 4*c.largest() {
		return text, nil
	}
	all, err := c.keepApart(ctx, text, c.keptFor(j.own()))
	if err != nil {
		return nil, err
	}
	return jsontext.Marshal(join{ID: j.ID, Size: j.Size, At: &all})
}

// write writes a group. One that cannot read plans of chains takes the step that stands
// for one for a task.
func (j join) write() (text []byte, err error) {
	if j.Rest, err = withPlan(j.Rest, j.Plan); err != nil {
		return nil, err
	}
	return jsontext.Marshal(j)
}

// parseJoin reads a group as it is recorded.
func parseJoin(id string, text []byte) (*join, error) {
	j := new(join)
	err := json.Unmarshal(text, j)
	if err == nil {
		err = j.check(id)
	}
	if err != nil {
		return nil, celery.Permanent(fmt.Errorf("read group %s: %w", id, err))
	}
	if j.Plan != nil {
		j.Rest = withoutPlan(j.Rest)
	}
	return j, nil
}

// check refuses what was not recorded as the group of an id.
func (j *join) check(id string) error {
	switch {
	case j.ID != id:
		return fmt.Errorf("it is of group %q", jsontext.Clip([]byte(j.ID)))
	case j.Size < 1 || j.Size > canvas.Widest:
		return fmt.Errorf("it has %d members", j.Size)
	case j.Join != "" && (j.JoinSize < 1 || j.JoinSize > canvas.Widest || j.Index < 0 || j.Index >= j.JoinSize):
		return fmt.Errorf("it is member %d of a group of %d", j.Index, j.JoinSize)
	}
	if j.Join == "" {
		return j.Plan.check()
	}
	return errors.Join(celery.CheckID(j.Join), j.Plan.check())
}

// fill fills a member's slot, and adds what follows, if that was decided by it.
func (c *client) fill(ctx context.Context, s slot, next *moves) error {
	if s.index < 0 || s.index >= s.size {
		return celery.Permanent(fmt.Errorf("the group has %d members", s.size))
	}
	if err := c.write(ctx, &s); err != nil {
		return err
	}
	reached(pointFilled)
	if s.fail != nil {
		return c.breakJoin(ctx, s, next)
	}
	if goesOn, err := c.climb(ctx, s); err != nil || !goesOn {
		return err
	}
	return c.gather(ctx, s.join, next)
}

// write writes a slot, or reads what another run of the member wrote before.
func (c *client) write(ctx context.Context, s *slot) error {
	text, err := jsontext.Marshal(filled{Value: s.value, Failure: s.fail, Revoked: s.revoked})
	if err != nil {
		return err
	}
	put := streams.Put{Key: slotKey(s.join, 0, s.index), Value: text, TTL: c.keptFor(s.gathering), Expect: streams.Absent}
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
	s.value, s.fail, s.revoked, s.revision = was.Value, was.Failure, was.Revoked, e.Revision
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
	index, size := s.index, s.size
	for level := 0; ; level++ {
		all, err := c.blockFilled(ctx, s.join, level, index, size)
		if err != nil || !all {
			return false, err
		}
		if size <= fanIn {
			return c.isLast(ctx, s, level)
		}
		index, size = index/fanIn, (size+fanIn-1)/fanIn
		above := streams.Put{Key: slotKey(s.join, level+1, index), Value: []byte("{}"), TTL: c.keptFor(s.gathering)}
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
	if len(s.value) <= largestInSlot && !celery.IsReference(s.value) {
		return true, nil
	}
	e, err := c.store.Last(ctx, joinKey(s.join, strconv.Itoa(level)+".*"))
	if errors.Is(err, streams.ErrNoEntry) {
		return false, nil // the group has gone on
	}
	return err == nil && e.Revision <= s.revision, err
}

// largestInSlot is the size of a result that is kept in a slot as it is where the slots
// of a block are read to know that they are filled.
const largestInSlot = 1 << 10

// largestAt is the size of a result that goes on from a spot as it is.
func (c *client) largestAt(at spot) int {
	if at.size > fanIn && len(at.rest) == 0 && at.plan == nil {
		return min(largestInSlot, c.largest())
	}
	return c.largest()
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
		case f.lost:
			return c.breakJoin(ctx, slot{gathering: j.own(), index: i, fail: f.Failure}, next)
		case f.Failure != nil:
			return nil // whoever failed goes on
		}
		values[i], err = c.fetch(ctx, f.Value)
		if errors.Is(err, errBlob) {
			return c.breakJoin(ctx, slot{gathering: j.own(), index: i, fail: lostMember(i, err).Failure}, next)
		}
		if err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	all, err := jsontext.Marshal(values)
	if err != nil {
		return err
	}
	if all, err = c.spillOver(ctx, all, c.largestAt(j.spot()), joinExpires); err != nil {
		return err
	}
	return c.goOnWith(ctx, j, all, next)
}

// goOnWith gives the results of a group to what follows it. Where that is not kept any more,
// the group has failed.
func (c *client) goOnWith(ctx context.Context, j *join, results json.RawMessage, next *moves) error {
	rest, plan, err := c.ahead(ctx, j.Rest, j.Plan)
	switch {
	case errors.Is(err, errPlanOver): // what follows has gone on
		next.past = append(next.past, j.ID)
		return nil
	case err != nil && lastingOf(err) == permanent:
		f := Failure{TaskID: j.ID, Type: typeOf(err), Message: err.Error()}
		next.broke(j, j.failure([]Failure{f}), false)
		return err
	case err != nil:
		return err
	case j.Plan != nil && plan == nil:
		next.over = append(next.over, j.Plan.ID)
	}
	j.Rest, j.Plan = rest, plan
	next.past = append(next.past, j.ID)
	next.succeed(results, j.Callbacks, j.spot())
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
		case i == s.index:
			causes = append(causes, *s.fail)
		case f != nil && f.Failure != nil:
			causes = append(causes, *f.Failure)
		}
	}
	f, err := c.keepFailure(ctx, j.failure(causes), c.keptFor(s.gathering))
	if err != nil {
		return err
	}
	next.broke(j, f, s.revoked)
	return nil
}

// firstToBreak reports whether a member is the one whose failure decides.
func (c *client) firstToBreak(ctx context.Context, s slot) (bool, error) {
	mine := strconv.Itoa(s.index)
	_, err := c.store.Put(ctx, streams.Put{Key: joinKey(s.join, "broken"), Value: []byte(mine), TTL: c.keptFor(s.gathering), Expect: streams.Absent})
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
