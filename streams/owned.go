package streams

import (
	"context"
	"sync"
)

// An exclusive queue has one owner, and ends with it. So its record is marked as held by its
// owner's node all the time: the node need not mark it before it changes the queue, nor take
// the mark away afterwards. Somebody else may have to change the queue, too, as when an
// exchange ends that it is bound to, and asks the node before, as of every queue that is
// held. Whether its last change has failed half way, the node knows, and says. If it has
// died, the queue goes, and what was half done goes with it.
//
// The node also keeps the record as it wrote it last, and need not read it. Where somebody
// else has written it since, who may have taken the node for dead, the next compare-and-set
// fails, before anything was changed, and the record is read again.

// ownedQueues are the exclusive queues of a node's sessions, by name. The zero value works.
type ownedQueues struct {
	mu    sync.Mutex
	known map[string]ownedQueue
}

type ownedQueue struct {
	rec      *queueRecord // which nobody changes; nil: it is to be read
	revision uint64
	half     bool // its streams and consumers may not be what the record says
}

// note notes the end of a change of a queue. One that has failed before it wrote anything
// has changed nothing.
func (o *ownedQueues) note(c *queueChange, complete bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	there := o.known[c.rec.Name]
	switch {
	case c.removed:
		delete(o.known, c.rec.Name)
		return
	case c.assumed && complete:
		return
	case c.assumed:
		there.rec = nil
	case complete:
		there = ownedQueue{rec: c.rec, revision: c.revision}
	default:
		there = ownedQueue{half: true}
	}
	if o.known == nil {
		o.known = make(map[string]ownedQueue)
	}
	o.known[c.rec.Name] = there
}

// whole reports whether the node knows that nothing of a queue is half changed.
func (o *ownedQueues) whole(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	there, known := o.known[name]
	return known && !there.half
}

// record is the record of a queue as the node wrote it last; nil if it is to be read.
func (o *ownedQueues) record(name string) (*queueRecord, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	there := o.known[name]
	return there.rec, there.revision
}

func (o *ownedQueues) forget(names ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range names {
		delete(o.known, name)
	}
}

// forgetRecords has all records read again, when others may have changed them.
func (o *ownedQueues) forgetRecords() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, there := range o.known {
		there.rec = nil
		o.known[name] = there
	}
}

// owned reports whether the queue is a session's of this node.
func (c *queueChange) owned() bool { return c.rec.Owner == c.q.id }

// isWhole reports whether a record that is held is held by this node for the life of its
// queue, of which nothing is half changed.
func (qs *queues) isWhole(rec *queueRecord) bool {
	return rec.Busy == qs.id && rec.Owner == qs.id && qs.owned.whole(rec.Name)
}

// knownQueue is needQueue for who is about to change the queue: a record that the session
// has written itself need not be read.
func (s *Session) knownQueue(ctx context.Context, name string) (*queueRecord, error) {
	rec, _ := s.queues.owned.record(name)
	if rec != nil && s.isOwner(rec) && s.epoch.standsQueue(rec) && !s.isClosed() {
		return rec, nil
	}
	return s.needQueue(ctx, name)
}

// changeKnown changes a queue whose record the node knows, as knownQueue gave it. False says
// that it does not know it any more, or never did. f writes the record before it changes
// anything that hangs on it. errConflict says that the record is not that any more.
func (qs *queues) changeKnown(ctx context.Context, rec *queueRecord, f func(*queueChange) error) (known bool, err error) {
	unlock, err := qs.locks.Lock(ctx, rec.Name)
	if err != nil {
		return true, err
	}
	defer unlock()
	now, revision := qs.owned.record(rec.Name)
	if now == nil || now.Life != rec.Life {
		return false, nil
	}
	change := &queueChange{q: qs, rec: now.clone(), revision: revision, assumed: true}
	return true, change.run(f)
}

// changeQueue changes a queue that knownQueue gave. errConflict says that it has changed
// since the session knew it.
func (s *Session) changeQueue(ctx context.Context, rec *queueRecord, f func(*queueChange) error) error {
	if known, err := s.queues.changeKnown(ctx, rec, f); known {
		return err
	}
	return s.queues.change(ctx, rec.Name, f)
}
