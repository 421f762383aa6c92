package workers

import (
	"maps"
	"strings"
	"sync"

	"warren/streams"
)

// An agenda has the entries of an app as they are stored.
type agenda struct {
	app     string
	changed chan struct{}

	mu      sync.Mutex
	entries map[string]streams.Entry // by name
}

func newAgenda(app string) *agenda {
	return &agenda{app: app, changed: make(chan struct{}, 1), entries: make(map[string]streams.Entry)}
}

// told is called with every entry that is put or deleted.
func (a *agenda) told(e streams.Entry) {
	name := strings.TrimPrefix(e.Key, entryKey(a.app, ""))
	a.mu.Lock()
	if e.Gone == streams.Present {
		a.entries[name] = e
	} else {
		delete(a.entries, name)
	}
	a.mu.Unlock()
	poke(a.changed)
}

func (a *agenda) all() map[string]streams.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.entries)
}

// poke tells who waits at a channel of one place, once.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
