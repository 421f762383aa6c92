package streams_test

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// lossy connects to a real server over a line that loses what is published to
// the subjects it is told of.
type lossy struct {
	server *embeddedtest.Server
	lost   atomic.Int64

	mu    sync.Mutex
	loses func(subject string) bool
	conn  net.Conn
}

func newLossy(t *testing.T) (*lossy, *nats.Conn) {
	t.Helper()
	line := &lossy{server: embeddedtest.Start(t, embedded.Config{})}
	nc, err := nats.Connect("", nats.InProcessServer(line), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	must(t, err)
	t.Cleanup(nc.Close)
	return line, nc
}

// lose loses what f says, from now on; nothing, if f is nil.
func (l *lossy) lose(f func(subject string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loses = f
}

func (l *lossy) InProcessConn() (net.Conn, error) {
	conn, err := l.server.InProcessConn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return &lossyConn{conn, l}, err
}

// cut closes the connection. The next one is as lossy.
func (l *lossy) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.Close()
}

type lossyConn struct {
	net.Conn
	line *lossy
}

func (c *lossyConn) Write(p []byte) (int, error) {
	if _, err := c.Conn.Write(c.line.without(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// without takes what is lost out of what is written, which is whole commands.
func (l *lossy) without(p []byte) []byte {
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
			l.lost.Add(1)
		} else {
			kept = append(kept, p[:end]...)
		}
		p = p[end:]
	}
	return kept
}

func TestALostRequestIsNoticedWithinSeconds(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := newLossy(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		line.lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.CONSUMER.MSG.NEXT.") })
		next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
		must(t, nc.Flush())
		line.lose(nil)
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

// TestALostQuestionIsAskedAgain: whatever is asked of a leader that is gone is
// asked of its successor, and what was lost of a listing is not left out.
func TestALostQuestionIsAskedAgain(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := newLossy(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.bind("amq.topic", q, "a.#.b") // more than a filter can say: messages are counted by reading them
		r.publish("amq.topic", "a.b", "wanted")
		r.publish("amq.topic", "a.c", "not wanted")
		r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(*streams.Delivery) {}})

		looks := map[string]func() int{
			"list queues":    func() int { list, err := r.Queues(t.Context()); must(t, err); return len(list) },
			"list exchanges": func() int { list, err := r.Exchanges(t.Context()); must(t, err); return len(list) },
			"list bindings":  func() int { list, err := r.Bindings(t.Context()); must(t, err); return len(list) },
			"inspect":        func() int { return inspect(t, r.Session, q).Consumers },
			"check exchange": func() int { must(t, r.CheckExchange(t.Context(), "amq.topic")); return 0 },
		}
		for what, look := range looks {
			want := look()
			lost := make(map[string]bool)
			line.lose(func(subject string) bool {
				kind := kindOfQuestion(subject)
				first := kind != "" && !lost[kind]
				lost[kind] = true
				return first
			})
			start := time.Now()
			got := look()
			took := time.Since(start)
			line.lose(nil)
			if got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
			if limit := time.Duration(len(lost)+1) * time.Second; took > limit {
				t.Errorf("%s: %d kinds of questions were lost once, and it took %v; want %v at most", what, len(lost), took, limit)
			}
			t.Logf("%s: %d kinds of questions lost", what, len(lost)-1)
		}
	})
}

// kindOfQuestion is what a request asks which of the server's streams; none, if
// it is not a question.
func kindOfQuestion(subject string) string {
	rest, is := strings.CutPrefix(subject, "$JS.API.")
	if !is {
		return ""
	}
	words := strings.Split(rest, ".")
	switch {
	case strings.HasPrefix(rest, "STREAM.INFO."), strings.HasPrefix(rest, "CONSUMER.INFO."),
		strings.HasPrefix(rest, "STREAM.MSG.GET."), strings.HasPrefix(rest, "DIRECT.GET."):
		return rest
	case strings.HasPrefix(rest, "CONSUMER.CREATE.KV_"):
		return strings.Join(words[:3], ".")
	case strings.HasPrefix(rest, "CONSUMER.MSG.NEXT.KV_"):
		return strings.Join(words[:4], ".")
	}
	return ""
}
