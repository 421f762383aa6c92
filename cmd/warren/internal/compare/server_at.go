package compare

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go"
)

// A NATS is a nats-server that somebody else runs, and how to connect to it.
type NATS struct {
	URL string
	// Login is what Options makes options of, in this process and in those that it
	// starts. There may be a password in it. Default: the URL says everything.
	Login   json.RawMessage
	Options LoginOptions
}

// LoginOptions makes options of a [NATS.Login].
type LoginOptions func(login json.RawMessage) ([]nats.Option, error)

func (n NATS) login() ([]nats.Option, error) {
	if len(n.Login) == 0 {
		return nil, nil
	}
	return n.Options(n.Login)
}

// at is a server that somebody else runs.
type at struct {
	nats    NATS
	fsync   bool // it is known to sync before every confirm
	process listener
	natsWire
}

// At is a server that runs already. How it syncs cannot be asked.
func At(n NATS) Server {
	return &at{nats: n, process: listener{address: n.URL, defaultPort: "4222"}}
}

func (*at) Label() string     { return "nats" }
func (*at) Transport() string { return "TCP" }
func (s *at) URL() string     { return s.nats.URL }

func (s *at) Sync() (string, bool) {
	if s.fsync {
		return syncedAlways, true
	}
	return "synced as the server is set, every 2m by default", false
}

func (s *at) Dial(opts ...nats.Option) (*nats.Conn, error) {
	login, err := s.nats.login()
	if err != nil {
		return nil, err
	}
	return s.connect(s.nats.URL, append(login, opts...)...)
}

func (s *at) Usage(ctx context.Context) (Usage, bool) { return s.process.usage(ctx) }

// Restart is the business of who runs it.
func (*at) Restart(context.Context, bool) error { return notOffered("restarting a broker of others") }

func (*at) Close() error { return nil }
