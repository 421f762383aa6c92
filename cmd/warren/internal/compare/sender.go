package compare

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A sender is one publisher at work.
type sender struct {
	stage     *stage
	index     int
	publisher Publisher
	count     int
	size      int
	fail      func(error)

	free      sync.Pool // bodies that were confirmed
	confirm   *hdrhistogram.Histogram
	confirmed atomic.Int64 // with success
	answered  atomic.Int64
	done      chan struct{} // closed when all is answered

	first, last time.Duration // publishing of the first, answer of the last; last once done
}

func newSender(s *stage, index, count, size int, fail func(error)) *sender {
	out := &sender{
		stage: s, index: index, publisher: s.publishers[index], count: count, size: size, fail: fail,
		confirm: newHistogram(), done: make(chan struct{}),
	}
	out.free.New = func() any { body := make([]byte, size); return &body }
	return out
}

// run publishes everything and waits for the answers.
func (s *sender) run(ctx context.Context) {
	if s.count == 0 {
		return
	}
	if err := s.publishAll(ctx); err != nil {
		s.fail(err)
		return
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		s.fail(ctx.Err())
	}
}

func (s *sender) publishAll(ctx context.Context) error {
	p := paceOf(s.stage.w.Rate)
	s.first = p.start
	for i := range s.count {
		due, err := p.wait(ctx, i)
		if err != nil {
			return err
		}
		if err := s.publish(ctx, i, due); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) publish(ctx context.Context, i int, due time.Duration) error {
	body := s.free.Get().(*[]byte)
	stamp{publisher: s.index, sequence: i, sent: due}.write(*body)
	key := s.stage.keys[i%len(s.stage.keys)]
	m := Message{Class: s.stage.class, Body: *body}
	return s.publisher.Publish(ctx, s.stage.exchange, key, m, func(err error) {
		now := clock()
		if err != nil {
			s.fail(err)
		} else {
			record(s.confirm, now-due)
			s.confirmed.Add(1)
		}
		s.free.Put(body)
		if s.answered.Add(1) == int64(s.count) {
			s.last = now
			close(s.done)
		}
	})
}
