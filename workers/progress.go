package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"warren/workers/internal/jsontext"
)

// Progress tells how far the task of a context is, with anything that can be
// written as JSON: Celery's update_state. Whoever asks with [Result.Progress] is
// told what was told last; each telling is a write to the broker, of an eighth of what
// it takes in a message at most. An error of a
// run that another run has overtaken is a reason to stop: its result will be
// dropped.
func Progress(ctx context.Context, about any) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return errors.New("tell progress: the context is of no task")
	}
	text, err := jsontext.Marshal(about)
	if most := r.w.c.largest(); err == nil && len(text) > most {
		err = fmt.Errorf("it has %d bytes; use %d at most, and keep more elsewhere", len(text), most)
	}
	if err == nil {
		err = r.progress(ctx, text)
	}
	if err != nil {
		return fmt.Errorf("tell progress of task %s: %w", r.m.ID, err)
	}
	return nil
}

func (r *run) progress(ctx context.Context, about json.RawMessage) error {
	r.mu.Lock()
	r.meta = about
	r.mu.Unlock()
	return r.say(ctx, Started)
}

// Progress is what the task told last of how far it is, while it runs; nil if it
// has told nothing, does not run, or is a group.
func (r *Result[R]) Progress(ctx context.Context) (json.RawMessage, error) {
	if r.h.cell == nil {
		return nil, nil
	}
	rec, err := r.h.c.read(ctx, r.h.cell.id)
	switch {
	case errors.Is(err, ErrUnknown):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("progress of task %s: %w", r.h.cell.id, err)
	}
	return rec.Meta, nil
}
