package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// silence is how long nothing may come until what is missing is lost. It is longer
// than any lease, after which what was held comes again.
const silence = 35 * time.Second

// A play is one run on its stage.
type play struct {
	*stage
	count, size int

	fail      context.CancelCauseFunc // ends the run
	queued    []*arrivals             // of each queue
	senders   []*sender
	receivers []*receiver
	missing   atomic.Int64  // deliveries to come
	complete  chan struct{} // closed when everything has come
	left      int           // what should be ready and is not, where nobody consumes
}

// runOnce measures once: so many messages of a size. It leaves the stage as it was.
func runOnce(ctx context.Context, s *stage, size, count int) (run Run, err error) {
	target := s.target
	p := &play{stage: s, count: count, size: size, complete: make(chan struct{})}
	runtime.GC() // what was before is not this run's
	before := costOf(ctx, target)
	started := time.Now()
	if err := p.perform(ctx); err != nil {
		return Run{}, err
	}
	after := costOf(ctx, target)
	run, err = p.result()
	run.Started = started
	after.charge(&run, before)
	if s.w.order == buildOnly {
		err = errors.Join(err, s.empty(ctx))
	}
	return run, err
}

// A cost is what has been used until now, for a target and by it.
type cost struct {
	broker, client Usage
	seen           bool // the broker's
	traffic        Traffic
}

func costOf(ctx context.Context, target Target) (c cost) {
	c.broker, c.seen = target.Usage(ctx)
	c.client, _ = processUsage(ctx, os.Getpid())
	c.traffic = target.Traffic()
	return c
}

// charge says of a run what was used since its start.
func (c cost) charge(run *Run, before cost) {
	if c.seen {
		run.CPU, run.Memory = c.broker.CPU-before.broker.CPU, c.broker.Memory
	}
	if !c.broker.Shared {
		run.ClientCPU = c.client.CPU - before.client.CPU
	}
	run.WireMessages = c.traffic.Messages - before.traffic.Messages
	run.WireBytes = c.traffic.Bytes - before.traffic.Bytes
}

// perform does what the workload says. When it returns, nothing of it runs.
func (p *play) perform(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	p.fail = cancel
	p.prepare()
	defer func() {
		for _, r := range p.receivers {
			if r.stop != nil {
				err = errors.Join(err, r.stop())
			}
		}
	}()
	if p.w.route == andBack {
		err = p.callAll(ctx)
	} else {
		err = p.flow(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (p *play) flow(ctx context.Context) error {
	consumeFirst := p.w.order == together
	if consumeFirst {
		if err := p.startReceivers(ctx); err != nil {
			return err
		}
	}
	p.publishAll(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.w.order == buildOnly {
		return p.countReady(ctx)
	}
	if !consumeFirst {
		if err := p.startReceivers(ctx); err != nil {
			return err
		}
	}
	return p.awaitAll(ctx)
}

// prepare makes senders and receivers, which share the messages and the queues.
func (p *play) prepare() {
	each := make([]int, p.w.Publishers)
	for i := range each {
		each[i] = (p.count + i) / len(each)
		p.senders = append(p.senders, newSender(p.stage, i, each[i], p.size, p.fail))
	}
	for range p.queues {
		p.queued = append(p.queued, newArrivals(each))
	}
	p.missing.Store(int64(p.count * len(p.queues)))
	if p.w.route == andBack {
		return
	}
	for i := range p.w.Consumers {
		p.receivers = append(p.receivers, &receiver{
			queue: p.queued[i%len(p.queues)], work: p.w.work, arrived: p.arrived, fail: p.fail,
		})
	}
}

func (p *play) arrived() {
	if p.missing.Add(-1) == 0 {
		close(p.complete)
	}
}

func (p *play) startReceivers(ctx context.Context) error {
	for i, r := range p.receivers {
		if err := r.start(ctx, p.consumerConn(i), p.queues[i%len(p.queues)], p.w.Prefetch); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) publishAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range p.senders {
		wg.Go(func() { s.run(ctx) })
	}
	wg.Wait()
}

// awaitAll waits until everything has come, or nothing comes any more.
func (p *play) awaitAll(ctx context.Context) error {
	const look = time.Second
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, since := p.missing.Load(), time.Duration(0)
	for {
		select {
		case <-p.complete:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if left := p.missing.Load(); left != last {
			last, since = left, 0
		} else if since += look; since >= silence {
			return nil // what is missing is lost
		}
	}
}

// countReady counts what is in a queue that nobody consumes. A broker may take a
// moment to count what it has confirmed.
func (p *play) countReady(ctx context.Context) error {
	for deadline := time.Now().Add(silence); ; pause(10 * time.Millisecond) {
		n, err := p.conns[0].Ready(ctx, p.queues[0])
		if err != nil {
			return fmt.Errorf("count what is ready: %w", err)
		}
		if p.left = p.count - n; p.left == 0 || time.Now().After(deadline) {
			return nil
		}
	}
}

func (p *play) result() (Run, error) {
	var run Run
	var err error
	p.measurePublishing(&run)
	p.measureDelivering(&run)
	run.Confirm, err = latencyOf(collect(p.senders, func(s *sender) *hdrhistogram.Histogram { return s.confirm })...)
	if err != nil {
		return run, err
	}
	if p.w.order != together {
		return run, nil // messages waited until it was their turn
	}
	run.Deliver, err = latencyOf(collect(p.receivers, func(r *receiver) *hdrhistogram.Histogram { return r.deliver })...)
	return run, err
}

func collect[T any](from []T, get func(T) *hdrhistogram.Histogram) (list []*hdrhistogram.Histogram) {
	for _, item := range from {
		list = append(list, get(item))
	}
	return list
}

func (p *play) measurePublishing(run *Run) {
	first, last := p.senders[0].first, time.Duration(0)
	for _, s := range p.senders {
		first, last = min(first, s.first), max(last, s.last)
		run.Published += int(s.confirmed.Load())
	}
	run.Took, run.steady = last-first, last-first
	run.PublishRate = perSecond(run.Published, run.Took)
	if p.w.order == buildOnly {
		run.Rate = run.PublishRate
		run.Lost, run.Duplicated = max(p.left, 0), max(-p.left, 0)
	}
}

// measureDelivering takes the run's figure from the first publish to the last
// acknowledgement, or to the last confirm if that came later. The rates of delivering and draining count from the first message
// on, which they do not include.
func (p *play) measureDelivering(run *Run) {
	if len(p.receivers) == 0 {
		return
	}
	var first, last time.Duration
	for _, r := range p.receivers {
		n := int(r.handled.Load())
		run.Delivered += n
		run.Reordered += r.order.reordered
		if len(p.receivers) > len(p.queues) {
			run.Shares = append(run.Shares, n)
		}
		if n == 0 {
			continue
		}
		if first == 0 || r.first < first {
			first = r.first
		}
		last = max(last, r.last)
	}
	for _, q := range p.queued {
		run.Lost += q.missing()
		run.Duplicated += q.duplicated + q.foreign
	}
	start := p.senders[0].first
	for _, s := range p.senders {
		start = min(start, s.first)
	}
	run.Took = max(run.Took, last-start)
	run.Rate = perSecond(run.Delivered, run.Took)
	if p.w.order == buildDrain {
		run.DrainRate = perSecond(run.Delivered-1, last-first)
		run.steady = min(run.steady, last-first)
		return
	}
	// Who begins late has a backlog to take, and then is faster than what is sent.
	copies := float64(run.Delivered) / float64(max(run.Published, 1))
	run.DeliverRate = min(perSecond(run.Delivered-1, last-first), copies*run.PublishRate)
	run.steady = run.Took
}

func perSecond(n int, took time.Duration) float64 {
	if n <= 0 || took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
