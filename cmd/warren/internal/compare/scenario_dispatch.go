package compare

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	whoIsFree = "whoever is free is next"
	byTurns   = "by turns"
)

// fairDispatch has a fast worker and one ten times as slow share twenty tasks.
func fairDispatch() scenario {
	return scenario{
		name:     "one slow worker",
		question: "With a prefetch of 1, who gets the next task when one of two workers is slow?",
		play:     playFairDispatch,
		why: func(a answers) string {
			switch {
			case a.all(whoIsFree):
				return "A worker that has not acknowledged its task gets no other one, so whoever is free is next."
			case a.none(whoIsFree):
				return "Tasks are given out before workers are free, so the fast one ends with nothing to do while the slow one is behind."
			}
			return fmt.Sprintf("With %s a task is given to who is free, and with %s before that.",
				a.with(whoIsFree).names(), a.without(whoIsFree).names())
		},
	}
}

func playFairDispatch(ctx context.Context, t *trial) (found, error) {
	const tasks = 20
	q, err := t.queue(ctx)
	if err != nil {
		return found{}, err
	}
	var left atomic.Int32
	left.Store(tasks)
	done := make(chan struct{})
	worker := func(takes time.Duration) (*inbox, error) {
		conn, err := t.connect(ctx)
		if err != nil {
			return nil, err
		}
		return openInbox(ctx, conn, q, 1, func(d Delivery) error {
			time.Sleep(takes)
			err := d.Ack()
			if left.Add(-1) == 0 {
				close(done)
			}
			return err
		})
	}
	slow, err := worker(300 * time.Millisecond)
	if err != nil {
		return found{}, err
	}
	defer slow.leave()
	fast, err := worker(30 * time.Millisecond)
	if err != nil {
		return found{}, err
	}
	defer fast.leave()

	began := time.Now()
	if err := t.send(ctx, q, numbers(1, tasks)...); err != nil {
		return found{}, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return found{}, fmt.Errorf("%d of %d tasks were not done: %w", left.Load(), tasks, ctx.Err())
	}
	took := time.Since(began)
	return fairness(slow, fast, took)
}

// fairness judges by the slow one's share: fair is a tenth, and by turns a half.
func fairness(slow, fast *inbox, took time.Duration) (found, error) {
	var shares [2]int
	for i, in := range []*inbox{slow, fast} {
		if err := in.stop(); err != nil {
			return found{}, fmt.Errorf("stop a worker: %w", err)
		}
		got, _, err := in.deliveries()
		if err != nil {
			return found{}, fmt.Errorf("acknowledge: %w", err)
		}
		shares[i] = len(got)
	}
	f := found{
		did:    fmt.Sprintf("slow worker %d, fast worker %d, all done after %s", shares[0], shares[1], durationText(took)),
		answer: whoIsFree,
		took:   took,
	}
	if 3*shares[0] > shares[0]+shares[1] {
		f.answer = byTurns
	}
	return f, nil
}
