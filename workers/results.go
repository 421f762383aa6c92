package workers

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"warren/streams"
	"warren/workers/internal/celery"
)

// results hears what becomes of tasks: of those this client has sent by one
// subscription for all, once somebody has waited for one, of others by one each while
// somebody waits. A result that nobody has a handle on any more is not kept.
type results struct {
	c         *client
	hears     atomic.Bool   // of the tasks this client sends
	beginning chan struct{} // has room for who begins to

	mu    sync.Mutex
	cells map[string]weak.Pointer[cell] // by the word of the task
	again chan struct{}                 // closed when all are to be looked at again
}

// A cell is where the end of one task arrives.
type cell struct {
	id   string
	gone atomic.Bool // there was a record, when this client began to hear
	done chan struct{}
	once sync.Once
	end  record
}

func (c *cell) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *cell) arrive(r record) {
	c.once.Do(func() {
		c.end = r
		close(c.done)
	})
}

func newResults(c *client) *results {
	return &results{
		c: c, beginning: make(chan struct{}, 1),
		cells: make(map[string]weak.Pointer[cell]), again: make(chan struct{}),
	}
}

// hear begins to hear of all tasks that this client sends, until the session ends.
// Who never waits for one has none told. What somebody has a handle on, and was
// recorded before, is looked up.
func (r *results) hear(ctx context.Context) error {
	if r.hears.Load() {
		return nil
	}
	select {
	case r.beginning <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.beginning }()
	if r.hears.Load() { // somebody else has begun
		return nil
	}
	stop, err := insistOn(ctx, func(ctx context.Context) (func(), error) {
		return r.c.store.Notify(ctx, "task."+r.c.ids.prefix()+".*.state", r.told)
	})
	if err != nil {
		return err
	}
	entries, err := insistOn(ctx, func(ctx context.Context) (map[string]streams.Entry, error) {
		return r.c.store.GetMany(ctx, r.open())
	})
	if err != nil {
		stop()
		return err
	}
	for _, e := range entries {
		r.told(e)
		if e.Gone != streams.Present {
			r.forgotten(taskOf(e.Key))
		}
	}
	r.hears.Store(true)
	return nil
}

// open are the keys of the tasks that somebody has a handle on, which are not known to
// have ended.
func (r *results) open() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []string
	for _, pointer := range r.cells {
		if c := pointer.Value(); c != nil && !c.ended() {
			keys = append(keys, stateKey(c.id), sentKey(c.id))
		}
	}
	return keys
}

// forgotten is called with the word of a task whose record has gone.
func (r *results) forgotten(word string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.cells[word].Value(); c != nil {
		c.gone.Store(true)
	}
}

// cell gives the cell of a task, the same to everybody.
func (r *results) cell(id string) *cell {
	word := celery.IDWord(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.cells[word].Value(); c != nil {
		return c
	}
	c := &cell{id: id, done: make(chan struct{})}
	r.cells[word] = weak.Make(c)
	runtime.AddCleanup(c, r.drop, word)
	return c
}

// drop forgets a cell nobody has any more, unless there is a new one.
func (r *results) drop(word string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells[word].Value() == nil {
		delete(r.cells, word)
	}
}

// told is called with every change of a task. Of most of them nobody wants to know.
func (r *results) told(e streams.Entry) {
	r.mu.Lock()
	c := r.cells[taskOf(e.Key)].Value()
	r.mu.Unlock()
	var rec record
	if c != nil && e.Gone == streams.Present && json.Unmarshal(e.Value, &rec) == nil && rec.Status.Ready() {
		c.arrive(rec)
	}
}

// lookAgain has everybody who waits look at the store.
func (r *results) lookAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.again)
	r.again = make(chan struct{})
}

func (r *results) renewed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.again
}

// wait waits until the task of a handle has ended. A fresh one is this client's to
// send, or to be sent by what comes before it: that there is no trace of it yet
// says nothing.
func (r *results) wait(ctx context.Context, h *handle) (record, error) {
	c, expected := h.cell, h.fresh || h.claimed
	known := false
	if clientOf(c.id) == r.c.ids.prefix() {
		if err := r.hear(ctx); err != nil {
			return record{}, err
		}
		known = h.fresh && !c.gone.Load()
	} else {
		stop, err := r.c.store.Notify(ctx, stateKey(c.id), r.told)
		if err != nil {
			return record{}, err
		}
		defer stop()
	}
	for {
		again := r.renewed()
		if !known {
			err := r.look(ctx, c)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				continue // the broker did not answer in time, but there is more time
			}
			if err != nil && (!expected || !errors.Is(err, errNotSent)) {
				return record{}, err
			}
		}
		known = false
		if c.ended() { // first, whatever else has happened
			return c.end, nil
		}
		select {
		case <-c.done:
			return c.end, nil
		case <-again:
		case <-r.c.over:
			return record{}, ErrNotConnected
		case <-ctx.Done():
			return record{}, ctx.Err()
		}
	}
}

// look reads what has become of a task. One that nobody knows is an error. The
// server that leads the store is asked first: another one of its cluster may not
// know of an end of which this client was not told.
func (r *results) look(ctx context.Context, c *cell) error {
	rec, revision, err := r.c.runRecord(ctx, c.id)
	if err == nil && revision == 0 {
		rec, err = r.c.read(ctx, c.id)
	}
	if err != nil {
		return err
	}
	if rec.Status.Ready() {
		c.arrive(rec)
	}
	return nil
}
