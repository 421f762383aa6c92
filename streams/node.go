package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A Node is a process's part of a virtual host: what all its sessions share. It has one
// inbox for confirms, one record that it is there, one registration for each queue that
// its sessions use, and it knows the exchanges that they publish to. Open a node, and a
// session on it for each user, where a process acts for many, as a server does for its
// clients. A program that acts for itself needs no node: see [Open]. The methods of a
// node may be called from any goroutine.
type Node struct{ n *node }

// OpenNode opens a node on a connection, which stays the caller's to close, after the
// node. It needs JetStream and a server of version 2.11 or newer, and says so when they
// are not there. Sessions have the settings of the node.
func OpenNode(ctx context.Context, nc *nats.Conn, cfg Config) (*Node, error) {
	n, err := openNode(ctx, nc, cfg, sessionLease)
	if err != nil {
		return nil, fmt.Errorf("open node: %w", err)
	}
	return &Node{n}, nil
}

// SessionOptions is what a session on a node has of its own. The zero value works.
type SessionOptions struct {
	// User is who the session acts for: a message's UserID must be that. Default:
	// the node's [Config.User].
	User string
}

// Open opens a session on the node. It asks nothing of the broker. Exclusive queues of the
// session, its consumers and what they hold are its own, and end with it.
func (n *Node) Open(ctx context.Context, o SessionOptions) (*Session, error) {
	err := ctx.Err()
	if err == nil {
		var s *Session
		if s, err = n.n.openSession(o); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("open session: %w", err)
}

// Close closes all sessions of the node, as [Session.Close] does, and ends the node. The
// connection stays open. Closing twice is closing once.
func (n *Node) Close(ctx context.Context) error {
	if err := n.n.close(ctx); err != nil {
		return fmt.Errorf("close node: %w", err)
	}
	return nil
}

// node is the inside of a Node. A session has it, too.
type node struct {
	*site
	*errands
	*link
	live       *live
	topology   *topology
	clock      *brokerClock
	epoch      *epoch
	attendance *attendance
	registry   *registry
	peers      *peers
	reader     *reader
	exchanges  *exchanges
	queues     *queues
	contents   *contents
	uses       *uses
	janitor    *janitor
	confirms   *confirms
	batchers   batchers
	places     atomic.Uint64 // counts messages for later
	tags       atomic.Uint64 // counts consumers without a tag of their own

	mu       sync.Mutex
	sessions map[uint64]*Session
	opened   uint64 // how many there ever were
	closed   bool
}

// A site is where a node works: JetStream, the virtual host, how the node is configured,
// and the node's id. It does not change once the node is open.
type site struct {
	js    jsapi.Client
	vhost vhost
	cfg   Config
	id    string
}

func openNode(ctx context.Context, nc *nats.Conn, cfg Config, lease time.Duration) (*node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	v, err := newVHost(cfg.VHost)
	if err != nil {
		return nil, err
	}
	cfg.ShownVHost = cmp.Or(cfg.ShownVHost, string(v))
	n := newNode(nc, v, cfg, lease)
	return within(ctx, n,
		func(ctx context.Context) (*node, error) { return n, n.start(ctx) },
		func(n *node) { _ = n.close(context.Background()) })
}

// newNode puts a node together; nothing is asked of the broker.
func newNode(nc *nats.Conn, v vhost, cfg Config, lease time.Duration) *node {
	at := &site{vhost: v, cfg: cfg, id: newID()}
	n := &node{
		site: at, errands: newErrands(context.Background()), live: &live{site: at},
		sessions: make(map[uint64]*Session),
	}
	n.link = newLink(nc, at, n.errands)
	n.clock = &brokerClock{site: at, link: n.link, wasSet: n.clockWasSet}
	n.epoch = &epoch{site: at, live: n.live, clock: n.clock}
	n.topology = newTopology(at)
	n.attendance = &attendance{site: at, link: n.link, live: n.live, lease: lease}
	n.registry = &registry{site: at, live: n.live, topology: n.topology}
	n.peers = &peers{site: at, errands: n.errands, link: n.link, registry: n.registry, attendance: n.attendance, answer: n.answer}
	n.reader = &reader{site: at, link: n.link}
	n.exchanges = &exchanges{
		site: at, link: n.link, topology: n.topology, epoch: n.epoch, reader: n.reader, peers: n.peers,
	}
	n.queues = &queues{
		site: at, link: n.link, topology: n.topology, live: n.live, clock: n.clock, epoch: n.epoch, reader: n.reader,
		registry: n.registry, peers: n.peers, exchanges: n.exchanges, gone: n.queueGone,
	}
	n.exchanges.queues = n.queues
	n.contents = &contents{
		site: at, link: n.link, live: n.live, clock: n.clock, epoch: n.epoch, reader: n.reader,
		registry: n.registry, peers: n.peers, queues: n.queues,
	}
	n.uses = newUses(at, n.registry)
	n.janitor = &janitor{n}
	n.confirms = newConfirms(n)
	n.batchers.n = n
	connection := n.link
	connection.listen, connection.changed = n.confirms.listen, n.connectionChanged
	return n
}

// start makes the node ready, or leaves nothing of it.
func (n *node) start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			n.shut()
		}
	}()
	if err := n.connect(ctx); err != nil {
		return err
	}
	if err := n.peers.listenControl(); err != nil {
		return err
	}
	if err := n.listenEarly(); err != nil {
		return err
	}
	if err := n.openLive(ctx); err != nil {
		return err
	}
	if err := n.attendance.appearFirst(ctx); err != nil {
		return err
	}
	n.clock.compare()
	n.noteServer()
	n.watch()
	n.every(rounds, n.janitor.round)
	n.stayPresent()
	if n.cfg.Lead {
		n.run(n.lead)
	}
	return nil
}

// connect checks that the server can do what a node needs, and opens the records.
func (n *node) connect(ctx context.Context) error {
	if err := checkServer(n.nc); err != nil {
		return err
	}
	js, err := jetstream.New(n.nc)
	if err != nil {
		return err
	}
	n.js.JetStream = js
	return hintJetStream(n.topology.open(ctx))
}

func (n *node) openSession(o SessionOptions) (*Session, error) {
	s := newSession(n, cmp.Or(o.User, n.cfg.User, login(n.nc)))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	n.opened++
	s.number = n.opened
	n.sessions[s.number] = s
	return s, nil
}

func (n *node) close(ctx context.Context) error {
	if !n.beginClosing() {
		return nil
	}
	defer n.stop() // also while the rest is held up
	return n.do(ctx, func(ctx context.Context) error {
		var errs error
		for _, s := range n.allSessions() {
			errs = errors.Join(errs, s.Close(ctx))
		}
		return errors.Join(errs, n.leave(ctx))
	})
}

// beginClosing says false if the node is closed already. No session opens any more.
func (n *node) beginClosing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.closed
	n.closed = true
	return first
}

// leave ends a node that has no sessions any more.
func (n *node) leave(ctx context.Context) error {
	defer n.shut()
	if n.nc.IsClosed() {
		return nil
	}
	n.attendance.withdraw(ctx)
	n.awaitWritten()
	return n.nc.FlushWithContext(ctx)
}

// shut stops the goroutines and subscriptions of the node.
func (n *node) shut() {
	n.stop()
	n.peers.control.end()
	n.exchanges.changes.end()
	n.unwatch()
	n.confirms.close()
	n.end()
}

func (n *node) allSessions() []*Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.sessions))
}

// session is the open session of a number; nil if it was closed.
func (n *node) session(number uint64) *Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sessions[number]
}

// forgetSession takes a session out that was closed.
func (n *node) forgetSession(s *Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sessions, s.number)
}

// queueGone has the session that owned a queue forget it.
func (n *node) queueGone(rec *queueRecord) {
	if rec.Owner != n.id {
		return
	}
	if s := n.session(rec.OwnerSession); s != nil {
		s.disowns(rec.Name)
	}
}

// cancelAll tells every consumer that it is over.
func (n *node) cancelAll(err error) {
	for _, s := range n.allSessions() {
		s.cancelAll(err)
	}
}

func (n *node) allNotices() []*notice {
	var list []*notice
	for _, s := range n.allSessions() {
		list = append(list, s.allNotices()...)
	}
	return list
}

// minServer is the first server with message traces and per-message expiry.
const minServer = "2.11"

func checkServer(nc *nats.Conn) error {
	if nc.IsClosed() {
		return nats.ErrConnectionClosed
	}
	version := nc.ConnectedServerVersion()
	if version != "" && olderThan(version, 2, 11) {
		return fmt.Errorf("the NATS server at %s is version %s; Warren needs %s or newer", nc.ConnectedUrlRedacted(), version, minServer)
	}
	return nil
}

func olderThan(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	have, err1 := strconv.Atoi(parts[0])
	haveMinor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return have < major || have == major && haveMinor < minor
}

// hintJetStream says what to do when the server has no JetStream.
func hintJetStream(err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("the NATS server has no JetStream; start it with JetStream enabled (nats-server -js): %w", err)
	}
	return err
}
