package workers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"warren/streams"
	"warren/workers/internal/celery"
)

// Revoke keeps the call from running: what waits of it never runs, also in
// workers that are started later, and the context of what runs is cancelled, with
// ErrRevoked. What waits has ended when Revoke returns, and who waits for it knows;
// what follows it is ended by a worker, when the task would have run. All of a canvas
// is revoked together. A call that has ended stays as it is.
func (r *Result[R]) Revoke(ctx context.Context) error {
	var rv revocation
	rv.add(r.h)
	return r.h.c.revoke(ctx, rv)
}

// A revocation is what is revoked together.
type revocation struct {
	ids   []string // of tasks, and of groups, all that are revoked with them
	tasks []string // those of which a result is kept
	sent  bool     // only tasks that were sent are
}

func (rv *revocation) add(h *handle) {
	for ; h != nil; h = h.parent {
		rv.ids = append(rv.ids, h.id())
		if h.cell != nil && !h.noValue {
			rv.tasks = append(rv.tasks, h.cell.id)
		}
		for _, member := range h.members {
			rv.add(member)
		}
	}
}

// Revoke revokes the task of an id, and what stands behind it in its canvas, of
// whoever sent it; see [Result.Revoke].
func (a *App) Revoke(ctx context.Context, id string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if err := celery.CheckID(id); err != nil {
		return err
	}
	return c.revoke(ctx, revocation{ids: []string{id}, tasks: []string{id}, sent: true})
}

// revoke tells all workers, those to come too, and then records it of the tasks that
// wait. A worker that begins one all the same, as it was not told yet, finds that out.
func (c *client) revoke(ctx context.Context, rv revocation) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	waiting, err := c.waiting(ctx, rv)
	if err != nil {
		return fmt.Errorf("revoke %s: %w", rv.ids[0], err)
	}
	ttl := joinExpires // and longer, where a task waits longer
	for _, w := range waiting {
		ttl = max(ttl, joinExpires+c.untilDue(w.ETA))
	}
	err = recordAll(ctx, rv.ids, func(ctx context.Context, id string) *streams.Pending {
		return c.store.Begin(ctx, streams.Put{Key: revokedKey(id), Value: []byte("{}"), TTL: wholeSeconds(ttl)})
	})
	if err == nil {
		err = recordAll(ctx, waiting, func(ctx context.Context, w waiter) *streams.Pending {
			return c.put(ctx, stateKey(w.ID), w.revoked(c.now()), c.cfg.ResultExpires, streams.Revision(w.revision))
		})
	}
	if err != nil {
		return fmt.Errorf("revoke %s: %w", rv.ids[0], err)
	}
	return nil
}

// A waiter is a task that waits to be run, or run again, by its record.
type waiter struct {
	record
	revision uint64 // of the record of its runs; 0 if there is none
}

// revoked is its record when it does not wait any more.
func (w waiter) revoked(now time.Time) record {
	rec := w.record
	rec.Status, rec.Worker, rec.Done = Revoked, "", now
	rec.Failure = &Failure{TaskID: w.ID, Task: w.Task, Type: revokedType, Message: ErrRevoked.Error()}
	return rec
}

// read reads its record. Of one that cannot be read nobody knows that it has ended.
func (w *waiter) read(text []byte) {
	if rec, err := parseRecord(w.ID, text); err == nil {
		w.record = rec
	}
}

// waiting looks which tasks of a revocation wait.
func (c *client) waiting(ctx context.Context, rv revocation) ([]waiter, error) {
	keys := make([]string, 0, 2*len(rv.tasks))
	for _, id := range rv.tasks {
		keys = append(keys, sentKey(id), stateKey(id))
	}
	entries, err := c.store.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []waiter
	for _, id := range rv.tasks {
		sent, wasSent := entries[sentKey(id)]
		state, begun := entries[stateKey(id)]
		w := waiter{record: record{Status: Pending, ID: id}}
		switch {
		case begun && state.Gone == streams.Present:
			w.revision = state.Revision
			w.read(state.Value)
		case wasSent && sent.Gone == streams.Present:
			w.read(sent.Value)
		case begun || wasSent || rv.sent:
			continue // nobody knows it, or does not any more
		}
		switch w.Status {
		case Pending, Received, Retrying:
			list = append(list, w)
		}
	}
	return list, nil
}

// revocations are the ids that must not run, as words of their keys.
type revocations struct {
	mu    sync.Mutex
	words map[string]struct{}
}

func (r *revocations) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.words[celery.IDWord(id)]
	return ok
}

func (r *revocations) set(word string, revoked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !revoked {
		delete(r.words, word)
		return
	}
	if r.words == nil {
		r.words = make(map[string]struct{})
	}
	r.words[word] = struct{}{}
}

// followRevocations returns when the worker knows what is revoked, and goes on
// to follow what will be.
func (w *Worker) followRevocations(ctx, aside context.Context, errands *sync.WaitGroup) error {
	return w.follow(ctx, aside, errands, revokedPrefix+"*", w.revoke)
}

// revoke is called with every id that is revoked, or is not any more.
func (w *Worker) revoke(e streams.Entry) {
	word := strings.TrimPrefix(e.Key, revokedPrefix)
	w.revoked.set(word, e.Gone == 0)
	if e.Gone != 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.active {
		if celery.IDWord(r.m.ID) == word || celery.IDWord(r.m.RootID) == word {
			r.cancel(ErrRevoked)
		}
	}
}
