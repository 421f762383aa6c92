package compare

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Consume has a channel of its own, which stays open until the connection ends:
// what was delivered may still be settled.
func (c *rabbitConn) Consume(_ context.Context, queue string, prefetch int, handle func(Delivery)) (func() error, error) {
	ch, err := c.conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	tag := nuid.Next()
	arrived, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for d := range arrived {
			select {
			case <-stopped: // nobody has seen it
				_ = d.Nack(false, true)
			default:
				handle(rabbitDelivery{d})
			}
		}
	}()
	return sync.OnceValue(func() error {
		close(stopped)
		err := ch.Cancel(tag, false)
		<-ended
		if errors.Is(err, amqp.ErrClosed) {
			return nil
		}
		return err
	}), nil
}

type rabbitDelivery struct{ d amqp.Delivery }

func (d rabbitDelivery) Message() Message {
	m := Message{ID: d.d.MessageId, Body: d.d.Body, Class: D1}
	if d.d.DeliveryMode != amqp.Persistent {
		m.Class = D0
	}
	return m
}

func (d rabbitDelivery) Redelivered() bool { return d.d.Redelivered }
func (d rabbitDelivery) Ack() error        { return d.d.Ack(false) }
func (d rabbitDelivery) Requeue() error    { return d.d.Nack(false, true) }
