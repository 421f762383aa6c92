package amqp091

import (
	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// held is a delivery that a client has not settled, and its consumer, which is nil
// for one that was taken with basic.get.
type held struct {
	*streams.Delivery
	consumer *consumer
}

func (h held) requeue() error { return h.Nack(streams.Requeue) }
func (h held) drop() error    { return h.Nack() }

// unsettled is what a channel holds, by the delivery tags it has given out, which
// count from 1.
type unsettled struct {
	last  uint64 // the last tag given out
	first uint64 // the tag of held[0]
	held  []held // those that are settled have no delivery
	open  int
}

// enter gives a delivery its tag; one that is settled already is not held.
func (u *unsettled) enter(h held, settled bool) uint64 {
	u.last++
	if u.open == 0 {
		u.held, u.first = u.held[:0], u.last
	}
	if settled {
		if u.open > 0 {
			u.held = append(u.held, held{})
		} else {
			u.first = u.last + 1
		}
		return u.last
	}
	u.held = append(u.held, h)
	u.open++
	return u.last
}

// take takes one delivery out; false says that it is not held.
func (u *unsettled) take(tag uint64) (held, bool) {
	if tag < u.first || tag >= u.first+uint64(len(u.held)) || u.held[tag-u.first].Delivery == nil {
		return held{}, false
	}
	h := u.held[tag-u.first]
	u.held[tag-u.first] = held{}
	u.open--
	u.trim()
	return h, true
}

// takeUpTo takes every delivery up to a tag out, in order.
func (u *unsettled) takeUpTo(tag uint64) []held {
	var taken []held
	for i := range u.held {
		if u.first+uint64(i) > tag {
			break
		}
		if u.held[i].Delivery != nil {
			taken = append(taken, u.held[i])
			u.held[i] = held{}
			u.open--
		}
	}
	u.trim()
	return taken
}

// trim lets go of what is settled at the front.
func (u *unsettled) trim() {
	n := 0
	for n < len(u.held) && u.held[n].Delivery == nil {
		n++
	}
	u.held = u.held[n:]
	u.first += uint64(n)
}

func (ch *channel) takeAll() []held {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.unsettled.takeUpTo(ch.unsettled.last)
}

// taken takes what a client settles: one delivery, or all up to it, where 0 is all
// there are.
func (ch *channel) taken(tag uint64, multiple bool) ([]held, error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if multiple && tag == 0 {
		return ch.unsettled.takeUpTo(ch.unsettled.last), nil
	}
	if multiple && tag <= ch.unsettled.last {
		if all := ch.unsettled.takeUpTo(tag); len(all) > 0 {
			return all, nil
		}
	}
	if !multiple {
		if h, ok := ch.unsettled.take(tag); ok {
			return []held{h}, nil
		}
	}
	return nil, newError(406, "PRECONDITION_FAILED", "unknown delivery tag %d", tag)
}

func (ch *channel) ack(m *wire.BasicAck) error {
	all, err := ch.taken(m.DeliveryTag, m.Multiple)
	for _, h := range all {
		if err := h.Ack(); err != nil {
			return err
		}
	}
	return err
}

func (ch *channel) nack(tag uint64, multiple, requeue bool) error {
	all, err := ch.taken(tag, multiple)
	if err != nil {
		return err
	}
	return settleBack(all, requeue)
}

// settleBack requeues, or drops, what a client has rejected, in the order in which it
// was delivered.
func settleBack(all []held, requeue bool) error {
	for _, h := range all {
		settle := h.drop
		if requeue {
			settle = h.requeue
		}
		if err := settle(); err != nil {
			return err
		}
	}
	return nil
}

// recover requeues everything that the channel holds.
func (ch *channel) recover(requeue, answer bool) error {
	if !requeue {
		return connectionError(540, "NOT_IMPLEMENTED", "requeue=false")
	}
	if err := settleBack(ch.takeAll(), true); err != nil {
		return err
	}
	ch.answer(!answer, wire.BasicRecoverOk{})
	return nil
}
