package streams

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// An inbox is where the answers to a fetcher's requests come. When it is left, the
// server forgets the requests.
type inbox struct {
	subject string
	sub     *nats.Subscription
	gone    chan struct{} // closed when nothing comes any more
	lapsed  atomic.Bool   // what still comes was behind a Push for long: it comes again with its lease
}

// inboxes are those that were left, and may still get something.
type inboxes struct {
	mu   sync.Mutex
	list []*inbox
}

func (b *inboxes) add(box *inbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = slices.DeleteFunc(b.list, func(box *inbox) bool { return isClosed(box.gone) })
	b.list = append(b.list, box)
}

// wait waits until nothing comes to any of them.
func (b *inboxes) wait(ctx context.Context) error {
	b.mu.Lock()
	list := slices.Clone(b.list)
	b.mu.Unlock()
	for _, box := range list {
		select {
		case <-box.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// inbox is where answers come now; nil says that nothing is asked for.
func (f *fetcher) inbox() *inbox { return f.box.Load() }

// openInbox makes an inbox the fetcher's, in place of the one that it had.
func (f *fetcher) openInbox(old *inbox) error {
	box := &inbox{subject: f.d.host.newInbox(), gone: make(chan struct{})}
	sub, err := f.d.host.subscribe(box.subject+".>", func(msg *nats.Msg) { f.received(box, msg) })
	if err != nil {
		return err
	}
	sub.SetClosedHandler(func(string) { close(box.gone) })
	// What comes is bounded by what was asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	box.sub = sub
	if !f.box.CompareAndSwap(old, box) { // somebody else was faster
		return f.end(box)
	}
	if old != nil {
		_ = f.end(old) // without a connection nothing comes
	}
	return nil
}

// leaveInbox takes back all that was asked for. Without a connection nothing is.
func (f *fetcher) leaveInbox() {
	if old := f.inbox(); old != nil {
		_ = f.openInbox(old)
	}
}

// closeInbox is leaveInbox for a fetcher that asks for no more.
func (f *fetcher) closeInbox() error {
	if old := f.box.Swap(nil); old != nil {
		return f.end(old)
	}
	return nil
}

// end ends an inbox. The server still sends what it had under way, and the client
// receives it before the subscription is gone.
func (f *fetcher) end(box *inbox) error {
	err := box.sub.Drain()
	if err == nil {
		f.d.leaving.add(box)
	}
	if f.d.host.closed() || errors.Is(err, nats.ErrBadSubscription) {
		return nil
	}
	return err
}
