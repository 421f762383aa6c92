package compare

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A receiver is one consumer at work. Its figures are to be read once it has
// stopped.
type receiver struct {
	queue   *arrivals
	work    []time.Duration
	arrived func() // a message came for the first time
	fail    func(error)

	stop        func() error
	deliver     *hdrhistogram.Histogram
	order       orderCheck
	handled     atomic.Int64  // and acknowledged
	first, last time.Duration // of the first and when the last was settled
}

func (r *receiver) start(ctx context.Context, conn Conn, queue string, prefetch int) error {
	r.deliver = newHistogram()
	var err error
	if r.stop, err = conn.Consume(ctx, queue, prefetch, r.handle); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return nil
}

func (r *receiver) handle(d Delivery) {
	now := clock()
	if r.first == 0 {
		r.first = now
	}
	s, known := readStamp(d.Message().Body)
	isNew := r.queue.note(s, known)
	if isNew {
		record(r.deliver, now-s.sent)
		r.order.note(s)
	}
	if len(r.work) > 0 {
		time.Sleep(r.work[s.sequence%len(r.work)])
	}
	if err := d.Ack(); err != nil {
		r.fail(fmt.Errorf("ack: %w", err))
		return
	}
	r.last = clock()
	r.handled.Add(1)
	if isNew {
		r.arrived()
	}
}
