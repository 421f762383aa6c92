package streams_test

import (
	"bytes"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// lossy connects to a real server over a line that swallows pull requests while
// it is told to.
type lossy struct {
	server  *embeddedtest.Server
	swallow atomic.Bool
	lost    atomic.Int64
}

func (l *lossy) InProcessConn() (net.Conn, error) {
	conn, err := l.server.InProcessConn()
	return &lossyConn{conn, l}, err
}

type lossyConn struct {
	net.Conn
	line *lossy
}

func (c *lossyConn) Write(p []byte) (int, error) {
	kept := p
	if c.line.swallow.Load() {
		kept = c.without(p)
	}
	if _, err := c.Conn.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}

// without takes the pull requests out of what is written.
func (c *lossyConn) without(p []byte) []byte {
	var kept []byte
	for {
		start := bytes.Index(p, []byte("PUB $JS.API.CONSUMER.MSG.NEXT."))
		if start < 0 {
			return append(kept, p...)
		}
		line := bytes.Index(p[start:], []byte("\r\n"))
		words := bytes.Fields(p[start : start+line])
		size, _ := strconv.Atoi(string(words[len(words)-1]))
		kept = append(kept, p[:start]...)
		p = p[start+line+2+size+2:]
		c.line.lost.Add(1)
	}
}

func TestALostRequestIsNoticedWithinSeconds(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		server := embeddedtest.Start(t, embedded.Config{})
		line := &lossy{server: server}
		nc, err := nats.Connect("", nats.InProcessServer(line))
		must(t, err)
		t.Cleanup(nc.Close)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		line.swallow.Store(true)
		next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
		must(t, nc.Flush())
		line.swallow.Store(false)
		if line.lost.Load() == 0 {
			t.Fatal("no request was lost")
		}
		r.number(q, 1)
		start := time.Now()
		d := r.take(next, 1)[0]
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("a lost request was noticed after %v", took)
		}
		must(t, d.Ack())
	})
}
