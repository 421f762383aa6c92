package streams

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// A scan reads so many messages at once, and no more bytes than that but for one
// message.
const (
	scanBatch = 1000
	scanBytes = 8 << 20
)

// A scanRange is what is read of a stream: what the filters let through in
// [first, last].
type scanRange struct {
	filters     []string
	first, last uint64
	reading
}

// A sifting is what a scan has found: how much was read, how much of it was the
// queue's, and whether that was not all because it would have been too much.
type sifting struct {
	read, wanted int
	over         bool
}

// A reader reads what streams have, without taking it, and says verdicts in a way that
// is answered.
type reader struct {
	*site
	link *link
}

// scan reads messages of a source's stream, and tells which are the queue's. It is
// for where the server cannot count them. A message that two filters let through
// counts once.
func (rd *reader) scan(ctx context.Context, src *source, r scanRange) (found sifting, err error) {
	seen := make(map[uint64]struct{}) // by sequence: filters may cross
	for _, filter := range r.filters {
		for next := max(r.first, 1); next <= r.last; {
			batch, err := jsapi.UntilAnswered(ctx, func() (scanned, error) { return rd.scanSome(ctx, src, filter, next) })
			if err != nil {
				return found, fmt.Errorf("count stream %q: %w", src.stream, err)
			}
			if batch.last == 0 {
				break
			}
			for _, m := range batch.list {
				if _, again := seen[m.seq]; again || m.seq > r.last {
					continue
				}
				seen[m.seq] = struct{}{}
				found.add(m.wanted)
			}
			if found.wanted >= r.enough {
				return found, nil
			}
			if found.read > r.most {
				return sifting{over: true}, nil
			}
			next = batch.last + 1
		}
	}
	return found, nil
}

func (f *sifting) add(wanted bool) {
	f.read++
	if wanted {
		f.wanted++
	}
}

// scanned is a batch of messages, and the last sequence that was read, 0 for none.
type scanned struct {
	last uint64
	list []sighting
}

// A sighting is a message that was read, and whether it is the queue's.
type sighting struct {
	seq    uint64
	wanted bool
}

// scanSome reads one batch of a filter's messages from a sequence on.
func (rd *reader) scanSome(ctx context.Context, src *source, filter string, next uint64) (batch scanned, err error) {
	request := jsapi.ReadRequest{Seq: next, Batch: scanBatch, Most: scanBytes, Subject: filter}
	err = jsapi.ReadBatch(ctx, rd.link.nc, src.stream, request, func(msg *nats.Msg, at jsapi.Position) {
		batch.last = at.Seq
		batch.list = append(batch.list, sighting{at.Seq, src.sieve.wants(msg, readAt(at))})
	})
	return batch, err
}

// readAt is a message that was read from a stream and not delivered.
func readAt(p jsapi.Position) arrival { return arrival{seq: p.Seq, stamp: p.Stamp} }
