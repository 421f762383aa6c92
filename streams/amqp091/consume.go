package amqp091

import (
	"context"
	"strconv"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// A consumer is a client's consumer.
type consumer struct {
	ch       *channel
	tag      string
	noAck    bool
	c        *streams.Consumer
	window   *streams.Window
	prefetch int                 // of its own
	started  bool                // consume-ok is on its way
	early    []*streams.Delivery // that came before
	gone     bool                // the broker has ended it before
}

// noAckWindow is how many messages of a consumer that acknowledges none are on their
// way from the broker at once.
const noAckWindow = 1024

func (ch *channel) qos(m *wire.BasicQos) error {
	if m.PrefetchSize != 0 {
		return connectionError(540, "NOT_IMPLEMENTED", "prefetch_size!=0 (%d)", m.PrefetchSize)
	}
	count := int(m.PrefetchCount)
	if m.Global {
		_ = ch.window.Set(count)
	} else {
		_ = ch.window.Set(0) // as RabbitMQ does: the last one that was said counts
		ch.setPrefetch(count)
	}
	ch.c.out.method(ch.id, wire.BasicQosOk{})
	return nil
}

// newWindow makes a window of a prefetch of AMQP, which is never negative.
func newWindow(count int) *streams.Window {
	w, _ := streams.NewWindow(count)
	return w
}

// changesRunning reports whether the client's prefetch is meant for consumers that
// run, too. py-amqp's users say global to a server that calls itself RabbitMQ and
// mean the channel, as AMQP does; to others they do not say it, and mean the same.
func (c *connection) changesRunning() bool {
	product, _ := c.client["product"].(string)
	return product == "py-amqp" && c.server.cfg.Product != "RabbitMQ"
}

// setPrefetch is the prefetch of each consumer to come, and of those that run if the
// client means them, too.
func (ch *channel) setPrefetch(count int) {
	ch.prefetch = count
	if !ch.c.changesRunning() {
		return
	}
	ch.mu.Lock()
	var running []*streams.Consumer
	for _, cons := range ch.consumers {
		if !cons.noAck {
			running = append(running, cons.c)
		}
	}
	ch.mu.Unlock()
	for _, c := range running {
		_ = c.SetPrefetch(count)
	}
}

func (ch *channel) consume(ctx context.Context, m *wire.BasicConsume) error {
	queue, err := ch.named(m.Queue)
	if err != nil {
		return err
	}
	if err := unsupported(m); err != nil {
		return err
	}
	cons, err := ch.newConsumer(m)
	if err != nil {
		return err
	}
	c, err := ch.c.session.Consume(ctx, queue, streams.ConsumeOptions{
		Window: cons.window, Prefetch: cons.prefetch, Exclusive: m.Exclusive, Push: cons.push, Cancelled: cons.cancelled,
	})
	if err != nil {
		ch.mu.Lock()
		delete(ch.consumers, cons.tag)
		ch.mu.Unlock()
		return err
	}
	cons.begin(c, m.NoWait)
	ch.flow()
	return nil
}

// unsupported refuses what a consumer may ask for that Warren does not have.
func unsupported(m *wire.BasicConsume) error {
	for _, arg := range []string{"x-priority", "x-stream-offset", "x-consumer-timeout"} {
		if _, asked := m.Arguments[arg]; asked {
			return notImplemented("argument '%s' of a consumer is not yet supported", arg)
		}
	}
	return nil
}

// newConsumer gives a consumer its tag, which is its own in the channel.
func (ch *channel) newConsumer(m *wire.BasicConsume) (*consumer, error) {
	cons := &consumer{ch: ch, tag: m.ConsumerTag, noAck: m.NoAck, window: ch.window, prefetch: ch.prefetch}
	if m.NoAck {
		cons.window, cons.prefetch = newWindow(noAckWindow), 0
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for n := 1; cons.tag == ""; n++ {
		tag := "amq.ctag-" + strconv.Itoa(int(ch.id)) + "-" + strconv.Itoa(n)
		if ch.consumers[tag] == nil {
			cons.tag = tag
		}
	}
	if ch.consumers[cons.tag] != nil {
		return nil, newError(530, "NOT_ALLOWED", "attempt to reuse consumer tag '%s'", cons.tag)
	}
	ch.consumers[cons.tag] = cons
	return cons, nil
}

// begin sends consume-ok, and then what has come already.
func (cons *consumer) begin(c *streams.Consumer, noWait bool) {
	ch := cons.ch
	ch.mu.Lock()
	cons.c = c
	ch.answer(noWait, wire.BasicConsumeOk{ConsumerTag: cons.tag})
	cons.started = true
	early := cons.early
	cons.early = nil
	for _, d := range early {
		cons.send(d)
	}
	if cons.gone {
		cons.end()
	}
	ch.mu.Unlock()
	if cons.noAck {
		for _, d := range early {
			_ = d.Ack()
		}
	}
}

// push is called with every delivery, in order.
func (cons *consumer) push(d *streams.Delivery) {
	ch := cons.ch
	ch.mu.Lock()
	if !cons.started {
		cons.early = append(cons.early, d)
		ch.mu.Unlock()
		return
	}
	cons.send(d)
	ch.mu.Unlock()
	if cons.noAck {
		_ = d.Ack()
	}
}

// send gives a delivery its tag and puts it into the outbox. What comes for a channel
// that has closed stays with the streams' consumer, which hands it back. The
// channel's lock is held.
func (cons *consumer) send(d *streams.Delivery) {
	ch := cons.ch
	if ch.silent {
		return
	}
	tag := ch.unsettled.enter(held{d, cons}, cons.noAck)
	method := &wire.BasicDeliver{
		ConsumerTag: cons.tag, DeliveryTag: tag, Redelivered: d.Redelivered, Exchange: d.Exchange, RoutingKey: d.Key,
	}
	if err := ch.c.out.content(ch.id, method, &d.Message, ch.c.frameMax); err != nil {
		ch.c.abort(err)
	}
}

// cancelled is told that the broker has ended the consumer.
func (cons *consumer) cancelled(error) {
	cons.ch.mu.Lock()
	defer cons.ch.mu.Unlock()
	cons.gone = true
	if cons.started {
		cons.end()
	}
}

// end tells the client that the broker has ended the consumer, unless the client has.
// The channel's lock is held.
func (cons *consumer) end() {
	ch := cons.ch
	if ch.consumers[cons.tag] != cons || ch.silent {
		return
	}
	delete(ch.consumers, cons.tag)
	if ch.c.can("consumer_cancel_notify") {
		ch.c.out.method(ch.id, wire.BasicCancel{ConsumerTag: cons.tag, NoWait: true})
	}
}

func (ch *channel) cancel(ctx context.Context, m *wire.BasicCancel) error {
	ch.mu.Lock()
	cons := ch.consumers[m.ConsumerTag]
	delete(ch.consumers, m.ConsumerTag)
	ch.mu.Unlock()
	if cons != nil {
		if err := cons.c.Cancel(ctx); err != nil {
			return err
		}
	}
	ch.answer(m.NoWait, wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
	return nil
}

func (ch *channel) get(ctx context.Context, m *wire.BasicGet) error {
	queue, err := ch.named(m.Queue)
	if err != nil {
		return err
	}
	d, ok, err := ch.c.session.Get(ctx, queue)
	if err != nil {
		return err
	}
	if !ok {
		ch.c.out.method(ch.id, wire.BasicGetEmpty{})
		return nil
	}
	ch.mu.Lock()
	tag := ch.unsettled.enter(held{d, nil}, m.NoAck)
	ch.mu.Unlock()
	method := wire.BasicGetOk{
		DeliveryTag: tag, Redelivered: d.Redelivered, Exchange: d.Exchange, RoutingKey: d.Key, MessageCount: uint32(d.MessageCount),
	}
	if err := ch.c.out.content(ch.id, method, &d.Message, ch.c.frameMax); err != nil {
		return err
	}
	if m.NoAck {
		return d.Ack()
	}
	return nil
}

// flow stops the channel's deliveries while the client does not keep up with them.
func (ch *channel) flow() {
	ch.c.flowing.Lock() // who is last has seen what the outbox is then
	defer ch.c.flowing.Unlock()
	ch.mu.Lock()
	windows := map[*streams.Window]bool{}
	for _, cons := range ch.consumers {
		windows[cons.window] = true
	}
	ch.mu.Unlock()
	for w := range windows {
		w.Flow(!ch.c.out.isFull())
	}
}
