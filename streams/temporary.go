package streams

import (
	"context"
	"errors"
)

// DeclareTemporaryQueue declares a queue for a subscriber of an exchange, who wants what is
// published from now on: an exclusive queue, with a name that is made for it, bound to the
// exchange with each of the keys. Without keys it is bound with the empty key, which is as
// good as any other for a fanout exchange. It is DeclareQueue and Bind in one call, and
// ends with the session. If it cannot be bound, as to an exchange that is not there, which
// is 404, it is deleted again. To bind a queue to a headers exchange use [Session.Bind].
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
