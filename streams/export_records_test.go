package streams

import (
	"context"
	"fmt"
)

// HalfSave writes the pages of a queue that would have more bindings and stops before
// its record, as a session does that is killed.
func HalfSave(ctx context.Context, s *Session, queue string) error {
	change, err := s.queues.hold(ctx, queue)
	if err != nil {
		return err
	}
	for i := range 2 * fewBindings {
		change.rec.Bindings = append(change.rec.Bindings, bindingRecord{Exchange: "amq.topic", Life: "amq", Kind: Topic, Key: fmt.Sprint(i)})
	}
	for id, page := range change.rec.paginate(s.topology.pages.of(queue)) {
		if _, err := s.topology.put(ctx, pageKey(queue, id), &pageRecord{Bindings: page}, 0); err != nil {
			return err
		}
	}
	return nil
}

// SaveAsBefore changes a queue as a release does that knows no sessions of a node.
func SaveAsBefore(ctx context.Context, s *Session, queue string) error {
	return s.queues.change(ctx, queue, func(c *queueChange) error {
		c.rec.OwnerSession = 0
		return c.save(ctx)
	})
}
