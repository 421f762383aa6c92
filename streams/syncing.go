package streams

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// syncing is what a node knows of whether its broker syncs each message to disk
// before it confirms it.
type syncing struct {
	mu    sync.Mutex
	asked bool
	known bool // that it does
}

// syncSubject is where a broker of package warren/embedded answers that syncs each
// message, with syncsAlways. nats-server itself tells this to its system account only.
const (
	syncSubject = "_EMBEDDED.sync"
	syncsAlways = "always"
)

// ask asks the broker, once.
func (y *syncing) ask(ctx context.Context, nc *nats.Conn) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.asked {
		return y.known
	}
	ctx, cancel := context.WithTimeout(ctx, jsapi.AnswerTime)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, syncSubject, nil)
	if err != nil {
		y.asked = errors.Is(err, nats.ErrNoResponders)
		return false
	}
	y.asked, y.known = true, string(answer.Data) == syncsAlways
	return y.known
}

func (y *syncing) forget() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.asked, y.known = false, false
}

// look has a batcher gather whose stream is slow, or whose broker is known to sync each
// message, unless the stream is in memory: there it is the machine that is busy, and a
// batch would only add to it. The lock is held.
func (b *batcher) look(slow bool) {
	if b.looking {
		return
	}
	b.looking = true
	b.n.run(func() {
		ctx, cancel := context.WithTimeout(b.n.ctx, b.n.cfg.Timeout)
		defer cancel()
		cost, synced := b.n.batchers.known()
		synced = synced || b.n.batchers.broker.ask(ctx, b.n.nc)
		var stream jetstream.Stream
		var err error
		if slow || synced {
			stream, err = b.n.js.Stream(ctx, b.stream)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.looking = false
		if stream == nil || err != nil {
			return
		}
		if stream.CachedInfo().Config.Storage == jetstream.MemoryStorage {
			b.never = true
			return
		}
		b.synced = synced
		b.cost.learn(cost)
		if slow && !b.gathering {
			b.begin()
		}
	})
}

// forgetBroker has the node find out anew what its broker does: it may be another.
func (bs *batchers) forgetBroker() {
	bs.broker.forget()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.cost = nil
	for _, b := range bs.all {
		b.mu.Lock()
		b.synced, b.looked = false, false
		b.mu.Unlock()
	}
}
