package streams

import (
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
)

// A watch follows the state of a connection for all nodes on it: it has one goroutine,
// however many they are.
type watch struct {
	nc *nats.Conn

	mu       sync.Mutex
	links    map[*link]struct{}
	status   chan nats.Status // nil before the first link, closed with the last
	over     bool
	watching sync.WaitGroup
}

// watches are the watches of this process, by connection.
var watches sync.Map

// watch has the link told of every change of its connection's state, until unwatch.
func (l *link) watch() {
	for {
		known, _ := watches.LoadOrStore(l.nc, &watch{nc: l.nc, links: make(map[*link]struct{})})
		if w := known.(*watch); w.join(l) {
			l.watched = w
			return
		}
	}
}

func (l *link) unwatch() {
	if l.watched != nil {
		l.watched.leave(l)
	}
}

// join says false if the watch has just ended.
func (w *watch) join(l *link) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	if w.status == nil {
		w.status = w.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
		w.watching.Go(w.run)
	}
	w.links[l] = struct{}{}
	return true
}

// leave ends with the last link.
func (w *watch) leave(l *link) {
	w.mu.Lock()
	delete(w.links, l)
	ends := len(w.links) == 0 && !w.over
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
		links := slices.Collect(maps.Keys(w.links))
		w.mu.Unlock()
		for _, l := range links {
			l.follow(status)
		}
	}
}
