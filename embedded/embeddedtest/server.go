package embeddedtest

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// Connect starts a server for this test alone and connects to it in process.
// When the test ends, the connection and then the server are closed and the
// data is removed.
func Connect(tb testing.TB) *nats.Conn {
	tb.Helper()
	return Start(tb, embedded.Config{}).Connect(tb)
}

// Listen starts a server for this test alone that listens on a loopback port.
func Listen(tb testing.TB) *Server {
	tb.Helper()
	return Start(tb, embedded.Config{Port: embedded.RandomPort})
}

// Server is a server in this process that a test can stop and start again. It
// is for the goroutine of that test; its connections are for any.
type Server struct {
	cfg     embedded.Config
	url     string
	running atomic.Pointer[embedded.Server] // nil while stopped
}

// Start starts a server for this test alone and stops it when the test ends.
// Without a Dir the data is in the test's temporary directory, and so it
// survives a Restart.
func Start(tb testing.TB, cfg embedded.Config) *Server {
	tb.Helper()
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	if cfg.Port == embedded.RandomPort {
		cfg.Port = freePort(tb)
	}
	s := &Server{cfg: cfg}
	tb.Cleanup(func() { s.Stop(tb) })
	s.start(tb)
	return s
}

func (s *Server) start(tb testing.TB) {
	tb.Helper()
	run, err := startPatiently(s.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	s.url = run.URL()
	s.running.Store(run)
}

// startPatiently waits for a port that was ours a moment ago and that another
// connection of this machine happens to leave by.
func startPatiently(cfg embedded.Config) (*embedded.Server, error) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		s, err := embedded.Start(cfg)
		if !errors.Is(err, embedded.ErrPortInUse) || time.Now().After(deadline) {
			return s, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Connect connects to the server: by its URL if it listens, and in process
// otherwise. The connection comes back after a Restart and is closed when the
// test ends.
func (s *Server) Connect(tb testing.TB, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	own := reconnectForever()
	if s.cfg.Port == 0 {
		own = append(own, nats.InProcessServer(s))
	}
	nc, err := nats.Connect(s.URL(), append(append(own, credentials(s.cfg)...), opts...)...)
	if err != nil {
		tb.Fatalf("connect to %s: %v", s.Name(), err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

func reconnectForever() []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ReconnectJitter(0, 0),
	}
}

func credentials(cfg embedded.Config) []nats.Option {
	switch {
	case cfg.User != "":
		return []nats.Option{nats.UserInfo(cfg.User, cfg.Password)}
	case cfg.Token != "":
		return []nats.Option{nats.Token(cfg.Token)}
	}
	return nil
}

// InProcessConn makes a Server a [nats.InProcessConnProvider] that always leads
// to the server that is running now.
func (s *Server) InProcessConn() (net.Conn, error) {
	run := s.running.Load()
	if run == nil {
		return nil, errors.New("the server is stopped")
	}
	return run.InProcessConn()
}

// URL is what a client dials; empty if the server does not listen.
func (s *Server) URL() string { return s.url }

// Name is the server's name, as it stands in a stream's cluster information.
func (s *Server) Name() string { return s.cfg.Name }

// Dir is the directory the data is in.
func (s *Server) Dir() string { return s.cfg.Dir }

// Stop stops the server cleanly. Its connections try to come back until they
// are closed or it is restarted. Stopping a stopped server does nothing.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	run := s.running.Swap(nil)
	if run == nil {
		return
	}
	if err := run.Close(); err != nil {
		tb.Errorf("stop server: %v", err)
	}
}

// Restart starts the server again, on the same data and the same port, after
// it has stopped it if need be.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	s.start(tb)
}
