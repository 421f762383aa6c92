package jsapi

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// NoResponders is the status with which a server says that nobody listens.
const NoResponders = "503"

// Replies are those to a question that has several, or whose replies do not say which
// question they belong to. The client's own subscriptions make room for 65,536 messages,
// half a megabyte each: this one has room for what was asked for.
type Replies struct {
	nc      *nats.Conn
	subject string
	sub     *nats.Subscription
	msgs    chan *nats.Msg
}

// NewReplies makes room for so many answers. Whoever makes one closes it.
func NewReplies(nc *nats.Conn, room int) (Replies, error) {
	in := Replies{nc: nc, subject: nc.NewInbox(), msgs: make(chan *nats.Msg, room)}
	var err error
	in.sub, err = nc.ChanSubscribe(in.subject, in.msgs)
	return in, err
}

// Close ends the subscription.
func (in Replies) Close() { _ = in.sub.Unsubscribe() }

// Ask sends a question.
func (in Replies) Ask(subject string, question []byte) error {
	return in.nc.PublishRequest(subject, in.subject, question)
}

// Next waits for the next answer. One with the status [NoResponders] is an answer.
func (in Replies) Next(ctx context.Context) (*nats.Msg, error) {
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

// NextInTime is Next, and waits no longer than for an answer that is not lost.
func (in Replies) NextInTime(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, AnswerTime)
	defer cancel()
	return in.Next(ctx)
}
