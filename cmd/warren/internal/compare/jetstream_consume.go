package compare

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
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
	end, err := r.start(consumer, pull)
	if err != nil {
		return nil, errors.Join(err, c.release(ctx, queue, limit))
	}
	return sync.OnceValue(func() error {
		close(r.stopped)
		end()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return c.release(ctx, queue, limit)
	}), nil
}

// start asks for so many messages at a time, until end is called, which waits for
// the handler.
func (r *rawConsumer) start(consumer jetstream.Consumer, pull int) (end func(), err error) {
	if pull == 1 {
		return r.oneByOne(consumer), nil
	}
	consuming, err := consumer.Consume(r.take, jetstream.PullMaxMessages(pull))
	if err != nil {
		return nil, err
	}
	return func() {
		consuming.Drain() // what was not seen is handed back
		<-consuming.Closed()
		r.busy.Lock()
		defer r.busy.Unlock()
	}, nil
}

// oneByOne asks for each message by itself. Consume asks for the next one while it
// still notes the last, and with one message at a time it may forget to ask.
func (r *rawConsumer) oneByOne(consumer jetstream.Consumer) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			m, err := consumer.Next(jetstream.FetchContext(ctx))
			switch {
			case err == nil:
				r.take(m)
			case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
				// There is none yet.
			default:
				pause(retryPause) // the broker is away
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// retryPause is how long a consumer waits before it asks a broker again that did
// not answer.
const retryPause = 10 * time.Millisecond

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
