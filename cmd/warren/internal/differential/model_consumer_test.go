package differential

import (
	"slices"
	"time"
)

// A modelConsumer is sent what is ready for as long as it has room.
type modelConsumer struct {
	m       *model
	q       *modelQueue
	o       consuming
	arrived []*delivery
}

func (m *model) consume(queue string, o consuming) (consumer, error) {
	q, err := m.need(queue)
	if err != nil {
		return nil, err
	}
	c := &modelConsumer{m: m, q: q, o: o}
	q.consumers = append(q.consumers, c)
	q.dispatch()
	return c, nil
}

// dispatch sends what is ready to the consumers that have room: they take turns.
func (q *modelQueue) dispatch() {
	for len(q.ready) > 0 {
		next := slices.IndexFunc(q.consumers, (*modelConsumer).hasRoom)
		if next < 0 {
			return
		}
		c := q.consumers[next]
		q.consumers = append(slices.Delete(q.consumers, next, next+1), c)
		c.send(q.take())
	}
}

func (c *modelConsumer) hasRoom() bool {
	if c.o.autoAck || c.o.prefetch == 0 {
		return true
	}
	unsettled := 0
	for _, msg := range c.q.held {
		if msg.holder == c {
			unsettled++
		}
	}
	return unsettled < c.o.prefetch
}

func (c *modelConsumer) send(msg *modelMessage) {
	msg.holder = c
	c.arrived = append(c.arrived, c.q.delivery(msg))
	if c.o.autoAck {
		c.q.remove(msg)
	}
}

func (c *modelConsumer) next(time.Duration) *delivery {
	if len(c.arrived) == 0 {
		return nil
	}
	d := c.arrived[0]
	c.arrived = c.arrived[1:]
	return d
}

func (c *modelConsumer) cancel() error {
	c.q.consumers = slices.DeleteFunc(c.q.consumers, func(other *modelConsumer) bool { return other == c })
	if c.q.AutoDelete && len(c.q.consumers) == 0 && c.m.queues[c.q.Name] == c.q {
		_, err := c.m.deleteQueue(c.q.Name, false, false)
		return err
	}
	return nil
}

func (c *modelConsumer) cancelled() <-chan struct{} { return nil }
