package compare

import (
	"context"

	"github.com/nats-io/nats.go"
)

// A Server is a nats-server that a target uses: [StartInside], [StartChild] and
// [At] give one.
type Server interface {
	// Label tells servers of one run apart: "embedded", "tcp fsync".
	Label() string
	// URL is where other processes of this machine reach it.
	URL() string
	// Dial opens a connection, to be closed by the caller.
	Dial(opts ...nats.Option) (*nats.Conn, error)
	Usage(ctx context.Context) (Usage, bool)
	// Traffic is that of all connections that Dial opened, until now.
	Traffic() Traffic
	// Restart is Target.Restart.
	Restart(ctx context.Context, kill bool) error
	// Transport is how clients reach it: "in process" or "TCP".
	Transport() string
	// Sync says when it syncs its files, and whether that is always before it
	// confirms.
	Sync() (how string, always bool)
	// Close ends what was started for it.
	Close() error
}

// fsyncLabel marks servers that sync before every confirm.
func fsyncLabel(label string, always bool) string {
	if always {
		return label + " fsync"
	}
	return label
}

// syncedAlways says of a server that it syncs before every confirm.
const syncedAlways = "fsync always"

// natsClasses are the classes of a server with files synced so.
func natsClasses(s Server) map[Class]string {
	how, always := s.Sync()
	if always {
		return map[Class]string{D2: "in files, " + how + ", which is before each confirm"}
	}
	return map[Class]string{
		D0: "in memory",
		D1: "in files, written before the confirm, " + how,
	}
}

// storedInFiles refuses classes that a server does not have.
func storedInFiles(s Server, c Class) (bool, error) {
	if _, ok := natsClasses(s)[c]; !ok {
		return false, notOffered("class %s on a server with %s", c, syncOf(s))
	}
	return c != D0, nil
}

func syncOf(s Server) string {
	how, _ := s.Sync()
	return how
}
