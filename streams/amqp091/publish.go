package amqp091

import (
	"context"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// content is a message that is being received; its channel has one, for all.
type content struct {
	publish *wire.BasicPublish // nil while there is none
	message streams.Message
	headed  bool // its content header is there
	missing int  // bytes of its body
}

// publish begins a message.
func (ch *channel) publish(m *wire.BasicPublish) error {
	if m.Immediate {
		return connectionError(540, "NOT_IMPLEMENTED", "immediate=true")
	}
	ch.content = content{publish: m}
	return nil
}

// header takes the content header of the message.
func (ch *channel) header(ctx context.Context, payload []byte) error {
	in := &ch.content
	if in.publish == nil || in.headed {
		return newError(505, "UNEXPECTED_FRAME", "a content header on channel %d that no basic.publish came before", ch.id)
	}
	size, message, err := wire.ParseHeader(payload)
	if err != nil {
		return err
	}
	if limit := ch.c.server.nc.MaxPayload(); size > uint64(limit) {
		return newError(406, "PRECONDITION_FAILED", "message size %d is larger than configured max size %d", size, limit)
	}
	in.message, in.headed, in.missing = message, true, int(size)
	in.message.Body = make([]byte, size)
	return ch.received(ctx)
}

// body reads a part of the body of the message.
func (ch *channel) body(ctx context.Context, f wire.Frame) error {
	in := &ch.content
	if in.publish == nil || !in.headed || f.Size > in.missing {
		return newError(505, "UNEXPECTED_FRAME", "a content body of %d bytes on channel %d that no content header has announced", f.Size, ch.id)
	}
	at := len(in.message.Body) - in.missing
	if err := ch.c.frames.ReadInto(in.message.Body[at : at+f.Size]); err != nil {
		return err
	}
	in.missing -= f.Size
	return ch.received(ctx)
}

// received publishes the message when all of it is there.
func (ch *channel) received(ctx context.Context) error {
	in := ch.content
	if in.missing > 0 {
		return nil
	}
	ch.content = content{}
	if err := ch.weight.add(ctx, len(in.message.Body)); err != nil {
		return err
	}
	var flags []streams.PublishFlag
	if in.publish.Mandatory {
		flags = append(flags, streams.Mandatory)
	}
	_, err := ch.publisher.Publish(ctx, in.publish.Exchange, in.publish.RoutingKey, in.message, flags...)
	if err != nil {
		ch.weight.remove(len(in.message.Body))
	}
	return err
}
