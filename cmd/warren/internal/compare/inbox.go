package compare

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// An inbox is a consumer that keeps what arrives, in its order.
type inbox struct {
	conn  Conn
	queue string
	// settle is called with each delivery as it arrives; nil: it is held.
	settle func(Delivery) error
	stop   func() error

	mu      sync.Mutex
	got     []Delivery
	err     error         // the first of settle
	changed chan struct{} // closed and replaced when something arrives
}

// openInbox consumes a queue. The caller stops it.
func openInbox(ctx context.Context, conn Conn, queue string, prefetch int, settle func(Delivery) error) (*inbox, error) {
	in := &inbox{conn: conn, queue: queue, settle: settle, changed: make(chan struct{})}
	stop, err := conn.Consume(ctx, queue, prefetch, in.take)
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	in.stop = sync.OnceValue(stop)
	return in, nil
}

// leave stops the inbox when nothing depends on it any more.
func (in *inbox) leave() { _ = in.stop() }

func (in *inbox) take(d Delivery) {
	var err error
	if in.settle != nil {
		err = in.settle(d)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = append(in.got, d)
	if in.err == nil {
		in.err = err
	}
	close(in.changed)
	in.changed = make(chan struct{})
}

// deliveries are what is there, and a channel that is closed when there is more.
func (in *inbox) deliveries() ([]Delivery, <-chan struct{}, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.got), in.changed, in.err
}

// wait waits until at least n deliveries are there, and gives them.
func (in *inbox) wait(ctx context.Context, n int) ([]Delivery, error) {
	for {
		got, changed, err := in.deliveries()
		if err != nil {
			return got, fmt.Errorf("settle: %w", err)
		}
		if len(got) >= n {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return got, fmt.Errorf("wait for message %d of %d: %w", len(got)+1, n, ctx.Err())
		}
	}
}

// gather waits for n deliveries, as long as they keep coming, and then a moment
// for one that is too many. It stops the inbox. Fewer are no error.
func (in *inbox) gather(ctx context.Context, n int) ([]string, error) {
	for have, more := 0, true; more; {
		got, changed, err := in.deliveries()
		if err != nil {
			return idsOf(got), fmt.Errorf("settle: %w", err)
		}
		have = len(got)
		wait := lull
		if have >= n {
			wait = quiet
		}
		select {
		case <-changed:
		case <-time.After(wait):
			more = false
		case <-ctx.Done():
			return idsOf(got), fmt.Errorf("gather %d messages: %w", n, ctx.Err())
		}
	}
	if err := in.stop(); err != nil {
		return nil, fmt.Errorf("stop consuming: %w", err)
	}
	got, _, err := in.deliveries()
	return idsOf(got), err
}

// drain empties a queue in which n messages are expected, and gives their ids in
// the order in which they came.
func (t *trial) drain(ctx context.Context, queue string, n int) ([]string, error) {
	in, err := openInbox(ctx, t.Conn, queue, 10, Delivery.Ack)
	if err != nil {
		return nil, err
	}
	defer in.leave()
	return in.gather(ctx, n)
}

func idsOf(deliveries []Delivery) []string {
	ids := make([]string, 0, len(deliveries))
	for _, d := range deliveries {
		ids = append(ids, d.Message().ID)
	}
	return ids
}
