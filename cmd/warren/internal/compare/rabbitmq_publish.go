package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// tagHeader says of a mandatory message which one it is, so that it is known when
// it comes back.
const tagHeader = "tag"

func (c *rabbitConn) Publisher(_ context.Context, window int) (Publisher, error) {
	ch, err := c.conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	p := &rabbitPublisher{
		ch: ch, room: make(chan struct{}, window),
		// A return comes before its confirm, and must be taken before it.
		returned: ch.NotifyReturn(make(chan amqp.Return)),
		confirms: ch.NotifyPublish(make(chan amqp.Confirmation, window)),
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		idle:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	go p.settle()
	return p, nil
}

// rabbitPublisher is a channel with confirms, which the client gives in the order
// in which was published.
type rabbitPublisher struct {
	ch       *amqp.Channel
	room     chan struct{} // one for each message without a confirm
	returned chan amqp.Return
	confirms chan amqp.Confirmation
	closed   chan *amqp.Error
	idle     chan struct{} // something was answered
	done     chan struct{} // closed when no more answers come

	mu      sync.Mutex // held while a message is published
	tag     uint64     // of the last message
	waiting fifo[func(error)]
}

func (p *rabbitPublisher) Publish(ctx context.Context, exchange, key string, m Message, confirmed func(error)) error {
	out := amqp.Publishing{MessageId: m.ID, Body: m.Body, DeliveryMode: amqp.Persistent}
	if m.Class == D0 {
		out.DeliveryMode = amqp.Transient
	}
	select {
	case p.room <- struct{}{}:
	case <-p.done:
		return amqp.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Mandatory {
		out.Headers = amqp.Table{tagHeader: int64(p.tag + 1)}
	}
	p.waiting.push(confirmed)
	if err := p.ch.PublishWithContext(ctx, exchange, key, m.Mandatory, false, out); err != nil {
		p.waiting.popLast()
		<-p.room
		return err
	}
	p.tag++
	return nil
}

func (p *rabbitPublisher) settle() {
	defer close(p.done)
	back := make(map[int64]amqp.Return)
	for {
		select {
		case r, ok := <-p.returned:
			if !ok {
				p.returned = nil
				continue
			}
			tag, _ := r.Headers[tagHeader].(int64)
			back[tag] = r
		case c, ok := <-p.confirms:
			if !ok {
				p.fail()
				return
			}
			p.answer(outcome(c, back))
		}
	}
}

func (p *rabbitPublisher) answer(err error) {
	p.waiting.pop()(err)
	<-p.room
	select {
	case p.idle <- struct{}{}:
	default:
	}
}

func outcome(c amqp.Confirmation, back map[int64]amqp.Return) error {
	if !c.Ack {
		return errors.New("the broker refused it: basic.nack")
	}
	if len(back) == 0 {
		return nil
	}
	r, ok := back[int64(min(c.DeliveryTag, 1<<62))]
	if !ok {
		return nil
	}
	delete(back, int64(min(c.DeliveryTag, 1<<62)))
	return fmt.Errorf("%w: %d %s", ErrUnroutable, r.ReplyCode, r.ReplyText)
}

// fail answers what no confirm will come for.
func (p *rabbitPublisher) fail() {
	why := <-p.closed
	err := error(amqp.ErrClosed)
	if why != nil {
		err = why
	}
	for len(p.room) > 0 {
		p.mu.Lock()
		waits := p.waiting.len()
		p.mu.Unlock()
		if waits == 0 {
			return
		}
		p.answer(err)
	}
}

func (p *rabbitPublisher) Close(ctx context.Context) error {
	for len(p.room) > 0 {
		select {
		case <-p.idle:
		case <-p.done:
			return nil
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.ch.Close())
		}
	}
	err := p.ch.Close()
	if errors.Is(err, amqp.ErrClosed) {
		err = nil
	}
	<-p.done
	return err
}
