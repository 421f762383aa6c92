package compare

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// rawUnlimited is how many messages a consumer without a prefetch asks for at
// once, which is what nats.go does by itself.
const rawUnlimited = 500

func (c *rawConn) Consume(ctx context.Context, queue string, prefetch int, handle func(Delivery)) (func() error, error) {
	limit := prefetch
	if limit == 0 {
		limit = unlimited
	}
	consumer, err := c.consumer(ctx, queue, limit)
	if err != nil {
		return nil, err
	}
	r := &rawConsumer{handle: handle, stopped: make(chan struct{})}
	pull := rawUnlimited
	if prefetch > 0 {
		pull = prefetch
		r.held = make(chan struct{}, prefetch)
		r.held <- struct{}{} // for the first one
	}
	consuming, err := consumer.Consume(r.take, jetstream.PullMaxMessages(pull))
	if err != nil {
		return nil, errors.Join(err, c.release(ctx, queue, limit))
	}
	return sync.OnceValue(func() error {
		close(r.stopped)
		consuming.Drain() // what was not seen is handed back
		<-consuming.Closed()
		r.busy.Lock() // the handler that runs
		defer r.busy.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return c.release(ctx, queue, limit)
	}), nil
}

// release takes back what a consumer was allowed to hold.
func (c *rawConn) release(ctx context.Context, queue string, limit int) error {
	t := c.target
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[queue]
	if q == nil {
		return nil // deleted
	}
	if limit == unlimited {
		q.unbound--
	} else {
		q.pending -= limit
	}
	if q.pending == 0 && q.unbound == 0 {
		return nil // what it holds does not matter until the next one comes
	}
	return t.adjust(ctx, c.js, queue)
}

// rawConsumer gives messages to the handler. What nats.go asks for bounds what
// waits in this process and not what is unsettled, so that is counted here.
type rawConsumer struct {
	handle  func(Delivery)
	held    chan struct{} // one for each unsettled message and the next; nil: no limit
	stopped chan struct{}
	busy    sync.Mutex
}

func (r *rawConsumer) take(m jetstream.Msg) {
	r.busy.Lock()
	defer r.busy.Unlock()
	select {
	case <-r.stopped:
		_ = m.Nak() // nobody has seen it
		return
	default:
	}
	r.handle(&rawDelivery{m: m, held: r.held})
	// What is asked for next has to have room.
	if r.held != nil {
		select {
		case r.held <- struct{}{}:
		case <-r.stopped:
		}
	}
}

type rawDelivery struct {
	m       jetstream.Msg
	held    chan struct{}
	settled sync.Once
}

func (d *rawDelivery) Message() Message {
	return Message{ID: d.m.Headers().Get(idHeader), Body: d.m.Data()}
}

func (d *rawDelivery) Redelivered() bool {
	meta, err := d.m.Metadata()
	return err == nil && meta.NumDelivered > 1 && meta.NumDelivered < math.MaxUint64
}

func (d *rawDelivery) Ack() error     { d.release(); return d.m.Ack() }
func (d *rawDelivery) Requeue() error { d.release(); return d.m.Nak() }

func (d *rawDelivery) release() {
	if d.held != nil {
		d.settled.Do(func() { <-d.held })
	}
}
