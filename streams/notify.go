package streams

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// A notice tells somebody of the writes to a store as they come, in the order of
// their revisions. What it missed while the connection was lost it reads.
type notice struct {
	t      *Store
	filter string
	f      func(Entry)
	sub    *nats.Subscription

	mu      sync.Mutex
	last    uint64  // what was told, or written before
	holding bool    // what comes waits until what was missed is told
	held    []Entry // that waits
	stopped atomic.Bool
}

// Notify calls f with every write to a key that matches a pattern, from when it
// returns until stop is called, or the session ends: with values, and with the
// markers of what expired or was deleted. In a pattern, * is any one word, and > at
// the end is one or more. f is called in the order of the revisions, one at a
// time, and must not block; it may be called once more while stop is. After a lost
// connection it is called with what stands of what was written meanwhile. In a
// cluster, a write may be missed when the server goes that leads the store:
// [Store.Follow] misses none.
func (t *Store) Notify(ctx context.Context, pattern string, f func(Entry)) (stop func(), err error) {
	n, err := within(ctx, t.s,
		func(ctx context.Context) (*notice, error) { return t.notify(ctx, pattern, f) },
		func(n *notice) { n.stop() })
	if err != nil {
		return nil, fmt.Errorf("notify of %q in store %q: %w", pattern, t.name, err)
	}
	return n.stop, nil
}

func (t *Store) notify(ctx context.Context, pattern string, f func(Entry)) (*notice, error) {
	words, err := patternSubject(pattern)
	if err != nil {
		return nil, err
	}
	n := &notice{t: t, filter: t.base + "." + words, f: f, holding: true}
	if n.sub, err = t.s.nc.Subscribe(t.told+"."+words, n.came); err != nil {
		return nil, err
	}
	if err := n.begin(ctx); err != nil {
		n.end()
		return nil, err
	}
	return n, nil
}

// begin begins where the stream is. The answer comes behind the subscription.
func (n *notice) begin(ctx context.Context) error {
	if err := n.sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if !n.t.s.noticed(n) {
		return ErrClosed
	}
	stream, err := n.t.s.js.Stream(ctx, n.t.stream)
	if err != nil {
		n.t.s.unnoticed(n)
		return n.t.gone(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = stream.CachedInfo().State.LastSeq
	n.release()
	return nil
}

func (n *notice) came(msg *nats.Msg) {
	entry, ok := n.t.entryOf(msg)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holding {
		n.held = append(n.held, entry)
		return
	}
	n.tell(entry)
}

// tell tells an entry unless it, or a later one, was told. The lock is held.
func (n *notice) tell(entry Entry) {
	if entry.Revision <= n.last || n.stopped.Load() {
		return
	}
	n.last = entry.Revision
	n.t.saw(entry.Revision)
	n.f(entry)
}

// hold keeps what comes, from when the connection is lost: what was missed comes
// before it.
func (n *notice) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holding = true
}

// release tells what was held. The lock is held.
func (n *notice) release() {
	n.holding = false
	for _, entry := range n.held {
		n.tell(entry)
	}
	n.held = nil
}

// catchUp reads what was missed, for as long as the connection that is back stays.
func (n *notice) catchUp(ctx context.Context) {
	n.mu.Lock()
	from := n.last + 1
	n.mu.Unlock()
	missed := &feed{t: n.t, filter: n.filter, next: from, f: func(entry Entry) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.tell(entry)
		return !n.stopped.Load()
	}}
	err := missed.toEnd(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.release()
	}
}

// stop ends a notice. A broker that has stopped reading may hold up the
// connection: nobody waits for that.
func (n *notice) stop() {
	n.stopped.Store(true)
	if n.t.s.unnoticed(n) {
		n.t.s.run(n.end)
	}
}

func (n *notice) end() {
	n.stopped.Store(true)
	_ = n.sub.Unsubscribe()
}

// noticed notes a notice that is the session's to end; false says that the session
// has ended.
func (s *Session) noticed(n *notice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.notices[n] = struct{}{}
	}
	return !s.closed
}

// unnoticed says whether there was anything to end.
func (s *Session) unnoticed(n *notice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.notices[n]
	delete(s.notices, n)
	return is
}

func (s *Session) allNotices() []*notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*notice, 0, len(s.notices))
	for n := range s.notices {
		list = append(list, n)
	}
	return list
}
