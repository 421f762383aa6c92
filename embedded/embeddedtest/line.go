package embeddedtest

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// A Line is the way from a connection to a server of its own. It loses what it is
// told to lose, as a cluster does of which a server goes. Its methods may be called
// from any goroutine.
type Line struct {
	server *Server

	mu    sync.Mutex
	loses func(subject string) bool
	lost  int
	conn  net.Conn
}

// NewLine starts a server, and connects to it over a line that loses nothing yet.
// The connection is made again, over the same line, whenever it is cut.
func NewLine(t *testing.T) (*Line, *nats.Conn) {
	t.Helper()
	line := &Line{server: Start(t, embedded.Config{})}
	nc, err := nats.Connect("", nats.InProcessServer(line), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return line, nc
}

// Server is the one at the other end.
func (l *Line) Server() *Server { return l.server }

// Lose has the line lose what is published from now on to the subjects that f says;
// nothing, if f is nil. What the server sends is never lost.
func (l *Line) Lose(f func(subject string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loses = f
}

// Lost is how many messages were.
func (l *Line) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Cut closes the connection.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.Close()
}

// InProcessConn makes a connection; it is for nats.go.
func (l *Line) InProcessConn() (net.Conn, error) {
	conn, err := l.server.InProcessConn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return &losingConn{conn, l}, err
}

type losingConn struct {
	net.Conn
	line *Line
}

func (c *losingConn) Write(p []byte) (int, error) {
	if _, err := c.Conn.Write(c.line.without(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// without takes what is lost out of what is written, which is whole commands.
func (l *Line) without(p []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loses == nil {
		return p
	}
	var kept []byte
	for len(p) > 0 {
		end := bytes.Index(p, []byte("\r\n")) + 2
		words := strings.Fields(string(p[:end]))
		publishes := strings.HasSuffix(words[0], "PUB")
		if publishes {
			size, _ := strconv.Atoi(words[len(words)-1])
			end += size + 2
		}
		if publishes && l.loses(words[1]) {
			l.lost++
		} else {
			kept = append(kept, p[:end]...)
		}
		p = p[end:]
	}
	return kept
}
