package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// purgeBatch is how many messages a purge takes at once.
const purgeBatch = 1000

// PurgeQueue drops the ready messages of a queue and says how many there were;
// those a consumer holds stay its own. Messages published while it runs may
// stay. A queue that is not there is 404.
func (s *Session) PurgeQueue(ctx context.Context, queue string) (int, error) {
	count, err := call(ctx, s, func(ctx context.Context) (int, error) { return s.purgeQueue(ctx, queue) })
	if err != nil {
		return count, fmt.Errorf("purge queue %q: %w", queue, err)
	}
	return count, nil
}

func (s *Session) purgeQueue(ctx context.Context, queue string) (int, error) {
	rec, err := s.needQueue(ctx, queue)
	if err != nil {
		return 0, err
	}
	if u := s.userOf(queue); u != nil {
		if err := u.settled(ctx); err != nil { // what was handed back goes too
			return 0, err
		}
	}
	if err := s.contents.sweepQueue(ctx, rec, nil); err != nil { // what has ended does not count
		return 0, err
	}
	total, err := s.purgeHere(ctx, queue)
	if err != nil {
		return total, err
	}
	for _, src := range s.queues.sourcesOf(rec) {
		count, err := s.contents.purge(ctx, src)
		total += count
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// purgeHere drops what waits in this node.
func (s *Session) purgeHere(ctx context.Context, queue string) (total int, err error) {
	d := s.uses.dispatcher(queue)
	if d == nil {
		return 0, nil
	}
	return d.purge(), d.notes.sync(ctx, s)
}

// purge takes what is ready at a source and drops it, up to what was stored when
// it began: a publisher that goes on must not keep it from ending. JetStream's own
// purge would also take away what consumers hold, and a message requeued after
// it would be lost.
func (cs *contents) purge(ctx context.Context, src *source) (int, error) {
	state, info, err := cs.reader.lookAt(ctx, src.stream, src.queue)
	if err != nil || info == nil {
		return 0, err
	}
	p, err := cs.reader.newPuller(src, purgeBatch)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	for total, end := 0, state.LastSeq; ; {
		msgs, err := p.pull(ctx, purgeBatch)
		wanted, last := sift(src, msgs)
		total += wanted
		if err := errors.Join(err, cs.reader.settleAll(ctx, msgs, verdictAck)); err != nil {
			return total, err
		}
		if len(msgs) == 0 || last > end {
			return total, nil
		}
	}
}

// sift says how many messages are the queue's, and the sequence of the last of
// all of them.
func sift(src *source, msgs []*nats.Msg) (wanted int, last uint64) {
	for _, msg := range msgs {
		a, _ := parseArrival(msg.Reply)
		last = a.seq
		if src.sieve.wants(msg, a) {
			wanted++
		}
	}
	return wanted, last
}
