package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// The replies to a question that has several, or whose replies do not say which question
// they belong to. The client's own subscriptions make room for 65,536 messages, half a
// megabyte each: this one has room for what was asked for.
type replies struct {
	nc      *nats.Conn
	subject string
	sub     *nats.Subscription
	msgs    chan *nats.Msg
}

// newReplies makes room for so many answers. Whoever makes one closes it.
func newReplies(nc *nats.Conn, room int) (replies, error) {
	in := replies{nc: nc, subject: nc.NewInbox(), msgs: make(chan *nats.Msg, room)}
	var err error
	in.sub, err = nc.ChanSubscribe(in.subject, in.msgs)
	return in, err
}

func (in replies) close() { _ = in.sub.Unsubscribe() }

// send sends a question.
func (in replies) send(subject string, question []byte) error {
	return in.nc.PublishRequest(subject, in.subject, question)
}

// next waits for the next answer.
func (in replies) next(ctx context.Context) (*nats.Msg, error) {
	select {
	case msg := <-in.msgs:
		return msg, nil
	default:
	}
	const glimpse = 50 * time.Millisecond
	timer := time.NewTimer(glimpse)
	defer timer.Stop()
	for {
		select {
		case msg := <-in.msgs:
			return msg, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C: // nobody tells a channel that its connection is closed
			if in.nc.IsClosed() {
				return nil, nats.ErrConnectionClosed
			}
			timer.Reset(glimpse)
		}
	}
}

// nextInTime is next, and waits no longer than for an answer that is not lost.
func (in replies) nextInTime(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, jsapi.AnswerTime)
	defer cancel()
	return in.next(ctx)
}
