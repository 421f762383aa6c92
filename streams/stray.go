package streams

import (
	"context"
	"time"
)

// A stray is a message that the server had begun to send to a consumer that was
// just leaving, and took back. It is there for the next consumer at once. But if
// bindings do not ask for it, it counts as the queue's until somebody meets it, so
// the one who leaves looks.

// meetStrays acknowledges the strays of a queue that are not the queue's.
func (u *user) meetStrays(ctx context.Context) {
	rec := u.record()
	if rec == nil || u.s.nc.IsClosed() {
		return
	}
	srcs := u.s.sourcesOf(rec)
	for _, src := range srcs {
		if !src.sieve.exact && u.meetStraysAt(ctx, src, srcs) != nil {
			return // somebody meets them later
		}
	}
}

func (u *user) meetStraysAt(ctx context.Context, src *source, srcs []*source) error {
	const longest = 50 * time.Millisecond // longer is what a killed consumer held
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p, err := u.s.newPuller(src)
	if err != nil {
		return err
	}
	defer p.close()
	for look := time.Duration(0); look < longest; {
		strays, err := u.strays(ctx, srcs)
		if err != nil || strays <= 0 {
			return err
		}
		msgs, err := p.ask(ctx, 1, look)
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			look = max(2*look, time.Millisecond)
			continue
		}
		a, _ := parseArrival(msgs[0].Reply)
		if src.sieve.wants(msgs[0], a) {
			return u.s.settleRaw(msgs[0].Reply, verdictRequeue)
		}
		if err := u.s.drop(ctx, msgs); err != nil {
			return err
		}
	}
	return nil
}

// strays counts what the server has sent and nobody holds.
func (u *user) strays(ctx context.Context, srcs []*source) (int, error) {
	_, held, err := u.s.usage(ctx, u.queue)
	if err != nil {
		return 0, err
	}
	sent := 0
	for _, src := range srcs {
		_, info, err := u.s.lookAt(ctx, src.stream, src.queue)
		if err != nil {
			return 0, err
		}
		if info != nil {
			sent += info.NumAckPending
		}
	}
	return sent - held, nil
}
