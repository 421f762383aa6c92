package beat

import (
	"maps"
	"strings"
	"sync"

	"warren/streams"
)

// An entryCache has the entries of an app as they are stored.
type entryCache struct {
	app     string
	changed chan struct{}

	mu      sync.Mutex
	entries map[string]streams.Entry // by name
}

func newEntryCache(app string) *entryCache {
	return &entryCache{app: app, changed: make(chan struct{}, 1), entries: make(map[string]streams.Entry)}
}

// update is called with every entry that is put or deleted.
func (c *entryCache) update(e streams.Entry) {
	name := strings.TrimPrefix(e.Key, entryKey(c.app, ""))
	c.mu.Lock()
	if e.Gone == streams.Present {
		c.entries[name] = e
	} else {
		delete(c.entries, name)
	}
	c.mu.Unlock()
	wake(c.changed)
}

func (c *entryCache) all() map[string]streams.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.entries)
}

// wake wakes who waits at a channel of one place, once.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
