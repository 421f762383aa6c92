package streams

import (
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
)

// A watch follows the state of a connection for all sessions on it: it has one goroutine,
// however many they are.
type watch struct {
	nc *nats.Conn

	mu       sync.Mutex
	sessions map[*Session]struct{}
	status   chan nats.Status // nil before the first session, closed with the last
	over     bool
	watching sync.WaitGroup
}

// watches are the watches of this process, by connection.
var watches sync.Map

// watchConnection has a session told of every change of its connection's state, until it
// leaves.
func watchConnection(s *Session) *watch {
	for {
		known, _ := watches.LoadOrStore(s.nc, &watch{nc: s.nc, sessions: make(map[*Session]struct{})})
		if w := known.(*watch); w.join(s) {
			return w
		}
	}
}

// join says false if the watch has just ended.
func (w *watch) join(s *Session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	if w.status == nil {
		w.status = w.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
		w.watching.Go(w.run)
	}
	w.sessions[s] = struct{}{}
	return true
}

// leave ends with the last session.
func (w *watch) leave(s *Session) {
	w.mu.Lock()
	delete(w.sessions, s)
	ends := len(w.sessions) == 0 && !w.over
	if ends {
		w.over = true
		watches.CompareAndDelete(w.nc, w)
		w.nc.RemoveStatusListener(w.status)
	}
	w.mu.Unlock()
	if ends {
		w.watching.Wait()
	}
}

func (w *watch) run() {
	for status := range w.status {
		w.mu.Lock()
		sessions := slices.Collect(maps.Keys(w.sessions))
		w.mu.Unlock()
		for _, s := range sessions {
			s.follow(status)
		}
	}
}
