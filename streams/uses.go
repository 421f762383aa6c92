package streams

import (
	"context"
	"maps"
	"slices"
	"sync"

	"warren/streams/internal/jsapi"
)

// Uses are how the sessions of a node use queues. The broker knows of a node, and not of
// its sessions: their uses of one queue are one registration.
type uses struct {
	*site
	registry  *registry
	enrolling jsapi.KeyedLocks // by queue: telling the broker

	// The lock guards who uses which queue, so that joining and leaving are one decision.
	// No request is made with it held. Consumers' and windows' locks are taken after it.
	mu      sync.Mutex
	byQueue map[string][]*user
	asking  map[string]*dispatcher // of the queues that have users
	told    map[string]standing    // to the broker, by queue
}

func newUses(at *site, g *registry) *uses {
	return &uses{site: at, registry: g, byQueue: make(map[string][]*user), asking: make(map[string]*dispatcher), told: make(map[string]standing)}
}

// A standing is what the broker knows of a node's use of a queue.
type standing struct {
	use  usage
	most int // messages that it holds, see registration
}

// usage is how a node uses a queue.
type usage uint8

const (
	unregistered usage = iota
	using
	consuming
	doubtful // it is being told, or may not have heard
)

// of lists the users of a queue.
func (n *uses) of(queue string) []*user {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.byQueue[queue])
}

// queues lists the queues that have users.
func (n *uses) queues() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.byQueue))
}

// begin gives the dispatcher of a queue, a new one to the first user. The lock is held.
func (n *uses) begin(queue string, h host) *dispatcher {
	if n.asking[queue] == nil {
		n.asking[queue] = newDispatcher(queue, h)
	}
	return n.asking[queue]
}

// dispatcher is that of a queue; nil says that no session uses the queue.
func (n *uses) dispatcher(queue string) *dispatcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asking[queue]
}

// goOn has the messages of a queue asked for again, when all its users know what it is now.
// After a reconnection the server has forgotten all requests.
func (n *uses) goOn(queue string, reconnected bool) {
	d := n.dispatcher(queue)
	switch {
	case d == nil:
	case reconnected:
		d.askAgain()
	default:
		d.lookedAgain()
	}
}

// enter adds a user of a queue. The lock is held.
func (n *uses) enter(u *user) {
	n.byQueue[u.queue] = append(n.byQueue[u.queue], u)
	u.s.users[u.queue] = u
}

// leave takes a user out. The lock is held.
func (n *uses) leave(u *user) {
	delete(u.s.users, u.queue)
	left := slices.DeleteFunc(n.byQueue[u.queue], func(other *user) bool { return other == u })
	if len(left) == 0 {
		delete(n.byQueue, u.queue)
		delete(n.asking, u.queue)
		close(u.d.over)
		return
	}
	n.byQueue[u.queue] = left
}

// known is the record of a queue as the node was told of it; nil if the broker does not
// know yet that the node consumes the queue, if the node may have missed a change, or if
// the session may not use the queue.
func (n *uses) known(u *user) *queueRecord {
	n.mu.Lock()
	told := n.told[u.queue].use == consuming
	users := slices.Clone(n.byQueue[u.queue])
	n.mu.Unlock()
	if !told {
		return nil
	}
	var rec *queueRecord
	for _, other := range users {
		theirs := other.record()
		switch {
		case theirs == nil:
		case !other.isCurrent():
			return nil
		case rec == nil || rec.Life == theirs.Life && rec.Version < theirs.Version:
			rec = theirs
		case rec.Life != theirs.Life:
			return nil
		}
	}
	if rec == nil || rec.Owner != "" {
		return nil
	}
	return rec
}

// consumesWith reports whether a queue has another consumer in this node that shares it:
// then nobody claims it.
func (n *uses) consumesWith(c *Consumer) bool {
	for _, u := range n.of(c.queue) {
		for _, other := range u.list() {
			if other != c && !other.opts.Exclusive && other.consumes() && !other.isApplying() {
				return true
			}
		}
	}
	return false
}

// enroll tells the broker how this node uses a queue now, unless it knows. It is called
// after each change of that, and tells one thing at a time, so that what holds last is
// what it is told last.
func (n *uses) enroll(ctx context.Context, queue string) error {
	if n.knows(queue) {
		return nil
	}
	return n.enrollAnew(ctx, queue)
}

// enrollAnew tells the broker also what it may have known before it was
// started again.
func (n *uses) enrollAnew(ctx context.Context, queue string) error {
	unlock, err := n.enrolling.Lock(ctx, queue)
	if err != nil {
		return err
	}
	defer unlock()
	now := n.beginEnrolling(queue)
	if now.use == unregistered {
		err = n.registry.unregister(ctx, queue)
	} else {
		err = n.registry.register(ctx, registration{Queue: queue, Session: n.id, Consuming: now.use == consuming, Most: now.most})
	}
	if err == nil {
		n.enrolled(queue, now)
	}
	return err
}

// stands is how the node uses a queue. The lock is held.
func (n *uses) stands(queue string) (now standing) {
	for _, u := range n.byQueue[queue] {
		if now.use == unregistered {
			now.use = using
		}
		if u.consumed {
			now.use = consuming
		}
		now.most = addLimits(now.most, u.most())
	}
	return now
}

func (n *uses) knows(queue string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.told[queue] == n.stands(queue)
}

func (n *uses) beginEnrolling(queue string) standing {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told[queue] = standing{use: doubtful}
	return n.stands(queue)
}

func (n *uses) enrolled(queue string, now standing) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told[queue] = now
	if now.use == unregistered {
		delete(n.told, queue)
	}
}

// enrollUntold tells the broker what it could not be told when it was due.
func (n *uses) enrollUntold(ctx context.Context) {
	for _, queue := range n.untold() {
		if n.enroll(ctx, queue) != nil {
			return // whoever tried first has said so
		}
	}
}

func (n *uses) untold() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var queues []string
	for queue, told := range n.told {
		if told != n.stands(queue) {
			queues = append(queues, queue)
		}
	}
	return queues
}
