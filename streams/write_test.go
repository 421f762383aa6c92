package streams_test

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// errTorn is the error of a write that a connection broke in.
var errTorn = errors.New("torn")

// A tearing dials connections, of which one breaks in its next large write when
// torn is set.
type tearing struct{ torn atomic.Bool }

func (d *tearing) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	return &tornConn{conn, d}, err
}

type tornConn struct {
	net.Conn
	d *tearing
}

func (c *tornConn) Write(b []byte) (int, error) {
	if len(b) > 64<<10 && c.d.torn.CompareAndSwap(true, false) {
		n, _ := c.Conn.Write(b[:len(b)/2])
		_ = c.Close()
		return n, errTorn
	}
	return c.Conn.Write(b)
}

// TestATornWriteIsUnconfirmed: whoever publishes learns that the broker may have
// the message, however it was published, and the next ones go through.
func TestATornWriteIsUnconfirmed(t *testing.T) {
	t.Parallel()
	var d tearing
	back := make(chan struct{}, 1)
	nc, err := nats.Connect(embeddedtest.Listen(t).URL(), nats.SetCustomDialer(&d),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	must(t, err)
	t.Cleanup(nc.Close)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	// The connection writes what is larger than its buffer at once.
	m := streams.Message{Body: []byte(strings.Repeat("x", 64<<10))}
	wantTorn := func(how string, err error) {
		t.Helper()
		wantError(t, how, err, streams.ErrUnconfirmed)
		wantError(t, how, err, errTorn)
		<-back
		must(t, r.Publish(r.ctx, "", q, m))
	}

	d.torn.Store(true)
	wantTorn("publish", r.Publish(r.ctx, "", q, m))

	d.torn.Store(true)
	wantTorn("publish all", r.PublishAll(r.ctx, "", q, []streams.Message{m, m, m}))

	publishers := map[string]*streams.Publisher{
		"a publisher": publisher(t, r.Session, streams.PublisherOptions{Window: 10}),
		"a gatherer":  gatherer(t, r.Session, q, streams.PublisherOptions{Window: 10}),
	}
	for how, p := range publishers {
		var confirms []*streams.Confirm
		d.torn.Store(true)
		for range 5 {
			confirm, err := p.Publish(r.ctx, "", q, m)
			must(t, err)
			confirms = append(confirms, confirm)
		}
		var torn error
		for _, confirm := range confirms {
			if err := confirm.Wait(r.ctx); err != nil {
				wantError(t, how, err, streams.ErrUnconfirmed)
				torn = errors.Join(torn, err)
			}
		}
		wantTorn(how, torn)
	}
}
