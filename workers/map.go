package workers

import (
	"context"
	"encoding/json"
	"fmt"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// mapTask is Celery's name of a task that calls another one for each of a list.
const mapTask = "celery.map"

// mapCode is the code of celery.map and celery.starmap: another task, called for
// each of a list, one after another, until one fails.
func (w *Worker) mapCode(m *Message) (func(context.Context) (json.RawMessage, error), error) {
	var inner Signature
	var items []json.RawMessage
	if err := json.Unmarshal(m.Kwargs["task"], &inner); err != nil {
		return nil, celery.ArgumentError(m.Task, "takes a task (%v)", err)
	}
	if err := json.Unmarshal(m.Kwargs["it"], &items); err != nil {
		return nil, celery.ArgumentError(m.Task, "takes a list (%v)", err)
	}
	t := w.app.lookup(inner.Task)
	if t == nil {
		return nil, fmt.Errorf("%w: worker %s has no task %q", ErrNotRegistered, w.cfg.Name, inner.Task)
	}
	return func(ctx context.Context) (json.RawMessage, error) {
		results := make([]json.RawMessage, len(items))
		for i, item := range items {
			args := []json.RawMessage{item}
			if m.Task == canvas.StarmapTask {
				if err := json.Unmarshal(item, &args); err != nil {
					return nil, celery.ArgumentError(m.Task, "takes a list of lists")
				}
			}
			var err error
			if results[i], err = w.callInner(ctx, t, args); err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return jsontext.Marshal(results)
	}, nil
}

func (w *Worker) callInner(ctx context.Context, t *task, args []json.RawMessage) (json.RawMessage, error) {
	args, err := t.bind(args, nil)
	if err != nil {
		return nil, err
	}
	return t.invoke(ctx, args)
}
