package amqp091

import (
	"errors"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// confirmed is a run of messages with one outcome; it ends with a tag.
type confirmed struct {
	first, last uint64
	refused     bool
}

func (ch *channel) confirmSelect(m *wire.ConfirmSelect) error {
	ch.mu.Lock()
	ch.confirming = true
	ch.mu.Unlock()
	ch.answer(m.NoWait, wire.ConfirmSelectOk{})
	return nil
}

// confirmed is told of the outcome of every message, in the order in which they were
// published. A returned message goes to the client at once; confirms wait for the
// writer, so that those of one outcome become one.
func (ch *channel) confirmed(confirm *streams.Confirm) {
	ch.weight.remove(confirm.Size())
	err := confirm.Err()
	var returned *streams.Returned
	if errors.As(err, &returned) {
		ch.giveBack(returned)
		err = nil
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.confirming {
		if err != nil {
			ch.c.server.cfg.Logger.Warn("a message of an AMQP client was not stored", "exchange", confirm.Exchange(), "key", confirm.Key(), "error", err)
		}
		return
	}
	ch.published++
	ch.note(err != nil)
}

// note adds the outcome of one more message to the runs. The lock is held.
func (ch *channel) note(refused bool) {
	last := len(ch.runs) - 1
	if last >= 0 && ch.runs[last].refused == refused {
		ch.runs[last].last = ch.published
		return
	}
	ch.runs = append(ch.runs, confirmed{ch.published, ch.published, refused})
	if last < 0 {
		ch.c.out.confirms(ch)
	}
}

// writeConfirms puts the runs into the outbox.
func (ch *channel) writeConfirms() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, run := range ch.runs {
		multiple := run.last > run.first
		switch {
		case ch.silent:
		case run.refused:
			ch.c.out.method(ch.id, &wire.BasicNack{DeliveryTag: run.last, Multiple: multiple})
		default:
			ch.c.out.method(ch.id, &wire.BasicAck{DeliveryTag: run.last, Multiple: multiple})
		}
	}
	ch.runs = ch.runs[:0]
}

// giveBack sends a mandatory message that no queue wanted back to the client.
func (ch *channel) giveBack(m *streams.Returned) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.silent {
		return
	}
	method := &wire.BasicReturn{ReplyCode: 312, ReplyText: "NO_ROUTE", Exchange: m.Exchange, RoutingKey: m.Key}
	if err := ch.c.out.content(ch.id, method, &m.Message, ch.c.frameMax); err != nil {
		ch.c.abort(err)
	}
}
