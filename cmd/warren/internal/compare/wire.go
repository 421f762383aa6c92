package compare

import (
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Traffic is what went over the connections of a target, both ways together.
type Traffic struct {
	Messages int64 // of NATS, or methods of AMQP
	Bytes    int64 // as the network has them
}

// dialTimeout is how long opening a connection may take on a busy machine.
const dialTimeout = 10 * time.Second

// A natsWire counts the traffic of connections to a nats-server.
type natsWire struct {
	bytes atomic.Int64

	mu       sync.Mutex
	open     map[*nats.Conn]bool
	messages int64 // of connections that are closed
}

// connect opens a connection that is counted.
func (w *natsWire) connect(url string, opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(url, append(opts, nats.SetCustomDialer(w), nats.ClosedHandler(w.closed))...)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[*nats.Conn]bool)
	}
	w.open[nc] = true
	return nc, nil
}

// Dial opens what a connection goes over.
func (w *natsWire) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		return nil, err
	}
	return w.counted(conn), nil
}

func (w *natsWire) counted(conn net.Conn) net.Conn { return &countedConn{Conn: conn, bytes: &w.bytes} }

func (w *natsWire) closed(nc *nats.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, nc)
	w.messages += messagesOf(nc)
}

func messagesOf(nc *nats.Conn) int64 {
	s := nc.Stats()
	return int64(min(s.InMsgs+s.OutMsgs, 1<<62))
}

// Traffic is that of all connections until now.
func (w *natsWire) Traffic() Traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := Traffic{Messages: w.messages, Bytes: w.bytes.Load()}
	for nc := range w.open {
		t.Messages += messagesOf(nc)
	}
	return t
}

// A countedConn counts the bytes of a connection.
type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// An amqpWire counts the traffic of AMQP connections.
type amqpWire struct{ bytes, methods atomic.Int64 }

// Traffic is that of all connections until now.
func (w *amqpWire) Traffic() Traffic {
	return Traffic{Messages: w.methods.Load(), Bytes: w.bytes.Load()}
}

// open opens an AMQP connection that is counted. What goes through TLS is counted
// without its methods, which nobody sees.
func (w *amqpWire) open(url string) (*amqp.Connection, error) {
	secure := strings.HasPrefix(url, "amqps:")
	return amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		return w.dial(network, address, secure)
	}})
}

// dial opens what a connection goes over. Like the client's own dial it leaves a
// deadline for the handshake, which the client takes away.
func (w *amqpWire) dial(network, address string, secure bool) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	counted := &countedConn{Conn: conn, bytes: &w.bytes}
	if secure {
		return counted, nil
	}
	return &amqpConn{Conn: counted, in: frames{methods: &w.methods}, out: frames{methods: &w.methods, skip: protocolHeader}}, nil
}

// protocolHeader is what a client begins with, in bytes.
const protocolHeader = 8

// An amqpConn counts the methods that go over a connection.
type amqpConn struct {
	net.Conn
	in, out frames
}

func (c *amqpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.see(p[:n])
	return n, err
}

func (c *amqpConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.see(p[:n])
	return n, err
}

// Frames counts the methods in one direction of a connection.
type frames struct {
	methods *atomic.Int64
	skip    int // bytes until the next frame
	head    [7]byte
	have    int // bytes of head
}

// methodFrame is the type of a frame that has a method.
const methodFrame = 1

func (f *frames) see(p []byte) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip, p = f.skip-n, p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		f.have, p = f.have+n, p[n:]
		if f.have < len(f.head) {
			return
		}
		if f.head[0] == methodFrame {
			f.methods.Add(1)
		}
		f.have, f.skip = 0, int(binary.BigEndian.Uint32(f.head[3:]))+1 // its end is a byte
	}
}
