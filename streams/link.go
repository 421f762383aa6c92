package streams

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// A link is a node's use of its connection to NATS: whether it is there, who writes to it
// next, and what its server can do. Link's lock is taken with no other one held.
type link struct {
	*site
	*errands
	nc      *nats.Conn
	watched *watch
	// changed deals with a state of the connection; listen is called before anything is
	// written that is answered. Both are set before the first use.
	changed func(context.Context, nats.Status)
	listen  func() error

	writes     chan func() // to the connection
	writing    atomic.Bool // somebody does them
	maxPayload atomic.Int64
	noBatches  atomic.Bool

	mu         sync.Mutex
	online     chan struct{} // closed while connected
	statuses   []nats.Status // of the connection, to be dealt with
	following  bool          // somebody does that
	overStatus context.CancelFunc
}

func newLink(nc *nats.Conn, at *site, e *errands) *link {
	l := &link{site: at, errands: e, nc: nc, writes: make(chan func()), online: make(chan struct{})}
	close(l.online)
	return l
}

// noteServer notes what the server of the connection can do. To ask then would
// wait where the server has stopped reading.
func (l *link) noteServer() {
	l.maxPayload.Store(l.nc.MaxPayload())
	version := l.nc.ConnectedServerVersion()
	l.noBatches.Store(version != "" && olderThan(version, 2, 12))
}

// follow deals with a state of the connection, after those before it, in an errand.
func (l *link) follow(status nats.Status) {
	l.mu.Lock()
	l.statuses = append(l.statuses, status)
	begins := !l.following
	l.following = true
	l.mu.Unlock()
	if begins {
		l.run(l.followAll)
	}
}

// followAll deals with all states that there are.
func (l *link) followAll() {
	for {
		ctx, status, ok := l.nextStatus()
		if !ok {
			return
		}
		l.changed(ctx, status)
	}
}

// nextStatus is the next state, if there is one. It ends what was done about the last.
func (l *link) nextStatus() (context.Context, nats.Status, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.statuses) == 0 || l.ctx.Err() != nil {
		l.following = false
		return nil, 0, false
	}
	if l.overStatus != nil {
		l.overStatus()
	}
	status := l.statuses[0]
	l.statuses = l.statuses[1:]
	ctx, over := context.WithCancel(l.ctx)
	l.overStatus = over
	return ctx, status, true
}

// goOnline opens the gate that publishers wait at, unless the connection was
// lost since.
func (l *link) goOnline(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil && !isClosed(l.online) {
		close(l.online)
	}
}

func (l *link) goOffline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.online) {
		l.online = make(chan struct{})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitOnline waits for the connection, so that nothing is left in a buffer
// that may or may not be sent. The connection itself cannot be asked: it is
// locked while a write is under way, which a stalled broker may hold up.
func (l *link) awaitOnline(ctx context.Context) error {
	l.mu.Lock()
	online := l.online
	l.mu.Unlock()
	if isClosed(online) {
		return nil
	}
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	select {
	case <-online:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writer hands what the node publishes to the connection, one write at a time, until
// the node ends. A broker that has stopped reading holds it up, and nobody
// else.
func (l *link) writer() {
	for {
		select {
		case write := <-l.writes:
			// Where nobody can listen, nothing can be written either, and that says so.
			_ = l.listen()
			write()
		case <-l.ctx.Done():
			return
		}
	}
}

// beginWriting starts the writer, which nobody waits for: it may be held up for as long
// as the connection.
func (l *link) beginWriting() {
	if !l.writing.Load() && !l.writing.Swap(true) {
		go l.writer()
	}
}

// awaitWritten waits until what was published is handed to the connection.
func (l *link) awaitWritten() {
	if l.writing.Load() {
		l.inTurn(func() {})
	}
}

// inTurn does what writes to the connection by itself, when it is its turn; false
// says that the node has ended.
func (l *link) inTurn(f func()) bool {
	l.beginWriting()
	done := make(chan struct{})
	select {
	case l.writes <- func() { defer close(done); f() }:
		<-done
		return true
	case <-l.ctx.Done():
		return false
	}
}

// settleRaw says a verdict of a message.
func (l *link) settleRaw(reply string, v verdict) error {
	if v == verdictLapse {
		return nil
	}
	return l.nc.Publish(reply, verdictBytes[v])
}

// keepsMemory reports whether what is in memory is there for as long as the
// broker's life lasts: one server of a cluster may go alone.
func (l *link) keepsMemory() bool {
	return l.cfg.Replicas > 1 || l.nc.ConnectedClusterName() == ""
}
