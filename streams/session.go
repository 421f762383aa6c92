package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Config is how a node works, and so its sessions. The zero value works.
type Config struct {
	// VHost is the virtual host: letters, digits, - and _. Default: "warren".
	VHost string
	// ShownVHost is what error texts call the virtual host. Default: its name.
	ShownVHost string
	// User is who the session acts for: a message's UserID must be that. Default:
	// the user that the connection to NATS logged in as, if it did with one.
	User string
	// Replicas is how many servers of a cluster keep each stream that this
	// node creates, 1 to 5. Default: 1.
	Replicas int
	// Lease is how long the broker waits for a sign of life from the holder of
	// an unsettled message before it gives the message to another consumer.
	// The session renews it for as long as a message is held, so a handler may
	// take hours; it bounds how long the messages of a killed process stay
	// away. It is fixed for a queue when the queue is created, at least
	// 100ms. Default: 10s.
	Lease time.Duration
	// Lead makes the node stand for election as the leader of the virtual host: the
	// node that deletes queues which expire, see [Queue.Expires]. It is for a program
	// that stays for as long as the broker does, as 'warren serve'. When the leader goes,
	// another such node follows within seconds. Default: the node leads nobody.
	Lead bool
	// Timeout bounds an operation whose context has no deadline, and a confirm
	// that nobody waits for with one. Default: 10s.
	Timeout time.Duration
	// Explain is told what each operation became on JetStream, from the
	// goroutine that does it. Default: nobody is told.
	Explain func(Step)
	// Logger is told what a session does on its own account: recovery, and
	// what it could not clear away. Default: silent.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Lease == 0 {
		c.Lease = 10 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns the error with which [Open] would refuse the configuration, if
// it would.
func (c Config) Validate() error {
	if _, err := newVHost(c.VHost); err != nil {
		return err
	}
	return c.withDefaults().check()
}

func (c Config) check() error {
	switch {
	case c.Replicas < 1 || c.Replicas > 5:
		return fmt.Errorf("replicas is %d; use 1 to 5, at most one a server", c.Replicas)
	case c.Lease < 100*time.Millisecond:
		return fmt.Errorf("lease is %v; use at least 100ms", c.Lease)
	case c.Timeout < 0:
		return fmt.Errorf("timeout is %v; use a positive duration", c.Timeout)
	}
	return nil
}

// A Session is what a connection with its channel is in AMQP: exclusive queues
// belong to it, and so does everything its consumers hold. Its methods may be
// called from any goroutine.
type Session struct {
	*node
	*errands        // its own: they end with the session
	number   uint64 // among the sessions of its node
	user     string // it acts for; "" if nobody knows
	sole     bool   // the node is its own, and closed with it

	closed atomic.Bool
	users  map[string]*user // by queue; the lock of the node's uses guards them

	mu         sync.Mutex
	owned      map[string]struct{} // exclusive queues
	tagged     map[string]*Consumer
	notices    map[*notice]struct{}
	refreshing map[string]bool // the queues being looked at, and whether again
}

// Open starts a session on a connection, which stays the caller's to close,
// after the session. It needs JetStream and a server of version 2.11 or newer,
// and says so when they are not there. A process that acts for many users opens one
// [Node], and sessions on it.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Session, error) {
	return openLeased(ctx, nc, cfg, sessionLease)
}

func openLeased(ctx context.Context, nc *nats.Conn, cfg Config, lease time.Duration) (*Session, error) {
	n, err := openNode(ctx, nc, cfg, lease)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	s, err := n.openSession(SessionOptions{})
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	s.sole = true
	return s, nil
}

func newSession(n *node, login string) *Session {
	return &Session{
		node: n, errands: newErrands(n.ctx), user: login,
		owned:      make(map[string]struct{}),
		users:      make(map[string]*user),
		tagged:     make(map[string]*Consumer),
		notices:    make(map[*notice]struct{}),
		refreshing: make(map[string]bool),
	}
}

// login is the user a connection logged in as; a URL may have a token in the
// place of one, which has no password.
func login(nc *nats.Conn) string {
	if at, err := url.Parse(nc.ConnectedUrl()); err == nil {
		if _, named := at.User.Password(); named {
			return at.User.Username()
		}
	}
	return nc.Opts.User
}

// VHost is the name of the session's virtual host.
func (s *Session) VHost() string { return string(s.vhost) }

// Close ends the session: its consumers stop, everything it holds unsettled is
// handed back, and its exclusive queues are deleted when Close returns. The
// connection stays open. Closing twice is closing once.
func (s *Session) Close(ctx context.Context) error {
	if !s.beginClosing() {
		return nil
	}
	err := s.do(ctx, s.leave)
	s.stop() // also while the rest is held up
	if s.sole {
		s.node.stop()
	}
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// beginClosing says false if the session is closed already. It begins nothing any more.
func (s *Session) beginClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed.Swap(true)
}

// leave ends the session, and its node if that is its own.
func (s *Session) leave(ctx context.Context) error {
	err := s.handBack(ctx)
	s.shut()
	if s.sole {
		s.node.beginClosing()
		return errors.Join(err, s.node.leave(ctx))
	}
	if s.nc.IsClosed() {
		return err
	}
	return errors.Join(err, s.nc.FlushWithContext(ctx))
}

// handBack goes in order: consumers stop before what they hold is handed back,
// and queues go last, when nobody of this session uses them any more.
func (s *Session) handBack(ctx context.Context) error {
	if s.nc.IsClosed() {
		s.cancelAll(nats.ErrConnectionClosed)
		return nil
	}
	err := s.endUsers(ctx)
	for _, queue := range s.ownedQueues() {
		err = errors.Join(err, s.removeOwned(ctx, queue))
	}
	return err
}

// shut stops the goroutines and subscriptions of the session.
func (s *Session) shut() {
	s.stop()
	s.confirms.abandon(s)
	for _, n := range s.allNotices() {
		n.end()
	}
	s.end()
	s.queues.owned.forget(s.ownedQueues()...)
	s.forgetSession(s)
}

func (s *Session) isClosed() bool { return s.closed.Load() }

// whileOpen is do, unless the session is closed.
func (s *Session) whileOpen(ctx context.Context, f func(context.Context) error) error {
	if s.isClosed() {
		return ErrClosed
	}
	return s.do(ctx, f)
}

// owns notes an exclusive queue of this session, and reports whether it was not noted yet.
func (s *Session) owns(queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, noted := s.owned[queue]
	s.owned[queue] = struct{}{}
	return !noted
}

// isOwner reports whether an exclusive queue is this session's. An earlier release that
// changes the record leaves the number of the session out.
func (s *Session) isOwner(rec *queueRecord) bool {
	if rec.Owner != s.id || rec.OwnerSession != 0 {
		return rec.Owner == s.id && rec.OwnerSession == s.number
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.owned[rec.Name]
	return is
}

func (s *Session) disowns(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owned, queue)
}

func (s *Session) ownedQueues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.owned))
}

// removeOwned deletes an exclusive queue of this session, if it is still that.
func (s *Session) removeOwned(ctx context.Context, queue string) error {
	if rec, _ := s.queues.owned.record(queue); rec != nil && s.isOwner(rec) {
		known, err := s.queues.changeKnown(ctx, rec, func(c *queueChange) error { return c.remove(ctx) })
		if known && !errors.Is(err, errConflict) {
			return err
		}
	}
	rec := new(queueRecord)
	revision, err := s.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 || !s.isOwner(rec) {
		return err
	}
	return s.queues.remove(ctx, queue, rec.Life)
}

// newID makes a name that nobody else has.
func newID() string { return nuid.Next() }
