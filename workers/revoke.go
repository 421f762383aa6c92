package workers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"warren/streams"
)

// Revoke keeps the call from running: what waits of it never runs, also in
// workers that are started later, and the context of what runs is cancelled, with
// ErrRevoked. All of a canvas is revoked together. A call that has ended stays as
// it is.
func (r *Result[R]) Revoke(ctx context.Context) error { return r.h.revoke(ctx) }

func (h *handle) revoke(ctx context.Context) error {
	if h == nil {
		return nil
	}
	if h.cell == nil {
		if err := h.c.revoke(ctx, h.group); err != nil {
			return err
		}
		for _, member := range h.members {
			if err := member.revoke(ctx); err != nil {
				return err
			}
		}
		return h.parent.revoke(ctx)
	}
	if err := h.c.revoke(ctx, h.cell.id); err != nil {
		return err
	}
	return h.parent.revoke(ctx)
}

// Revoke revokes the task of an id, and what stands behind it in its canvas, of
// whoever sent it; see [Result.Revoke].
func (a *App) Revoke(ctx context.Context, id string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if err := checkID(id); err != nil {
		return err
	}
	return c.revoke(ctx, id)
}

// revoke tells all workers, those to come too, for as long as results are kept.
func (c *client) revoke(ctx context.Context, id string) error {
	put := streams.Put{Key: revokedKey(id), Value: []byte("{}"), TTL: wholeSeconds(max(c.cfg.ResultExpires, 24*time.Hour))}
	if err := c.keep(ctx, put); err != nil {
		return fmt.Errorf("revoke %s: %w", id, err)
	}
	return nil
}

// revocations are the ids that must not run.
type revocations struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (r *revocations) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.ids[id]
	return ok
}

func (r *revocations) set(id string, revoked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !revoked {
		delete(r.ids, id)
		return
	}
	if r.ids == nil {
		r.ids = make(map[string]struct{})
	}
	r.ids[id] = struct{}{}
}

// followRevocations returns when the worker knows what is revoked, and goes on
// to follow what will be.
func (w *Worker) followRevocations(ctx, aside context.Context, errands *sync.WaitGroup) error {
	return w.follow(ctx, aside, errands, revokedKey("*"), w.revocation)
}

// revocation is called with every id that is revoked, or is not any more.
func (w *Worker) revocation(e streams.Entry) {
	id := strings.TrimPrefix(e.Key, revokedKey(""))
	w.revoked.set(id, e.Gone == 0)
	if e.Gone != 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.active {
		if r.m.ID == id || r.m.RootID == id {
			r.cancel(ErrRevoked)
		}
	}
}
