package streams

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A room is what a publisher knows of a broker that has none for its messages. Its
// lock is taken with no other one held, and held while the publisher's user is told.
type room struct {
	mu      sync.Mutex
	waiting map[*Confirm]struct{} // the messages that were refused, and have no answer
}

// refused notes a message that has to wait.
func (r *room) refused(confirm *Confirm, refusal error, tell func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[*Confirm]struct{})
	}
	if len(r.waiting) == 0 {
		calledBack("PublisherOptions.NoRoom", tell, refusal)
	}
	r.waiting[confirm] = struct{}{}
}

// taken notes that a message has its answer.
func (r *room) taken(confirm *Confirm, tell func(error)) {
	if tell == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waited := r.waiting[confirm]; !waited {
		return
	}
	delete(r.waiting, confirm)
	if len(r.waiting) == 0 {
		calledBack("PublisherOptions.NoRoom", tell, nil)
	}
}

// awaitRoom has a message wait that was refused for want of room, and reports whether
// it does: a message for which nobody waits has its answer, and so has one of which a
// part of its batch may have been stored.
func (c *confirms) awaitRoom(confirm *Confirm, refusal error) bool {
	p, is := confirm.sink.(*Publisher)
	if !is || p.opts.NoRoom == nil || !errors.Is(refusal, ErrResource) {
		return false
	}
	c.extend(p, confirm)
	confirm.awaitsAck = true
	confirm.awaitsTrace = confirm.flags&Mandatory != 0 && confirm.exchange != ""
	p.room.refused(confirm, refusal, p.opts.NoRoom)
	if err := confirm.batcher.takeBack(confirm); err != nil {
		c.resolve(confirm, err)
	}
	if isClosed(confirm.done) {
		p.room.taken(confirm, p.opts.NoRoom) // its time was up meanwhile
	}
	return true
}

// extend has the time begin anew of a message that was refused, and of all that wait
// behind it. Many are refused at once: behind the first, it does so only when a quarter
// of the time is over.
func (c *confirms) extend(p *Publisher, refused *Confirm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(p.queue) == 0 || refused != p.queue[0] && refused.deadline.Sub(now) > c.n.cfg.Timeout/4*3 {
		return
	}
	for _, confirm := range p.queue {
		confirm.deadline = now.Add(c.n.cfg.Timeout)
	}
}

// refusedBefore begins what package warren/embedded says of a message that it has
// refused before anything of it was stored, or of its batch.
const refusedBefore = "publishers are refused"

func isRefusedBefore(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && strings.HasPrefix(api.Description, refusedBefore)
}
