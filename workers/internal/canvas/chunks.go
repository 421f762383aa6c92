package canvas

import (
	"encoding/json"
	"errors"
	"slices"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// StarmapTask is Celery's name of a task that calls another one for each of a
// list of arguments.
const StarmapTask = "celery.starmap"

// ErrChunk is that chunks have no elements.
var ErrChunk = errors.New("chunks of less than one element; use 1 or more")

// chunksTask is Celery's name of a group of starmaps that is not made yet.
const chunksTask = "celery.chunks"

// unfold makes the group of a call of chunksTask.
func unfold(s *Signature) error {
	var n int
	var it []json.RawMessage
	for name, to := range map[string]any{"n": &n, "it": &it} {
		if err := json.Unmarshal(s.Kwargs[name], to); err != nil {
			return celery.ArgumentError(s.Task, "takes a task, a list of arguments and how many there are in a chunk (%s: %v)", name, err)
		}
	}
	if n < 1 {
		return ErrChunk
	}
	group := Signature{Kind: KindGroup, Options: s.Options, Immutable: true}
	for chunk := range slices.Chunk(it, n) {
		text, err := jsontext.Marshal(chunk)
		if err != nil {
			return err
		}
		args := map[string]json.RawMessage{"task": s.Kwargs["task"], "it": text}
		group.Tasks = append(group.Tasks, Signature{Task: StarmapTask, Kwargs: args, Immutable: true})
	}
	*s = group
	return nil
}
