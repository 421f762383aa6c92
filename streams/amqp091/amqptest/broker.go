// Package amqptest gives a test a broker that speaks AMQP 0-9-1, as package httptest
// gives it an HTTP server: a real one, with nothing to install, that can be stopped
// and started again.
//
//	broker := amqptest.Start(t)
//	conn, err := amqp.Dial(broker.URL())
//
// It keeps durable queues and persistent messages in a directory of the test's, and
// ends with the test. Many may run side by side.
package amqptest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/streams/amqp091"
)

// A Broker is a broker of a test. Its methods are called from the test's goroutine,
// and fail the test where they cannot do what they say.
type Broker struct {
	tb     testing.TB
	dir    string
	port   string // that it has for its whole life
	server *running
}

// running is a broker between its start and its stop.
type running struct {
	listener *listener
	stop     context.CancelFunc
	served   chan error
	nc       *nats.Conn
	nats     *embedded.Server
}

// Start starts a broker on a free port of 127.0.0.1, with the virtual host "/" and the
// user guest with the password guest. It ends with the test.
func Start(tb testing.TB) *Broker {
	tb.Helper()
	b := &Broker{tb: tb, dir: tb.TempDir(), port: "0"}
	tb.Cleanup(b.Stop)
	b.Restart()
	return b
}

// URL is where clients connect to, the same after a restart.
func (b *Broker) URL() string { return "amqp://guest:guest@127.0.0.1:" + b.port + "/" }

// Stop stops the broker in good order, as a service manager does: its clients are
// told, with 320, and durable queues keep their persistent messages. Stopping twice is
// stopping once.
func (b *Broker) Stop() {
	b.tb.Helper()
	b.end(func(*running) {})
}

// Kill stops the broker without a word: its clients' connections break. What a broker
// keeps that is killed is what it keeps here.
func (b *Broker) Kill() {
	b.tb.Helper()
	b.end(func(r *running) { r.listener.cut() })
}

// Restart starts the broker again on the same port; one that runs is stopped first.
func (b *Broker) Restart() {
	b.tb.Helper()
	b.Stop()
	server, err := start(b.dir, net.JoinHostPort("127.0.0.1", b.port))
	if err != nil {
		b.tb.Fatalf("start a broker: %v", err)
	}
	b.server = server
	_, b.port, _ = net.SplitHostPort(server.listener.Addr().String())
}

func (b *Broker) end(before func(*running)) {
	if b.server == nil {
		return
	}
	before(b.server)
	if err := b.server.end(); err != nil {
		b.tb.Errorf("stop the broker: %v", err)
	}
	b.server = nil
}

func start(dir, address string) (*running, error) {
	server, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	r := &running{nats: server, served: make(chan error, 1)}
	if r.nc, err = server.Connect(); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		r.nc.Close()
		return nil, errors.Join(err, server.Close())
	}
	r.listener = &listener{Listener: l, open: make(map[net.Conn]struct{})}
	front, err := amqp091.New(r.nc, amqp091.Config{})
	if err != nil {
		return nil, errors.Join(err, l.Close(), server.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.served <- front.Serve(ctx, r.listener) }()
	return r, nil
}

// end stops the clients' side before the broker's, so that sessions end in order.
func (r *running) end() error {
	r.stop()
	err := <-r.served
	r.nc.Close()
	return errors.Join(err, r.nats.Close())
}

// A listener knows its connections, so that it can cut them.
type listener struct {
	net.Listener

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// Accept accepts a connection and remembers it.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[conn] = struct{}{}
	return &connection{conn, l}, nil
}

// cut breaks all connections, and what is on its way to a client is lost.
func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// A connection is forgotten when it is closed.
type connection struct {
	net.Conn
	l *listener
}

// Close closes the connection.
func (c *connection) Close() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	delete(c.l.open, c.Conn)
	return c.Conn.Close()
}
