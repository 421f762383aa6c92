package differential

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
)

// rabbitURL is where a RabbitMQ 3.10 is; empty says that there is none.
func rabbitURL() string { return os.Getenv("WARREN_AMQP_URL") }

// rabbit4URL is where a RabbitMQ 4.3 is.
func rabbit4URL() string { return os.Getenv("WARREN_AMQP4_URL") }

// rabbit is a RabbitMQ, or Warren's AMQP port, as a broker: one connection. AMQP closes the channel on
// which something was refused, and hands back what was taken through it; so
// every queue has a channel of its own to take from, and the rest share two.
type rabbit struct {
	conn     *amqp.Connection
	control  *amqp.Channel
	outgoing *outgoing
	taking   map[string]*incoming
	// late says that an auto-delete queue goes after its last consumer has been told
	// that it is cancelled, and not before.
	late bool
}

func openRabbit(t *testing.T, url string) *rabbit {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	version, _ := conn.Properties["version"].(string)
	late := conn.Properties["product"] == "RabbitMQ" && strings.HasPrefix(version, "4.")
	return &rabbit{conn: conn, taking: make(map[string]*incoming), late: late}
}

func (r *rabbit) close() error { return r.conn.Close() }

// do runs f on the channel that what may fail shares.
func (r *rabbit) do(f func(*amqp.Channel) error) error {
	if err := r.reopen(&r.control); err != nil {
		return err
	}
	return f(r.control)
}

func (r *rabbit) reopen(ch **amqp.Channel) (err error) {
	if *ch == nil || (*ch).IsClosed() {
		*ch, err = r.conn.Channel()
	}
	return err
}

func (r *rabbit) declareExchange(x streams.Exchange) error {
	return r.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(x.Name, string(x.Kind), x.Durable, x.AutoDelete, x.Internal, false, toRabbit(x.Args))
	})
}

func (r *rabbit) checkExchange(name string) error {
	return r.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, "direct", false, false, false, false, nil)
	})
}

func (r *rabbit) deleteExchange(name string, ifUnused bool) error {
	return r.do(func(ch *amqp.Channel) error { return ch.ExchangeDelete(name, ifUnused, false) })
}

func (r *rabbit) declareQueue(q streams.Queue) (n count, err error) {
	err = r.do(func(ch *amqp.Channel) error {
		info, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, toRabbit(q.Args))
		n = count{info.Name, info.Messages, info.Consumers}
		return err
	})
	return n, err
}

func (r *rabbit) checkQueue(name string) (n count, err error) {
	err = r.do(func(ch *amqp.Channel) error {
		info, err := ch.QueueDeclarePassive(name, false, false, false, false, nil)
		n = count{info.Name, info.Messages, info.Consumers}
		return err
	})
	return n, err
}

func (r *rabbit) purgeQueue(name string) (n int, err error) {
	err = r.do(func(ch *amqp.Channel) (err error) { n, err = ch.QueuePurge(name, false); return err })
	return n, err
}

func (r *rabbit) deleteQueue(name string, ifUnused, ifEmpty bool) (n int, err error) {
	err = r.do(func(ch *amqp.Channel) (err error) {
		n, err = ch.QueueDelete(name, ifUnused, ifEmpty, false)
		return err
	})
	return n, err
}

func (r *rabbit) bind(b streams.Binding) error {
	return r.do(func(ch *amqp.Channel) error {
		return ch.QueueBind(b.Queue, b.Key, b.Exchange, false, toRabbit(b.Args))
	})
}

func (r *rabbit) unbind(b streams.Binding) error {
	return r.do(func(ch *amqp.Channel) error {
		return ch.QueueUnbind(b.Queue, b.Key, b.Exchange, toRabbit(b.Args))
	})
}

// outgoing is a channel with publisher confirms.
type outgoing struct {
	*amqp.Channel
	returned chan amqp.Return
	closed   chan *amqp.Error
	err      error // why it was closed, once it is known
}

func (r *rabbit) openOutgoing() error {
	if r.outgoing != nil && !r.outgoing.IsClosed() {
		return nil
	}
	ch, err := r.conn.Channel()
	if err != nil {
		return err
	}
	r.outgoing = &outgoing{
		Channel:  ch,
		returned: ch.NotifyReturn(make(chan amqp.Return, 1)),
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
	return ch.Confirm(false)
}

func (r *rabbit) publish(exchange string, posts []post) []error {
	if err := r.openOutgoing(); err != nil {
		return []error{err}
	}
	var errs []error
	var waiting []*amqp.DeferredConfirmation
	for _, p := range posts {
		confirm, err := r.outgoing.PublishWithDeferredConfirm(exchange, p.key, p.mandatory, false, publishing(p.Message))
		if err != nil {
			// The channel was closed because of an earlier one.
			break
		}
		waiting = append(waiting, confirm)
		if p.mandatory {
			// A return comes before its confirm: wait, and it is clear whose it is.
			errs = append(errs, r.outgoing.await(waiting)...)
			waiting = nil
			r.outgoing.fetchReturn(errs)
		}
	}
	errs = append(errs, r.outgoing.await(waiting)...)
	for i, err := range errs {
		if n := code(err); n != 0 && n != amqp.NoRoute {
			return errs[:i+1]
		}
	}
	return errs
}

// await waits for confirms.
func (o *outgoing) await(confirms []*amqp.DeferredConfirmation) []error {
	errs := make([]error, len(confirms))
	for i, confirm := range confirms {
		select {
		case <-confirm.Done():
		case <-time.After(patience):
			errs[i] = errors.New("no confirm came")
			return errs[:i+1]
		}
		if !confirm.Acked() {
			errs[i] = o.whyClosed()
		}
	}
	return errs
}

// fetchReturn notes it if the last message has come back.
func (o *outgoing) fetchReturn(errs []error) {
	select {
	case back, ok := <-o.returned:
		if ok {
			errs[len(errs)-1] = returned(back)
		}
	default:
	}
}

func (o *outgoing) whyClosed() error {
	if o.err == nil {
		o.err = whyClosed(o.closed)
	}
	return o.err
}

// whyClosed waits for the reason for which a channel was closed.
func whyClosed(closed <-chan *amqp.Error) error {
	select {
	case err := <-closed:
		if err != nil {
			return err
		}
	case <-time.After(patience):
	}
	return amqp.ErrClosed
}

func (r *rabbit) get(queue string, autoAck bool) (*delivery, error) {
	in := r.taking[queue]
	if in == nil || in.IsClosed() {
		var err error
		if in, err = r.openIncoming(); err != nil {
			return nil, err
		}
		r.taking[queue] = in
	}
	d, ok, err := in.Get(queue, autoAck)
	if err != nil || !ok {
		return nil, err
	}
	return in.delivery(d), nil
}

// incoming is a channel to receive on.
type incoming struct {
	*amqp.Channel
	closed chan *amqp.Error
}

func (r *rabbit) openIncoming() (*incoming, error) {
	ch, err := r.conn.Channel()
	if err != nil {
		return nil, err
	}
	return &incoming{ch, ch.NotifyClose(make(chan *amqp.Error, 1))}, nil
}

func (in *incoming) delivery(d amqp.Delivery) *delivery {
	return &delivery{
		exchange: d.Exchange, key: d.RoutingKey, Message: message(d), redelivered: d.Redelivered,
		behind: int(d.MessageCount),
		settle: func(v verdict, multiple bool) error {
			if err := settleRabbit(d, v, multiple); err != nil {
				return err
			}
			return in.heard()
		},
	}
}

func settleRabbit(d amqp.Delivery, v verdict, multiple bool) error {
	switch v {
	case ack:
		return d.Ack(multiple)
	case drop, requeue:
		return d.Nack(multiple, v == requeue)
	case reject, rejectRequeue:
		return d.Reject(v == rejectRequeue)
	}
	return nil
}

// heard makes sure that what was sent was taken in. Settling has no answer, so
// it asks for something that has one; what was settled wrongly closes the
// channel.
func (in *incoming) heard() error {
	if err := in.Qos(0, 0, false); err == nil {
		return nil
	}
	return whyClosed(in.closed)
}

func (r *rabbit) consume(queue string, o consuming) (consumer, error) {
	in, err := r.openIncoming()
	if err != nil {
		return nil, err
	}
	if err := in.Qos(o.prefetch, 0, false); err != nil {
		return nil, err
	}
	if o.tag == "" {
		o.tag = "consumer"
	}
	c := &rabbitConsumer{incoming: in, tag: o.tag, rabbit: r, queue: queue, gone: make(chan struct{})}
	notices := in.NotifyCancel(make(chan string, 1))
	c.arrived, err = in.Consume(queue, o.tag, o.autoAck, o.exclusive, false, false, nil)
	if err != nil {
		return nil, err
	}
	go func() {
		if _, ok := <-notices; ok {
			close(c.gone)
		}
	}()
	return c, nil
}

type rabbitConsumer struct {
	*incoming
	tag     string
	rabbit  *rabbit
	queue   string
	arrived <-chan amqp.Delivery
	gone    chan struct{}
}

func (c *rabbitConsumer) next(wait time.Duration) *delivery {
	select {
	case d, ok := <-c.arrived:
		if !ok {
			return nil
		}
		return c.delivery(d)
	case <-time.After(wait):
		return nil
	}
}

// cancel leaves the channel open: what was delivered may still be settled. Looking a queue
// up waits for its end, if it is about to end.
func (c *rabbitConsumer) cancel() error {
	if err := c.Cancel(c.tag, false); err != nil {
		return err
	}
	if c.rabbit.late {
		if _, err := c.rabbit.checkQueue(c.queue); err != nil && code(err) != amqp.NotFound {
			return err
		}
	}
	return nil
}

func (c *rabbitConsumer) cancelled() <-chan struct{} { return c.gone }
