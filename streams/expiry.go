package streams

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
)

// A message ends when its time is over: the smaller of its queue's TTL and its own
// expiration, from when the broker stored it for the queue. Whether it has ended is
// decided when it would be given or counted, by the broker's clock, and only at the
// front of a source: what waits behind a message that lives is in the queue. What has
// ended is acknowledged unseen. What somebody holds does not end.

// lifetime is how long a message may wait in a queue; false says that nothing bounds
// it.
func lifetime(ttl *time.Duration, h nats.Header) (time.Duration, bool) {
	text := h[expirationHeader]
	if len(text) != 1 {
		if ttl == nil {
			return 0, false
		}
		return *ttl, true
	}
	own, wrong := amqp.ParseExpiration(text[0])
	switch {
	case wrong != "" && ttl == nil:
		return 0, false // a publisher wrote it that does not know AMQP
	case wrong != "" || ttl != nil && *ttl < own:
		return *ttl, true
	}
	return own, true
}

var expirationHeader = amqp.HeaderOf(PropertyExpiration)

// An appearance is what has come to a consumer, and whether it waited for it.
type appearance struct {
	arrival
	asked time.Time // when the request was made that it answers; zero for a Get
}

// hasEnded reports whether a message is over that would be given now. One that comes for
// the first time to who asked before it was stored is in time, however long it took to
// arrive.
func (cs *contents) hasEnded(life time.Duration, a appearance) bool {
	stored := time.Unix(0, a.stamp)
	if a.delivered == 1 && !a.before && !a.asked.IsZero() && cs.clock.when(a.asked).Before(stored) {
		return false
	}
	return over(stored, life, cs.clock.now())
}

// isOver reports whether a message of a source has ended, for whoever did not wait for it.
func (cs *contents) isOver(src *source, msg *nats.Msg, a arrival) bool {
	life, ends := lifetime(src.sieve.ttl, msg.Header)
	return ends && cs.hasEnded(life, appearance{arrival: a})
}

// over reports whether a life that began at a time has ended. It has begun, whatever a
// clock shows that is a little behind the broker's.
func over(began time.Time, life time.Duration, now time.Time) bool {
	return life == 0 || !now.Before(began.Add(life))
}

// An expirySweep drops the messages that have ended at the front of a source.
type expirySweep struct {
	c    *contents
	src  *source
	info *jetstream.ConsumerInfo
	held int // how many messages of the source sessions hold
	// spares leaves some messages in the queue, and what waits behind them. Default:
	// none.
	spares func(nats.Header) bool
}

// sweepBatch is how many ended messages are dropped at once.
const sweepBatch = 1000

// run drops what has ended. It reports whether it took anything out of the queue. Looking
// whether there is anything takes one small request for each filter.
func (e *expirySweep) run(ctx context.Context) (taken bool, err error) {
	if due, err := e.due(ctx); err != nil || !due {
		return false, err
	}
	unlock, err := e.c.sweeping.Lock(ctx, e.src.stream+" "+e.src.queue)
	if err != nil {
		return false, err
	}
	defer unlock()
	// Others may have taken or settled messages meanwhile, and then nothing was handed
	// back: what would be taken was never given, and would come as if it had been.
	if due, err := e.dueNow(ctx); err != nil || !due {
		return false, err
	}
	if back := e.back(); back > 0 {
		_, lives, err := e.take(ctx, back)
		if lives || err != nil {
			return true, err
		}
		// What was taken may have been never given before.
		if _, e.info, err = e.c.reader.lookAt(ctx, e.src.stream, e.src.queue); err != nil || e.info == nil {
			return true, err
		}
	}
	return true, e.sweepNew(ctx)
}

// dueNow is due, by what the server says now.
func (e *expirySweep) dueNow(ctx context.Context) (due bool, err error) {
	if _, e.info, err = e.c.reader.lookAt(ctx, e.src.stream, e.src.queue); err != nil || e.info == nil {
		return false, err
	}
	return e.due(ctx)
}

// back is how many messages wait to be given again.
func (e *expirySweep) back() int { return max(e.info.NumAckPending-e.held, 0) }

// due reports whether a message may have ended that is at the front. What was handed
// back comes before all that was never given; nobody says which it is of those that were
// given and are not acknowledged.
func (e *expirySweep) due(ctx context.Context) (bool, error) {
	if e.back() > 0 {
		return e.c.reader.findGiven(ctx, e.src, e.info, func(msg *nats.Msg, a arrival) bool { return e.c.isOver(e.src, msg, a) })
	}
	if e.info.NumPending == 0 {
		return false, nil
	}
	return e.headPasses(ctx, filtersOf(e.info), e.info.Delivered.Stream+1)
}

// findGiven reports whether there is such a message among those of a source that were
// given, and of which some are not acknowledged.
func (rd *reader) findGiven(
	ctx context.Context, src *source, info *jetstream.ConsumerInfo, is func(*nats.Msg, arrival) bool,
) (found bool, err error) {
	to := info.Delivered.Stream
	for _, filter := range filtersOf(info) {
		for next := info.AckFloor.Stream + 1; next <= to && !found; {
			request := jsapi.ReadRequest{Seq: next, Batch: scanBatch, Most: scanBytes, Subject: filter}
			last, err := jsapi.UntilAnswered(ctx, func() (last uint64, err error) {
				err = jsapi.ReadBatch(ctx, rd.link.nc, src.stream, request, func(msg *nats.Msg, at jsapi.Position) {
					last = at.Seq
					found = found || at.Seq <= to && is(msg, readAt(at))
				})
				return last, err
			})
			if err != nil {
				return false, err
			}
			if last == 0 {
				break
			}
			next = last + 1
		}
	}
	return found, nil
}

// sweepNew drops what has ended at the front of what was never given.
func (e *expirySweep) sweepNew(ctx context.Context) error {
	for from := e.info.Delivered.Stream + 1; ; {
		n, last, err := e.countEnded(ctx, from)
		if err != nil || n == 0 {
			return err
		}
		dropped, lives, err := e.take(ctx, n)
		if lives || dropped == 0 || err != nil {
			return err
		}
		from = last + 1
	}
}

// countEnded counts the messages at the front that have ended, from a sequence on, and
// those between them that are not the queue's, up to sweepBatch of them. It gives the
// sequence of the last.
func (e *expirySweep) countEnded(ctx context.Context, from uint64) (n int, last uint64, err error) {
	var all []passing
	for _, filter := range filtersOf(e.info) {
		some, err := jsapi.UntilAnswered(ctx, func() ([]passing, error) { return e.readSome(ctx, filter, from) })
		if err != nil {
			return 0, 0, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b passing) int { return cmp.Compare(a.seq, b.seq) })
	all = slices.CompactFunc(all, func(a, b passing) bool { return a.seq == b.seq }) // filters may cross
	for i, m := range all[:min(len(all), sweepBatch)] {
		switch {
		case m.ended:
			n, last = i+1, m.seq
		case m.wanted:
			return n, last, nil
		}
	}
	return n, last, nil
}

// A passing is a message that was read: whether it is the queue's, and has ended.
type passing struct {
	seq           uint64
	wanted, ended bool
}

func (e *expirySweep) readSome(ctx context.Context, filter string, from uint64) (some []passing, err error) {
	request := jsapi.ReadRequest{Seq: from, Batch: sweepBatch, Most: scanBytes, Subject: filter}
	err = jsapi.ReadBatch(ctx, e.c.link.nc, e.src.stream, request, func(msg *nats.Msg, at jsapi.Position) {
		a := readAt(at)
		wanted := e.src.sieve.wants(msg, a)
		some = append(some, passing{a.seq, wanted, wanted && e.passes(msg, a)})
	})
	return some, err
}

// headPasses reports whether the first message from a sequence on does not stay there.
func (e *expirySweep) headPasses(ctx context.Context, filters []string, from uint64) (bool, error) {
	var head *nats.Msg
	var first jsapi.Position
	for _, filter := range filters {
		msg, at, err := jsapi.ReadFirst(ctx, e.c.link.nc, e.src.stream, filter, from)
		if err != nil {
			return false, err
		}
		if msg != nil && (head == nil || at.Seq < first.Seq) {
			head, first = msg, at
		}
	}
	if head != nil && e.src.plain {
		e.c.fronts.note(e.src, head, readAt(first))
	}
	return head != nil && e.passes(head, readAt(first)), nil
}

// fronts are the first messages of homes that were seen and do not end, by stream: they
// need not be read again, which may be long.
type fronts struct {
	mu   sync.Mutex
	seen map[string]arrival
}

// maxFronts bounds what is remembered.
const maxFronts = 1000

func (f *fronts) note(src *source, head *nats.Msg, a arrival) {
	if _, ends := lifetime(src.sieve.ttl, head.Header); ends || !src.sieve.wants(head, a) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil || len(f.seen) >= maxFronts {
		f.seen = make(map[string]arrival)
	}
	f.seen[src.stream] = a
}

// lasts reports whether the first message of a stream is one that does not end.
func (f *fronts) lasts(stream string, state jetstream.StreamState) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.seen[stream]
	return ok && a.seq == state.FirstSeq && a.stamp == state.FirstTime.UnixNano()
}

// passes reports whether a message at the front is not to stay there.
func (e *expirySweep) passes(msg *nats.Msg, a arrival) bool {
	if !e.src.sieve.wants(msg, a) {
		return true
	}
	return e.c.isOver(e.src, msg, a) && (e.spares == nil || !e.spares(msg.Header))
}

// take takes messages from the front, drops those that have ended up to the first that
// lives, and hands the others back in order. It reports how many were dropped, and
// whether others live.
func (e *expirySweep) take(ctx context.Context, n int) (dropped int, lives bool, err error) {
	p, err := e.c.reader.newPuller(e.src, sweepBatch)
	if err != nil {
		return 0, false, err
	}
	defer p.Close()
	for dropped < n && !lives && err == nil {
		var msgs []*nats.Msg
		msgs, err = p.ask(ctx, min(n-dropped, sweepBatch), 0)
		if len(msgs) == 0 {
			break
		}
		ended := 0
		for ended < len(msgs) {
			a, _ := parseArrival(msgs[ended].Reply)
			if !e.passes(msgs[ended], a) {
				break
			}
			ended++
		}
		dropped += ended
		lives = ended < len(msgs)
		err = errors.Join(err, e.c.reader.settleAll(ctx, msgs[:ended], verdictAck), e.c.reader.settleAll(ctx, msgs[ended:], verdictRequeue))
	}
	return dropped, lives, err
}

// askings are the requests that a source has not answered, oldest first: which of them
// a message answers says whether it was stored before.
type askings []asking

type asking struct {
	at   time.Time
	left int // how many messages it asks for still
}

func (q *askings) ask(n int) { *q = append(*q, asking{time.Now(), n}) }

// came is when the request was made that a message answers; zero if there is none.
func (q *askings) came() time.Time {
	if len(*q) == 0 {
		return time.Time{}
	}
	at := (*q)[0].at
	q.end(1)
	return at
}

// end takes so many messages out of what is asked for.
func (q *askings) end(n int) {
	for n > 0 && len(*q) > 0 {
		some := min(n, (*q)[0].left)
		(*q)[0].left -= some
		if n -= some; (*q)[0].left == 0 {
			*q = slices.Delete(*q, 0, 1)
		}
	}
}

// sweepSource drops what has ended at the front of a source, but what is spared. A source
// that is not there has nothing.
func (cs *contents) sweepSource(ctx context.Context, src *source, held int, spares func(nats.Header) bool) error {
	stream, err := cs.reader.streamInfo(ctx, src.stream)
	if err == nil {
		_, err = cs.sweepFront(ctx, stream, src, held, spares)
	}
	if errors.Is(err, errSwept) || errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	return err
}

// sweepQueue drops what has ended at the front of a queue, but what is spared.
func (cs *contents) sweepQueue(ctx context.Context, rec *queueRecord, spares func(nats.Header) bool) error {
	in, err := cs.usageOf(ctx, rec)
	if err != nil {
		return err
	}
	for _, src := range cs.queues.sourcesOf(rec) {
		if err := cs.sweepSource(ctx, src, in.heldAt[src.stream], spares); err != nil {
			return err
		}
	}
	return nil
}

// isTask reports whether a message is a task of Celery. One that has expired waits for a
// worker, which may note it, for as long as nobody looks at the queue.
func isTask(h nats.Header) bool {
	var m Message
	amqp.DecodeProperties(&m, h)
	_, task := m.Headers["task"]
	_, id := m.Headers["id"]
	return task && id
}
