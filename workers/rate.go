package workers

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// pace is how often the tasks of one name may begin.
type pace struct {
	n      int
	per    time.Duration
	shared bool // by all workers
}

func (p pace) none() bool { return p == pace{} }

// every is how far apart beginnings lie in the long run.
func (p pace) every() time.Duration { return max(p.per/time.Duration(p.n), time.Nanosecond) }

// RateLimit bounds how often each worker begins the task: n times in a time at
// most, also at once. Celery's rate_limit, but a task that must wait waits in the
// server, and holds up nothing behind it. It is set where the task is defined.
// Default: no limit.
func RateLimit(n int, per time.Duration) Option { return paced(pace{n, per, false}) }

// SharedRateLimit is [RateLimit] for all workers together, which agree through the
// broker before each beginning.
func SharedRateLimit(n int, per time.Duration) Option { return paced(pace{n, per, true}) }

func paced(p pace) Option {
	return func(s *settings) {
		if p.n < 1 || p.per <= 0 {
			s.refuse("rate of %d in %v: use positive numbers", p.n, p.per)
			return
		}
		s.pace = p
	}
}

// soonEnough is how long a task waits in its worker for its turn; for longer, it
// waits in the server.
const soonEnough = 100 * time.Millisecond

// paces are the limits of one worker, by task.
type paces struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// wait is how long a task must wait before it may begin. It has its turn then.
func (p *paces) wait(task string, limit pace) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.limiters[task]
	if limiter == nil {
		if p.limiters == nil {
			p.limiters = make(map[string]*rate.Limiter)
		}
		limiter = rate.NewLimiter(rate.Every(limit.every()), limit.n)
		p.limiters[task] = limiter
	}
	return limiter.Reserve().Delay()
}

// turns are what all workers know of a shared limit: when the next turn would be,
// were there no bursts.
type turns struct {
	Next time.Time `json:"next"`
}

func turnsKey(task string) string { return "rate." + task }

// parseTurns reads turns; what are none begin anew.
func parseTurns(text []byte) turns {
	var t turns
	if json.Unmarshal(text, &t) != nil {
		return turns{}
	}
	return t
}

// sharedWait is wait for all workers together: the next turn is taken by
// compare-and-set.
func (c *client) sharedWait(ctx context.Context, task string, limit pace) (time.Duration, error) {
	for {
		e, err := c.store.Get(ctx, turnsKey(task))
		if err != nil && !errors.Is(err, streams.ErrNoEntry) {
			return 0, err
		}
		t, now := parseTurns(e.Value), c.now()
		t.wrote(e.Time, now)
		delay := t.take(now, limit)
		text, err := jsontext.Marshal(t)
		if err != nil {
			return 0, err
		}
		put := streams.Put{Key: turnsKey(task), Value: text, Expect: streams.Revision(e.Revision)}
		if _, err = c.store.Put(ctx, put); err == nil {
			return delay, nil
		}
		if !errors.Is(err, streams.ErrConflict) {
			return 0, err
		}
	}
}

// wrote says when the turns were written. Who has written them after now has gone by a
// clock that was put back since: what was left to wait then is left now.
func (t *turns) wrote(at, now time.Time) {
	if at.After(now) {
		t.Next = t.Next.Add(now.Sub(at))
	}
}

// take takes the next turn: n of them may come at once, after which they come one
// by one.
func (t *turns) take(now time.Time, limit pace) time.Duration {
	burst := limit.every() * time.Duration(limit.n)
	if t.Next.Before(now) {
		t.Next = now
	}
	t.Next = t.Next.Add(limit.every())
	return max(t.Next.Sub(now)-burst, 0)
}

// turn waits for the turn of a task, if it comes soon; otherwise the task is sent
// to wait in the server, which is done.
func (r *run) turn(ctx context.Context) (done bool, err error) {
	if r.task == nil || r.task.opts.pace.none() || r.m.turn {
		return false, nil
	}
	delay, err := r.nextTurn(ctx, r.task.opts.pace)
	if err != nil {
		return false, err
	}
	if delay <= soonEnough {
		pause(r.ctx, delay)
		return false, nil
	}
	return true, r.deferTo(ctx, r.w.c.now().Add(delay))
}

func (r *run) nextTurn(ctx context.Context, limit pace) (time.Duration, error) {
	if limit.shared {
		return r.w.c.sharedWait(ctx, r.m.Task, limit)
	}
	return r.w.paces.wait(r.m.Task, limit), nil
}

// deferTo sends the task again, to begin at a time: it has its turn then.
func (r *run) deferTo(ctx context.Context, at time.Time) error {
	later := *r.m
	later.turn = true
	return r.w.sendLater(ctx, &later, at)
}
