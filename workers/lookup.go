package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"warren/streams"
	"warren/workers/internal/celery"
)

// read reads the record of a task: of its run if it has one, otherwise of its
// having been sent. None is ErrUnknown.
func (c *client) read(ctx context.Context, id string) (record, error) {
	sent, state := sentKey(id), stateKey(id)
	entries, err := c.store.GetMany(ctx, []string{sent, state})
	if err != nil {
		return record{}, fmt.Errorf("look up its record: %w", err)
	}
	e, ok := entries[state]
	ended := false
	if !ok {
		e, ok = entries[sent]
		ended = e.Gone != streams.Present // its result was kept for less, see [run.outlive]
	}
	switch {
	case !ok:
		return record{}, errNotSent
	case ended, e.Gone == streams.Expired:
		return record{}, fmt.Errorf("its record has expired: %w", ErrUnknown)
	case e.Gone != 0:
		return record{}, fmt.Errorf("it was forgotten: %w", ErrUnknown)
	}
	return parseRecord(id, e.Value)
}

// errNotSent is the ErrUnknown of a task of which there is no trace.
var errNotSent = fmt.Errorf("%w", ErrUnknown)

func parseRecord(id string, text []byte) (record, error) {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, celery.Permanent(fmt.Errorf("read the record of task %s: %w", id, err))
	}
	return r, nil
}

// runRecord reads the record of a task's run, and its revision; 0 says that there
// is none. One that cannot be read has a revision too.
func (c *client) runRecord(ctx context.Context, id string) (record, uint64, error) {
	e, err := c.store.Get(ctx, stateKey(id))
	if errors.Is(err, streams.ErrNoEntry) {
		return record{}, 0, nil
	}
	if err != nil {
		return record{}, 0, err
	}
	r, err := parseRecord(id, e.Value)
	return r, e.Revision, err
}
