package workers

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"warren/streams"
)

// A seat is what the schedulers of an app have one of: who has it leads. It is a
// value with a TTL, which its holder renews; every change of it is
// compare-and-set.
type seat struct {
	store *streams.Store
	key   string
	ttl   time.Duration // whole seconds
	want  occupant
	now   func() time.Time // by the broker's clock

	taken    occupant // who has it instead, as far as that is known
	revision uint64
	until    time.Time // it is held for so long, if it is not renewed
}

// occupant is who has the seat. The name is for people.
type occupant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// take tries to take the seat. False says that another one has it. One that has renewed
// it at a time that is still to come has not since the broker's clock was put back: a TTL
// would not end before that time.
func (s *seat) take(ctx context.Context) (bool, error) {
	e, err := s.store.Get(ctx, s.key)
	expect := streams.Absent
	switch {
	case err == nil && s.others(e.Value) && e.Time.Sub(s.now()) < s.ttl:
		return false, nil
	case err == nil:
		expect = streams.Revision(e.Revision)
	case !errors.Is(err, streams.ErrNoEntry):
		return false, err
	}
	err = s.hold(ctx, expect)
	if errors.Is(err, streams.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// others reports whether another one has the seat. That this one has it, it may
// not know: it was not told what became of a write.
func (s *seat) others(value []byte) bool {
	var has occupant
	_ = json.Unmarshal(value, &has) // of nobody, if it is nothing
	if has.ID == "" || has.ID == s.want.ID {
		return false
	}
	s.taken = has
	return true
}

// renew holds the seat for another while. ErrConflict says that it is lost.
func (s *seat) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, s.until)
	defer cancel()
	return s.hold(ctx, streams.Revision(s.revision))
}

func (s *seat) hold(ctx context.Context, expect streams.Expectation) error {
	asked := time.Now()
	text, err := json.Marshal(s.want)
	if err != nil {
		return err
	}
	revision, err := s.store.Put(ctx, streams.Put{Key: s.key, Value: text, TTL: s.ttl, Expect: expect})
	if err != nil {
		return err
	}
	s.revision, s.until = revision, asked.Add(s.ttl)
	return nil
}

// leave gives the seat up, if it is still held: the next one need not wait for
// its end.
func (s *seat) leave(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, s.until)
	defer cancel()
	_, err := s.store.Put(ctx, streams.Put{Key: s.key, TTL: time.Second, Expect: streams.Revision(s.revision)})
	return err
}
