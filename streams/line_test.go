package streams_test

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
)

// A line is a TCP connection to a server that can stall, as when the other end
// is stopped, lose what is sent, and be cut. Connections made after a cut work
// again.
type line struct {
	listener net.Listener
	target   string
	copying  sync.WaitGroup

	mu       sync.Mutex
	open     *sync.Cond
	up, down way // seen from the client
	ends     []net.Conn
	sent     func(text []byte) // sees what the client sends, with mu held; may be nil
}

// A way is one direction of a line.
type way struct {
	stalled, loses bool
	lost           []byte
}

func newLine(t *testing.T, server *embeddedtest.Server) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, target: server.URL()[len("nats://"):]}
	l.open = sync.NewCond(&l.mu)
	l.copying.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		l.copying.Wait()
	})
	return l
}

// connect connects through the line, and again after each cut.
func (l *line) connect(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(l.listener.Addr().String(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (l *line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.mu.Lock()
		l.ends = append(l.ends, client, server)
		l.mu.Unlock()
		l.copying.Go(func() { l.copy(server, client, &l.up) })
		l.copying.Go(func() { l.copy(client, server, &l.down) })
	}
}

func (l *line) copy(to, from net.Conn, w *way) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !l.passes(w, buf[:n]) {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// passes waits for the end of a stall, and reports whether what was read goes on.
func (l *line) passes(w *way, read []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w == &l.up && l.sent != nil {
		l.sent(read)
	}
	for w.stalled {
		l.open.Wait()
	}
	if w.loses {
		w.lost = append(w.lost, read...)
		l.open.Broadcast()
	}
	return !w.loses
}

// stall stops what goes up to the server, or down from it, or lets it go on.
func (l *line) stall(up, down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up.stalled, l.down.stalled = up, down
	l.open.Broadcast()
}

// watch has a function see what the client sends, before it goes on. It says whether
// what comes down is to stall from then on.
func (l *line) watch(stalls func(text string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = func(text []byte) {
		l.down.stalled = stalls(string(text))
		l.open.Broadcast()
	}
}

// lose loses, until the line is cut, what goes up to the server, or down from it.
func (l *line) lose(w *way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.loses = true
}

// awaitLost waits until a text was lost so many times. A test that cuts the line
// before knows nothing of what it has sent: the client keeps what it has not
// written yet for its next connection, and the server answers there.
func (l *line) awaitLost(w *way, text string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for bytes.Count(w.lost, []byte(text)) < times {
		l.open.Wait()
	}
}

// cut closes all connections, what was under way with them, and ends a stall.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.ends {
		_ = conn.Close()
	}
	l.ends = nil
	l.up, l.down = way{}, way{}
	l.open.Broadcast()
}

// publishAck begins the server's answer to a message that it has stored.
const publishAck = `{"stream":"`
