package compare

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// inside is a server in this process. It listens too, for workers that are to be
// killed and so have a process of their own.
type inside struct {
	fsync bool
	dir   string

	mu     sync.Mutex
	server *embedded.Server

	natsWire
}

// StartInside starts a server in this process, on a directory of its own that
// Close removes. With fsync it syncs before every confirm, else every second.
func StartInside(fsync bool) (Server, error) {
	dir, err := os.MkdirTemp("", "warren-compare-")
	if err != nil {
		return nil, err
	}
	s := &inside{fsync: fsync, dir: dir}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *inside) start() (err error) {
	s.server, err = embedded.Start(embedded.Config{Name: "compare", Dir: s.dir, Port: embedded.RandomPort, SyncAlways: s.fsync})
	return err
}

func (s *inside) Label() string        { return fsyncLabel("embedded", s.fsync) }
func (s *inside) Transport() string    { return "in process" }
func (s *inside) URL() string          { return s.running().URL() }
func (s *inside) Sync() (string, bool) { return s.running().Durability(), s.fsync }

func (s *inside) running() *embedded.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

// Dial opens a connection that finds the server again when it was restarted.
func (s *inside) Dial(opts ...nats.Option) (*nats.Conn, error) {
	return s.connect("", append(opts, nats.InProcessServer(s))...)
}

// InProcessConn is a way to the server that runs.
func (s *inside) InProcessConn() (net.Conn, error) {
	conn, err := s.running().InProcessConn()
	if err != nil {
		return nil, err
	}
	return s.counted(conn), nil
}

func (s *inside) Usage(ctx context.Context) (Usage, bool) {
	u, ok := processUsage(ctx, os.Getpid())
	u.Shared = true
	return u, ok
}

// Restart cannot kill what is in this process.
func (s *inside) Restart(_ context.Context, kill bool) error {
	if kill {
		return notOffered("killing a broker in this process")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.server.Close(); err != nil {
		return err
	}
	return s.start()
}

func (s *inside) Close() error {
	return errors.Join(s.running().Close(), os.RemoveAll(s.dir))
}
