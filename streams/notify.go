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
	subs   []*nats.Subscription

	mu      sync.Mutex
	begun   bool    // last is known
	last    uint64  // what was told, or written before
	breaks  int     // counts when something may have been missed
	holding bool    // what comes waits until what was missed is told
	held    []Entry // that waits
	stopped atomic.Bool
}

// Notify calls f with every write to a key that matches a pattern, from when it
// returns until stop is called, or the session ends: with values, and with the
// markers of what expired or was deleted. In a pattern, * is any one word, and > at
// the end is one or more. f is called in the order of the revisions, one at a
// time, and must not block; it may be called once more while stop is. After a lost
// connection, or when another server of a cluster leads the store, it is called with
// what stands of what it may have missed.
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
	t.explainNotify(pattern, words)
	n := &notice{t: t, filter: t.base + "." + words, f: f, holding: true}
	err = n.listen(t.told+"."+words, n.came)
	if err == nil && t.replicated {
		err = n.listen(leaderElected+t.stream, n.led)
	}
	if err == nil {
		err = n.begin(ctx)
	}
	if err != nil {
		n.end()
		return nil, err
	}
	return n, nil
}

// leaderElected is where a cluster tells that a stream has another leader. What the
// last one stored as it went, it may not have told.
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

func (n *notice) led(*nats.Msg) {
	n.hold()
	n.t.s.run(func() { n.catchUp(n.t.s.ctx) })
}

func (n *notice) listen(subject string, f nats.MsgHandler) error {
	sub, err := n.t.s.nc.Subscribe(subject, f)
	if err != nil {
		return err
	}
	n.subs = append(n.subs, sub)
	return sub.SetPendingLimits(-1, -1)
}

// begin begins where the stream is. The answer comes behind the subscription, and
// does not count if something may have been missed meanwhile.
func (n *notice) begin(ctx context.Context) error {
	if !n.t.s.noticed(n) {
		return ErrClosed
	}
	for !n.begun {
		breaks := n.since()
		stream, err := n.t.s.js.Stream(ctx, n.t.stream)
		if err != nil {
			n.t.s.unnoticed(n)
			return n.t.gone(err)
		}
		n.beginAt(stream.CachedInfo().State.LastSeq, breaks)
	}
	return nil
}

func (n *notice) beginAt(last uint64, breaks int) {
	n.t.saw(last)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.breaks == breaks {
		n.begun, n.last = true, last
		n.release()
	}
}

func (n *notice) since() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.breaks
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
	calledBack("the function of Notify", n.f, entry)
}

// hold keeps what comes, from when something may have been missed: that comes
// before it.
func (n *notice) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holding = true
	n.breaks++
}

// release tells what was held. The lock is held.
func (n *notice) release() {
	n.holding = false
	for _, entry := range n.held {
		n.tell(entry)
	}
	n.held = nil
}

// catchUp reads what was missed, for as long as the context. If more may have been
// missed meanwhile, somebody else does.
func (n *notice) catchUp(ctx context.Context) {
	missed, breaks := n.missed()
	if missed == nil {
		return
	}
	if err := missed.toEnd(ctx); err != nil {
		if ctx.Err() == nil {
			n.t.s.cfg.Logger.Warn("could not read what was missed of a store", "store", n.t.name, "error", err)
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.breaks == breaks {
		n.release()
	}
}

// missed is what may have been missed so far; nil while nothing could be.
func (n *notice) missed() (*feed, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.begun {
		return nil, n.breaks
	}
	return &feed{
		t: n.t, filter: n.filter, next: n.last + 1, ends: n.goBack,
		f: func(entry Entry) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.tell(entry)
			return !n.stopped.Load()
		},
	}, n.breaks
}

// goBack goes back to where the stream ends, if a power cut has taken what was told
// last: what comes has the same revisions.
func (n *notice) goBack(end uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = min(n.last, end)
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
	for _, sub := range n.subs {
		_ = sub.Unsubscribe()
	}
}

// noticed notes a notice that is the session's to end; false says that the session
// has ended.
func (s *Session) noticed(n *notice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isClosed() {
		s.notices[n] = struct{}{}
	}
	return !s.isClosed()
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
