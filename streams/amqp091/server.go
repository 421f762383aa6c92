package amqp091

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
)

// A Server accepts AMQP clients and gives each a session on one connection to NATS.
type Server struct {
	nc    *nats.Conn
	cfg   Config
	users map[string]login
	local bool // who is not on this machine may not connect
	nodes map[string]*virtualHost

	connections sync.WaitGroup
}

// New makes a server on a connection to NATS, which stays the caller's to close,
// after Serve has returned.
func New(nc *nats.Conn, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("AMQP server: %w", err)
	}
	users, local := cfg.logins()
	s := &Server{nc: nc, cfg: cfg, users: users, local: local, nodes: make(map[string]*virtualHost)}
	for vhost := range cfg.VHosts {
		s.nodes[vhost] = newVirtualHost(nc, cfg.node(vhost))
	}
	return s, nil
}

// Serve accepts clients until the context ends: then it closes the listener, tells
// every client with 320 and waits, for [Config.CloseTimeout] at most, until they have
// hung up, and returns nil. When it returns, nothing of it is running. An error says
// that the listener failed. Where the process has too many files open to accept
// another client, clients wait until there is room.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.closeNodes()
	defer s.connections.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for name, vhost := range s.nodes {
		s.connections.Go(func() { s.begin(ctx, name, vhost) })
	}
	for {
		conn, err := s.accept(ctx, l)
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			_ = l.Close()
			return fmt.Errorf("accept AMQP clients: %w", err)
		}
		s.connections.Go(func() { newConnection(s, conn).run(ctx) })
	}
}

// The waits between attempts to accept a client where the system has no room for it.
const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// accept accepts a client, as soon as the system has room for one.
func (s *Server) accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		conn, err := l.Accept()
		if err == nil || !passes(err) {
			return conn, err
		}
		s.cfg.Logger.Warn("cannot accept an AMQP client for now", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// passes reports whether a listener that failed may work again: it has run out of
// something that others give back.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS)
}

// begin opens the node of a virtual host before there are clients, since it also stands
// for election as its leader.
func (s *Server) begin(ctx context.Context, name string, vhost *virtualHost) {
	for {
		_, err := vhost.node(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.cfg.Logger.Warn("a virtual host cannot be opened yet", "vhost", name, "error", err)
		select {
		case <-time.After(beginAgain):
		case <-ctx.Done():
			return
		}
	}
}

// beginAgain is how long to wait before it is tried again to open a virtual host.
const beginAgain = time.Second

// closeNodes ends the nodes when their sessions have ended.
func (s *Server) closeNodes() {
	for name, vhost := range s.nodes {
		if err := vhost.close(); err != nil {
			s.cfg.Logger.Warn("could not end a virtual host in good order", "vhost", name, "error", err)
		}
	}
}

// open starts the session of a client.
func (s *Server) open(ctx context.Context, vhost, user string) (*streams.Session, error) {
	if _, ok := s.cfg.VHosts[vhost]; !ok {
		return nil, newError(530, "NOT_ALLOWED", "vhost %s not found", vhost)
	}
	if !s.users[user].mayOpen(vhost) {
		return nil, newError(530, "NOT_ALLOWED", "access to vhost '%s' refused for user '%s'", vhost, user)
	}
	node, err := s.nodes[vhost].node(ctx)
	if err != nil {
		return nil, err
	}
	return node.Open(ctx, streams.SessionOptions{User: user})
}
