package weather

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// memory is a listener without a network, which fake time would not wait for.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	dials  atomic.Int64
	refuse atomic.Int64 // how many of the next dials find nobody
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (m *memory) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	m.dials.Add(1)
	if m.refuse.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: m.Addr(), Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs a server in memory and connects a client of ours with it.
func serve(t *testing.T, client *http.Client, handler http.Handler) *memory {
	t.Helper()
	m := &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := httptest.NewUnstartedServer(handler)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = m
	server.Start()
	t.Cleanup(server.Close)
	transport := client.Transport.(*http.Transport)
	transport.DialContext, transport.Proxy = m.dial, nil
	return m
}

// answering answers each request with the next of the handlers, and all that
// follow with the last.
type answering struct {
	handlers []http.HandlerFunc
	asked    atomic.Int64
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(a.asked.Add(1))
	a.handlers[min(n, len(a.handlers))-1](w, r)
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// silent says nothing until it is no longer asked.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
