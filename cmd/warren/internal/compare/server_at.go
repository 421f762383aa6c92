package compare

import (
	"context"

	"github.com/nats-io/nats.go"
)

// at is a server that somebody else runs.
type at struct {
	url     string
	fsync   bool // it is known to sync before every confirm
	process listener
}

// At is a server that runs already. How it syncs cannot be asked.
func At(url string) Server {
	return &at{url: url, process: listener{address: url, defaultPort: "4222"}}
}

func (*at) Label() string     { return "nats" }
func (*at) Transport() string { return "TCP" }
func (s *at) URL() string     { return s.url }

func (s *at) Sync() (string, bool) {
	if s.fsync {
		return syncedAlways, true
	}
	return "synced as the server is set, every 2m by default", false
}

func (s *at) Dial(opts ...nats.Option) (*nats.Conn, error) { return nats.Connect(s.url, opts...) }

func (s *at) Usage(ctx context.Context) (Usage, bool) { return s.process.usage(ctx) }

// Restart is the business of who runs it.
func (*at) Restart(context.Context, bool) error { return notOffered("restarting a broker of others") }

func (*at) Close() error { return nil }
