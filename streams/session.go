package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Config is how a session works. The zero value works.
type Config struct {
	// VHost is the virtual host: letters, digits, - and _. Default: "warren".
	VHost string
	// ShownVHost is what error texts call the virtual host. Default: its name.
	ShownVHost string
	// User is who the session acts for: a message's UserID must be that. Default:
	// the user that the connection to NATS logged in as, if it did with one.
	User string
	// Replicas is how many servers of a cluster keep each stream that this
	// session creates, 1 to 5. Default: 1.
	Replicas int
	// Lease is how long the broker waits for a sign of life from the holder of
	// an unsettled message before it gives the message to another consumer.
	// The session renews it for as long as a message is held, so a handler may
	// take hours; it bounds how long the messages of a killed process stay
	// away. It is fixed for a queue when the queue is created, at least
	// 100ms. Default: 10s.
	Lease time.Duration
	// Lead makes the session stand for election as the leader of the virtual host: the
	// session that deletes queues which expire, see [Queue.Expires]. It is for a program
	// that stays for as long as the broker does, as 'warren serve'. When the leader goes,
	// another such session follows within seconds. Default: the session leads nobody.
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
	login string // the user the connection logged in as, if it did with one

	mu         sync.Mutex
	closed     bool
	owned      map[string]struct{}
	users      map[string]*user
	told       map[string]standing // to the broker, by queue
	tagged     map[string]*Consumer
	notices    map[*notice]struct{}
	tags       uint64
	refreshing map[string]bool // the queues being looked at, and whether again
}

// Open starts a session on a connection, which stays the caller's to close,
// after the session. It needs JetStream and a server of version 2.11 or newer,
// and says so when they are not there.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Session, error) {
	return openLeased(ctx, nc, cfg, sessionLease)
}

func openLeased(ctx context.Context, nc *nats.Conn, cfg Config, lease time.Duration) (*Session, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	v, err := newVHost(cfg.VHost)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	cfg.ShownVHost = cmp.Or(cfg.ShownVHost, string(v))
	s := &Session{
		node:       newNode(nc, v, cfg, lease),
		owned:      make(map[string]struct{}),
		users:      make(map[string]*user),
		told:       make(map[string]standing),
		tagged:     make(map[string]*Consumer),
		notices:    make(map[*notice]struct{}),
		refreshing: make(map[string]bool),
	}
	s.confirms = newConfirms(s)
	connection := s.link
	connection.listen, connection.changed = s.confirms.listen, s.connectionChanged
	s.peers.answer = s.answer
	s.clock.wasSet = s.clockWasSet
	_, err = within(ctx, s,
		func(ctx context.Context) (*Session, error) { return s, s.open(ctx) },
		func(s *Session) { _ = s.Close(context.Background()) })
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// open makes the session ready, or leaves nothing of it.
func (s *Session) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.shut()
		}
	}()
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.peers.listenControl(); err != nil {
		return err
	}
	if err := s.listenEarly(); err != nil {
		return err
	}
	if err := s.openLive(ctx); err != nil {
		return err
	}
	if err := s.attendance.appearFirst(ctx); err != nil {
		return err
	}
	s.clock.compare()
	s.noteServer()
	s.login = cmp.Or(s.cfg.User, login(s.nc))
	s.watch()
	s.every(rounds, s.janitor)
	s.stayPresent()
	if s.cfg.Lead {
		s.run(s.lead)
	}
	return nil
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
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	err := s.do(ctx, func(ctx context.Context) error {
		defer s.shut()
		return s.leave(ctx)
	})
	s.stop() // also while the rest is held up
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}

// leave goes in order: consumers stop before what they hold is handed back,
// and queues go last, when nobody of this session uses them any more.
func (s *Session) leave(ctx context.Context) error {
	if s.nc.IsClosed() {
		s.cancelAll(nats.ErrConnectionClosed)
		return nil
	}
	err := s.endUsers(ctx)
	for _, queue := range s.ownedQueues() {
		err = errors.Join(err, s.removeOwned(ctx, queue))
	}
	s.attendance.withdraw(ctx)
	s.awaitWritten()
	return errors.Join(err, s.nc.FlushWithContext(ctx))
}

// shut stops the goroutines and subscriptions of the session.
func (s *Session) shut() {
	s.stop()
	s.peers.control.end()
	s.changes.end()
	for _, n := range s.allNotices() {
		n.end()
	}
	s.unwatch()
	s.confirms.close()
	s.end()
}

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// owns notes an exclusive queue of this session.
func (s *Session) owns(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owned[queue] = struct{}{}
}

func (s *Session) disowns(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owned, queue)
}

func (s *Session) ownedQueues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	queues := make([]string, 0, len(s.owned))
	for queue := range s.owned {
		queues = append(queues, queue)
	}
	return queues
}

// removeOwned deletes an exclusive queue of this session, if it is still that.
func (s *Session) removeOwned(ctx context.Context, queue string) error {
	rec := new(queueRecord)
	revision, err := s.topology.get(ctx, queueKey(queue), rec)
	if err != nil || revision == 0 || rec.Owner != s.id {
		return err
	}
	return s.removeQueue(ctx, queue, rec.Life)
}

// newID makes a name that nobody else has.
func newID() string { return nuid.Next() }
