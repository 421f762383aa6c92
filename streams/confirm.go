package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
)

// ErrUnconfirmed is the error of a message whose confirm did not come, because
// the connection was lost or the time was up: the broker may have it or not.
// Publishing it again may double it, unless [Deduplicate] prevents that.
var ErrUnconfirmed = errors.New("not confirmed: the broker may have the message or not")

// A Confirm is the broker's answer to one published message, once it is there.
type Confirm struct {
	session       *Session // that has published it; nil for what is nobody's message
	exchange, key string
	msg           *nats.Msg
	flags         PublishFlag
	era           uint64
	deadline      time.Time
	sink          sink   // told of the answer; nil for a single publish
	store         *Store // whose write it is; nil for a message
	revision      uint64 // of that write
	index         uint64

	place *place // where a message for later waits; nil for others
	batch *batch // what it is the last of; nil for others

	batcher *batcher // nil for a write of a store, and a transaction
	alone   bool     // it was sent in no batch
	commits bool     // it is no message, but the answer to those of a batch

	awaitsAck, awaitsTrace bool
	nointerest             bool
	tries                  int

	done chan struct{}
	err  error
}

// Exchange is what the message was published to.
func (c *Confirm) Exchange() string { return c.exchange }

// Key is the routing key it was published with.
func (c *Confirm) Key() string { return c.key }

// Size is how many bytes the body has.
func (c *Confirm) Size() int { return len(c.msg.Data) }

// Message is the message as it went to the broker. The properties are read anew
// each time; the body is the one that was published, and no copy.
func (c *Confirm) Message() Message {
	m := Message{Body: c.msg.Data}
	amqp.DecodeProperties(&m, c.msg.Header)
	return m
}

// Done is closed when the answer is there.
func (c *Confirm) Done() <-chan struct{} { return c.done }

// Err is nil when the broker has taken responsibility for the message, or when
// no queue wanted it; see [Session.Publish] for what it is otherwise. It may be
// called once Done is closed.
func (c *Confirm) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Wait waits for the answer and gives Err; when the context ends first, the
// outcome is [ErrUnconfirmed].
func (c *Confirm) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return errors.Join(ErrUnconfirmed, ctx.Err())
	}
}

// publish hands the message to the connection, or all of its batch.
func (c *Confirm) publish(nc *nats.Conn) error {
	if c.batch != nil {
		return c.batch.publish(nc, c.msg.Reply)
	}
	return hand(nc, c.msg)
}

// hand gives a message to the connection. One that breaks in the middle may have
// passed the message on, and does not keep it for the next.
func hand(nc *nats.Conn, msg *nats.Msg) error {
	err := nc.PublishMsg(msg)
	if err == nil || refusedUnsent(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
}

// refusedUnsent reports whether the connection has refused a message before any of
// it was sent.
func refusedUnsent(err error) bool {
	return slices.ContainsFunc([]error{
		nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrReconnectBufExceeded,
		nats.ErrMaxPayload, nats.ErrHeadersNotSupported, nats.ErrBadSubject,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// A sink is told of answers, from a goroutine that has other work.
type sink interface{ resolved(*Confirm) }

// pause is how long to wait before a message is published again.
func (c *Confirm) pause() time.Duration {
	c.tries++
	return min(time.Duration(c.tries)*20*time.Millisecond, 250*time.Millisecond)
}
