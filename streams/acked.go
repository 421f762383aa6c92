package streams

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A home may have messages that were acknowledged. The server takes these out of the
// stream after it has noted the ack, and if that fails, as on a full disk, or is lost in a
// crash, they stay: nobody is given them, and they count as ready. The server looks for
// such messages as it starts, but not in a work-queue stream (nats-server 2.15.3,
// jetstream.go, before checkForOrphanMsgs). So a session looks for them in what an earlier
// life of the broker has left.

// settledHomes are the homes that have nothing of an earlier life of the broker that was
// acknowledged.
type settledHomes struct {
	mu    sync.Mutex
	epoch string
	names map[string]bool
}

func (h *settledHomes) has(epoch, home string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch == epoch && h.names[home]
}

func (h *settledHomes) add(epoch, home string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch != epoch || h.names == nil {
		h.epoch, h.names = epoch, make(map[string]bool)
	}
	h.names[home] = true
}

// dropAcked takes what was acknowledged out of a home, and reports whether there was
// something. What came in this life of the broker stays: should the disk have lost the end
// of the stream, the consumer knows of later messages than the stream has.
func (cs *contents) dropAcked(ctx context.Context, info *jetstream.StreamInfo, src *source) (bool, error) {
	state, epoch, began := info.State, cs.epoch.id(), cs.epoch.start()
	if !state.FirstTime.Before(began) || cs.settledHomes.has(epoch, src.stream) {
		return false, nil
	}
	at, err := cs.reader.sourceInfo(ctx, src)
	if err != nil {
		return false, err
	}
	if at.NumPending+uint64(at.NumAckPending) == state.Msgs {
		cs.settledHomes.add(epoch, src.stream)
		return false, nil
	}
	last, err := cs.reader.lastBefore(ctx, src.stream, state, began)
	if err != nil {
		return false, err
	}
	last = min(last, at.AckFloor.Stream)
	if last < state.FirstSeq {
		return false, nil
	}
	stream, err := cs.js.Stream(ctx, src.stream)
	if err != nil {
		return false, err
	}
	err = jsapi.ChangeOnly(ctx, func(ctx context.Context) error { return stream.Purge(ctx, jetstream.WithPurgeSequence(last+1)) })
	if err == nil {
		cs.cfg.Logger.Warn("messages were dropped that had been acknowledged before the broker was started",
			"queue", src.queue, "sequences", []uint64{state.FirstSeq, last})
	}
	return err == nil, err
}
