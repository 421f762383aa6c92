package streams

import (
	"context"
	"errors"
)

// DeclareTemporaryQueue declares a queue for a subscriber of an exchange and binds it with
// each of the keys. Use it in a program that wants what is published from now on, for as
// long as it runs. The queue is exclusive: the session gives it a name, and deletes it when
// the session ends. Without keys the queue is bound with the empty key, which is enough for
// a fanout exchange. If a binding fails, the queue is deleted again; an exchange that does
// not exist is 404. For a headers exchange use [Session.DeclareQueue] and [Session.Bind].
func (s *Session) DeclareTemporaryQueue(ctx context.Context, exchange string, keys ...string) (QueueInfo, error) {
	queue, err := s.DeclareQueue(ctx, Queue{Exclusive: true})
	if err != nil {
		return QueueInfo{}, err
	}
	if len(keys) == 0 {
		keys = []string{""}
	}
	for _, key := range keys {
		if err := s.Bind(ctx, Binding{Exchange: exchange, Queue: queue.Name, Key: key}); err != nil {
			_, undone := s.DeleteQueue(context.WithoutCancel(ctx), queue.Name)
			return QueueInfo{}, errors.Join(err, undone)
		}
	}
	return queue, nil
}
