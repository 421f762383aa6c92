package amqp091

import (
	"context"
	"sync"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// A channel is a client's channel. What has no lock beside it is the reader's.
type channel struct {
	c         *connection
	id        uint16
	closing   bool   // channel.close was sent: everything but its answer is passed over
	queue     string // the one that was declared last
	content   content
	publisher *streams.Publisher
	prefetch  int             // of each consumer to come
	window    *streams.Window // of all that acknowledge, for a global prefetch
	weight    *weight

	mu         sync.Mutex
	silent     bool // nothing more is written
	confirming bool
	published  uint64      // how many messages were confirmed, or refused
	runs       []confirmed // that are to be written
	consumers  map[string]*consumer
	unsettled  unsettled
}

// underWay is how many messages of a channel, and underWayBytes how many bytes of
// bodies, may be published and not confirmed before the connection is not read any
// more.
const (
	underWay      = 2000
	underWayBytes = 8 << 20
)

func newChannel(c *connection, id uint16) (*channel, error) {
	ch := &channel{c: c, id: id, consumers: make(map[string]*consumer), window: newWindow(0), weight: newWeight(underWayBytes)}
	var err error
	ch.publisher, err = c.session.Publisher(streams.PublisherOptions{
		Window: underWay, Confirmed: ch.confirmed, NoRoom: ch.noRoom,
	})
	return ch, err
}

// method does what a method asks for.
func (ch *channel) method(ctx context.Context, payload []byte) error {
	m, err := wire.ParseMethod(payload)
	if err != nil {
		return err
	}
	if ch.closing {
		return ch.whileClosing(m)
	}
	if ch.content.publish != nil {
		return newError(505, "UNEXPECTED_FRAME", "expected content of basic.publish and not %s", wire.Name(m))
	}
	return ch.ended(ctx, ch.do(ctx, m), m)
}

// whileClosing passes over everything until both sides know that the channel is
// closed.
func (ch *channel) whileClosing(m wire.Method) error {
	switch m.(type) {
	case *wire.ChannelCloseOk:
		ch.c.forget(ch)
	case *wire.ChannelClose:
		ch.c.out.method(ch.id, wire.ChannelCloseOk{})
	}
	return nil
}

// ended closes the channel if the error is one that closes a channel; one that
// closes the connection is returned.
func (ch *channel) ended(ctx context.Context, err error, cause ...wire.Method) error {
	if err == nil {
		return nil
	}
	id := wire.ID{Class: 60, Method: 40}
	if len(cause) > 0 {
		id = wire.IDOf(cause[0])
	}
	reason, hard := condition(err)
	if hard {
		return blamed{err, id}
	}
	ch.flush(ctx) // what was published before is answered before
	ch.shut(ctx)
	ch.closing, ch.content = true, content{}
	ch.c.out.method(ch.id, wire.ChannelClose{
		ReplyCode: uint16(reason.Code), ReplyText: replyText(reason), ClassID: id.Class, MethodID: id.Method,
	})
	return nil
}

// shut ends the channel's consumers; what they and its gets hold is back in its
// queues.
func (ch *channel) shut(ctx context.Context) {
	for _, cons := range ch.silence() {
		if err := cons.c.Close(ctx); err != nil {
			ch.c.server.cfg.Logger.Warn("could not hand back what a channel held", "error", err)
		}
	}
	for _, h := range ch.takeAll() {
		_ = h.requeue()
	}
}

// silence has nothing more written for the channel, and returns its consumers.
func (ch *channel) silence() []*consumer {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.silent = true
	var all []*consumer
	for _, cons := range ch.consumers {
		all = append(all, cons)
	}
	clear(ch.consumers)
	return all
}

// flush waits until everything that the channel has published is answered.
func (ch *channel) flush(ctx context.Context) { _ = ch.publisher.Flush(ctx) }

// do does what a method asks for, behind what the channel has published.
func (ch *channel) do(ctx context.Context, m wire.Method) error {
	switch m := m.(type) {
	case *wire.BasicPublish:
		return ch.publish(m)
	case *wire.BasicAck:
		return ch.ack(m)
	case *wire.BasicNack:
		return ch.nack(m.DeliveryTag, m.Multiple, m.Requeue)
	case *wire.BasicReject:
		return ch.nack(m.DeliveryTag, false, m.Requeue)
	case *wire.BasicQos:
		return ch.qos(m)
	}
	ch.flush(ctx)
	switch m := m.(type) {
	case *wire.BasicConsume:
		return ch.consume(ctx, m)
	case *wire.BasicCancel:
		return ch.cancel(ctx, m)
	case *wire.BasicGet:
		return ch.get(ctx, m)
	case *wire.BasicRecover:
		return ch.recover(m.Requeue, true)
	case *wire.BasicRecoverAsync:
		return ch.recover(m.Requeue, false)
	case *wire.ConfirmSelect:
		return ch.confirmSelect(m)
	case *wire.ChannelFlow:
		return ch.channelFlow(m)
	case *wire.ChannelClose:
		ch.shut(ctx)
		ch.c.forget(ch)
		ch.c.out.method(ch.id, wire.ChannelCloseOk{})
		return nil
	}
	return ch.declaration(ctx, m)
}

// answer writes the answer to a method, unless the client wants none.
func (ch *channel) answer(noWait bool, m wire.Method) {
	if !noWait {
		ch.c.out.method(ch.id, m)
	}
}

// channelFlow is channel.flow of a client: RabbitMQ knows active alone.
func (ch *channel) channelFlow(m *wire.ChannelFlow) error {
	if !m.Active {
		return connectionError(540, "NOT_IMPLEMENTED", "active=false")
	}
	ch.c.out.method(ch.id, wire.ChannelFlowOk{Active: true})
	return nil
}
