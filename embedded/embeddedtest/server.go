package embeddedtest

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// Server is a server in this process that a test can stop and start again. It
// is for the goroutine of that test; its connections are for any.
type Server struct {
	cfg     embedded.Config
	url     string
	running atomic.Pointer[embedded.Server] // nil while stopped
}

// Start starts a server for this test alone and stops it when the test ends.
// Without a Dir the data is in the test's temporary directory, and so it
// survives a [Server.Restart]. RandomPort becomes one port that is kept.
func Start(tb testing.TB, cfg embedded.Config) *Server {
	tb.Helper()
	if inBubble(tb) {
		cfg = forBubble(tb, cfg)
	}
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	if cfg.Port == embedded.RandomPort {
		cfg.Port = Port(tb)
	}
	s := &Server{cfg: cfg}
	tb.Cleanup(func() { s.Stop(tb) })
	s.start(tb)
	return s
}

// Listen starts a server for this test alone that listens on a loopback port.
func Listen(tb testing.TB) *Server {
	tb.Helper()
	return Start(tb, embedded.Config{Port: embedded.RandomPort})
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
// otherwise. The connection comes back by itself after a [Server.Restart] and
// is closed when the test ends.
func (s *Server) Connect(tb testing.TB, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	if s.cfg.Port == 0 {
		opts = append([]nats.Option{nats.InProcessServer(s)}, opts...)
	}
	return connect(tb, s.url, s.cfg, opts...)
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

// Name is the server's name, as a stream's cluster information has it.
func (s *Server) Name() string { return s.cfg.Name }

// Dir is the directory the data is in.
func (s *Server) Dir() string { return s.cfg.Dir }

// ready does not wait for a stopped server.
func (s *Server) ready(ctx context.Context) error {
	run := s.running.Load()
	if run == nil {
		return nil
	}
	return run.Ready(ctx)
}

// Stop stops the server cleanly. Its connections try to come back until they
// are closed or it is restarted. Stopping a stopped server does nothing.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	run := s.running.Swap(nil)
	if run == nil {
		return
	}
	if inBubble(tb) {
		// The server sleeps with its locks held while it stops. A request it is
		// still at would wait for them without waiting for time, which then
		// stood still.
		synctest.Wait()
	}
	if err := run.Close(); err != nil {
		tb.Errorf("stop server: %v", err)
	}
}

// Restart stops the server cleanly, unless it is stopped, and starts it on the
// same data and the same port.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	s.start(tb)
}
