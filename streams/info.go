package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// A reading is how much of a source is read to count it, where the server cannot
// say what of it is the queue's: nothing, if that would be more than most messages,
// and no more once enough were found.
type reading struct{ most, enough int }

// briefly is how much a call reads that must not take longer the more there is.
var briefly = reading{most: scanBatch, enough: math.MaxInt}

// Contents are what queues hold: how much that is, by what the streams and the users of
// the queue say, and what of it has ended.
type contents struct {
	*site
	link         *link
	live         *live
	clock        *brokerClock
	epoch        *epoch
	reader       *reader
	registry     *registry
	peers        *peers
	queues       *queues
	sweeping     jsapi.KeyedLocks // by source: dropping what has ended
	fronts       fronts
	settledHomes settledHomes
}

// queueInfo counts what a queue holds. What its consumers hold they know
// themselves; of what a killed consumer held, see orphaned. Everything else is ready.
func (cs *contents) queueInfo(ctx context.Context, rec *queueRecord) (QueueInfo, error) {
	return cs.countQueue(ctx, rec, briefly)
}

// countQueue is queueInfo for who reads more or less: where it would be more, it
// counts all that came through the filters.
func (cs *contents) countQueue(ctx context.Context, rec *queueRecord, r reading) (QueueInfo, error) {
	in, err := cs.usageOf(ctx, rec)
	if err != nil {
		return QueueInfo{}, err
	}
	return cs.countUsed(ctx, rec, in, r, cs.reader.streamInfo)
}

// A lookup finds the state of a stream: it asks for it, or knows it.
type lookup func(ctx context.Context, stream string) (*jetstream.StreamInfo, error)

func (rd *reader) streamInfo(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	found, err := rd.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return found.CachedInfo(), nil
}

// countUsed is countQueue of a queue of which it is known how sessions use it.
func (cs *contents) countUsed(ctx context.Context, rec *queueRecord, in use, r reading, look lookup) (QueueInfo, error) {
	total, err := cs.messages(ctx, rec, in, r, look)
	if err != nil {
		return QueueInfo{}, err
	}
	scheduled, err := cs.countScheduled(ctx, rec)
	if err != nil {
		return QueueInfo{}, err
	}
	orphaned, err := cs.orphaned(ctx, rec, in)
	if err != nil {
		return QueueInfo{}, err
	}
	held := min(in.held+orphaned.count, total)
	info := QueueInfo{Queue: rec.Queue, Ready: total - held, Unacked: held, Scheduled: scheduled, Consumers: in.consumers}
	if info.Orphaned = min(orphaned.count, held); info.Orphaned > 0 {
		info.OrphanedUntil = orphaned.until
	}
	return info, nil
}

// isEmpty reports whether nothing is ready in a queue, or waits for its time or for the
// lease of a dead session. What was counted and may not be the queue's is read, up to the
// first that is.
func (cs *contents) isEmpty(ctx context.Context, rec *queueRecord, info QueueInfo) (bool, error) {
	if info.Scheduled > 0 || info.Ready+info.Orphaned == 0 {
		return info.Scheduled == 0, nil
	}
	in, err := cs.usageOf(ctx, rec)
	if err != nil {
		return false, err
	}
	r := reading{most: math.MaxInt, enough: info.Unacked - info.Orphaned + 1}
	total, err := cs.messages(ctx, rec, in, r, cs.reader.streamInfo)
	return total <= info.Unacked-info.Orphaned, err
}

// use is how all sessions use a queue.
type use struct {
	consumers int
	held      int            // messages
	heldAt    map[string]int // by stream
	left      []string       // subjects of what dead sessions have left
}

// usageOf is usage of a queue whose record is known. One that is exclusive to a session of
// this node, no other node uses.
func (cs *contents) usageOf(ctx context.Context, rec *queueRecord) (use, error) {
	if rec.Owner == cs.id {
		return use{}.with(cs.peers.answer(question{Queue: rec.Name})), nil
	}
	return cs.usage(ctx, rec.Name)
}

// usage counts the consumers of a queue and what all sessions hold of it.
func (cs *contents) usage(ctx context.Context, queue string) (all use, err error) {
	sessions, left, err := cs.registry.usersAndLeft(ctx, queue)
	if err != nil {
		return use{}, err
	}
	answers, err := cs.peers.askAll(ctx, sessions, question{Queue: queue})
	if err == nil && slices.Contains(answers, nil) { // what it has left may be noted only now
		_, left, err = cs.registry.usersAndLeft(ctx, queue)
	}
	if err != nil {
		return use{}, err
	}
	all.left = left
	for i, a := range answers {
		switch {
		case a == nil:
		case a.silent:
			consuming, err := cs.registry.consumes(ctx, queue, sessions[i])
			if err != nil {
				return use{}, err
			}
			all.consumers += consuming
		default:
			all = all.with(a)
		}
	}
	return all, nil
}

// consumes says 1 of a session that does not answer and has consumers of a queue:
// how many, only that session knows.
func (g *registry) consumes(ctx context.Context, queue, session string) (int, error) {
	msg, err := jsapi.LastMessage(ctx, g.live, g.vhost.userSubject(queue, session))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var r registration
	if json.Unmarshal(msg.Data, &r) == nil && r.Consuming {
		return 1, nil
	}
	return 0, nil
}

// messages counts everything in a queue, ready or not, and drops before what has ended at
// its front.
func (cs *contents) messages(ctx context.Context, rec *queueRecord, in use, r reading, look lookup) (int, error) {
	sources := cs.queues.sourcesOf(rec)
	counts := make([]int, len(sources))
	err := sideBySide(len(sources), func(i int) (err error) {
		src := sources[i]
		counts[i], err = cs.countAt(ctx, src, in.heldAt[src.stream], r, look)
		gone := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
		switch {
		case gone && src.exchange != "":
			return nil // the view is not there yet, or not any more
		case gone:
			return fmt.Errorf("%w (its stream is missing)", cs.noQueue(rec.Name))
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	total := 0
	for _, count := range counts {
		total += count
	}
	return total, nil
}

// countAt counts what a source has for the queue, so many held messages among it, and
// drops before what has ended at its front.
func (cs *contents) countAt(ctx context.Context, src *source, held int, r reading, look lookup) (int, error) {
	stream, err := look(ctx, src.stream)
	if err != nil || src.sieve.untouched(stream.State.LastSeq) {
		return 0, err
	}
	info, err := cs.sweepFront(ctx, stream, src, held, nil)
	if errors.Is(err, errSwept) {
		info = nil
		stream, err = cs.reader.streamInfo(ctx, src.stream)
	}
	if err != nil {
		return 0, err
	}
	return cs.countStored(ctx, stream, src, info, r)
}

// errSwept says that the front of a source has changed since it was looked at.
var errSwept = errors.New("what is over was dropped")

// sweepFront drops what has ended at the front of a source, but what is spared. It gives
// the state of the source's consumer, if it had to look at it.
func (cs *contents) sweepFront(
	ctx context.Context, stream *jetstream.StreamInfo, src *source, held int, spares func(nats.Header) bool,
) (*jetstream.ConsumerInfo, error) {
	state := stream.State
	if state.Msgs == 0 {
		return nil, nil
	}
	if src.plain {
		if dropped, err := cs.dropAcked(ctx, stream, src); err != nil || dropped {
			return nil, cmp.Or(err, errSwept)
		}
	}
	e := expirySweep{c: cs, src: src, held: held, spares: spares}
	if src.plain && held == 0 {
		if cs.fronts.lasts(src.stream, state) {
			return nil, nil
		}
		if passes, err := e.headPasses(ctx, []string{">"}, state.FirstSeq); err != nil || !passes {
			return nil, err
		}
	}
	info, err := cs.reader.settledInfo(ctx, stream, src)
	if err != nil {
		return nil, err
	}
	e.info = info
	if swept, err := e.run(ctx); err != nil || !swept {
		return info, err
	}
	return nil, errSwept
}

// countStored counts what a source has for the queue. The state of its consumer is read
// where it is needed and not known.
func (cs *contents) countStored(
	ctx context.Context, stream *jetstream.StreamInfo, src *source, info *jetstream.ConsumerInfo, r reading,
) (int, error) {
	state := stream.State
	if src.plain {
		c := counted{src: src, state: state, next: state.FirstSeq, waiting: int(state.Msgs), filters: []string{">"}}
		return cs.sifted(ctx, c, r)
	}
	if info == nil {
		var err error
		if info, err = cs.reader.settledInfo(ctx, stream, src); err != nil {
			return 0, err
		}
	}
	c := counted{
		src: src, state: state, next: max(info.Delivered.Stream+1, state.FirstSeq),
		waiting: int(info.NumPending), filters: filtersOf(info), late: isFresh(state, info) && isLittle(stream, info),
	}
	waiting, err := cs.sifted(ctx, c, r)
	return waiting + info.NumAckPending, err
}

// counted is what the server counts at a source: messages that the filters let
// through, from a sequence on.
type counted struct {
	src     *source
	state   jetstream.StreamState
	next    uint64
	waiting int
	filters []string
	late    bool // the server may not have counted the last messages yet, and there are few
}

// sifted takes what is not the queue's out of the server's count. It may be where
// the filters let through more than the bindings ask for, or count a message twice;
// and otherwise only up to a sequence, so that what lies behind it need not be read.
func (cs *contents) sifted(ctx context.Context, c counted, r reading) (int, error) {
	if c.waiting == 0 && !c.late {
		return 0, nil
	}
	all := c.late || !c.src.sieve.exact || routing.Overlap(c.filters)
	until, err := c.state.LastSeq, error(nil)
	if !all {
		until, err = cs.lastDoubtful(ctx, c)
	}
	if err != nil || c.next > until || c.waiting-int(c.state.LastSeq-until) > r.most {
		return c.waiting, err
	}
	found, err := cs.reader.scan(ctx, c.src, scanRange{c.filters, c.next, until, r})
	switch {
	case err != nil || found.over:
		return c.waiting, err
	case all:
		return found.wanted, nil
	}
	return c.waiting - found.read + found.wanted, nil
}

// lastDoubtful is the last sequence at which a message may not be the queue's: it came
// before the last of its bindings, or before the broker's life began, and ended
// with the one before.
func (cs *contents) lastDoubtful(ctx context.Context, c counted) (uint64, error) {
	began, after := c.src.sieve.doomed, c.src.sieve.after
	if !c.state.FirstTime.Before(began) {
		return after, nil
	}
	last, err := cs.reader.lastBefore(ctx, c.src.stream, c.state, began)
	return min(max(after, last), c.state.LastSeq), err
}

// lastBefore is the last sequence of a stream that was stored before a time.
func (rd *reader) lastBefore(ctx context.Context, stream string, state jetstream.StreamState, at time.Time) (uint64, error) {
	if state.LastTime.Before(at) {
		return state.LastSeq, nil
	}
	first, err := jsapi.FirstSince(ctx, rd.link.nc, stream, at)
	if err != nil || first == 0 {
		return state.LastSeq, err
	}
	return first - 1, nil
}

// filtersOf are the subjects that a consumer takes.
func filtersOf(info *jetstream.ConsumerInfo) []string {
	if len(info.Config.FilterSubjects) > 0 {
		return info.Config.FilterSubjects
	}
	return []string{cmp.Or(info.Config.FilterSubject, ">")}
}

// settledInfo reads the state of a view. The server counts a stored message for its
// consumers a while after it has confirmed it: on a busy machine, tenths of a second. So
// right after one was stored what waits is counted anew, unless there is so little that
// who counts can read it.
func (rd *reader) settledInfo(ctx context.Context, stream *jetstream.StreamInfo, src *source) (*jetstream.ConsumerInfo, error) {
	info, err := rd.sourceInfo(ctx, src)
	if err != nil || !isFresh(stream.State, info) || isLittle(stream, info) {
		return info, err
	}
	filters := filtersOf(info)
	if stream.Config.Replicas > 1 || routing.Overlap(filters) {
		return rd.standingInfo(ctx, src, info)
	}
	info.NumPending = 0
	for _, filter := range filters {
		n, err := jsapi.CountFrom(ctx, rd.link.nc, src.stream, filter, info.Delivered.Stream+1)
		if err != nil {
			return nil, err
		}
		info.NumPending += n
	}
	return info, nil
}

// standingInfo reads the state of a view until it stands: of several replicas a reader
// may meet one that is behind, and what two filters let through is to be counted once.
func (rd *reader) standingInfo(ctx context.Context, src *source, last *jetstream.ConsumerInfo) (*jetstream.ConsumerInfo, error) {
	const moment, tries = 2 * time.Millisecond, 10
	for range tries {
		if err := jsapi.Sleep(ctx, moment); err != nil {
			return nil, err
		}
		info, err := rd.sourceInfo(ctx, src)
		if err != nil || last.NumPending == info.NumPending && last.NumAckPending == info.NumAckPending {
			return info, err
		}
		last = info
	}
	return last, nil
}

func (rd *reader) sourceInfo(ctx context.Context, src *source) (*jetstream.ConsumerInfo, error) {
	consumer, err := rd.js.Consumer(ctx, src.stream, routing.ConsumerName(src.queue))
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}

// isFresh reports whether the last message of a stream was stored so short a time before
// the state of a consumer was read that the server may not have counted it there.
func isFresh(state jetstream.StreamState, info *jetstream.ConsumerInfo) bool {
	return info.TimeStamp.Sub(state.LastTime) <= freshness
}

// freshness is how long after it has confirmed a message the server may not have counted
// it for consumers: 50 ms is not enough on a busy machine.
const freshness = time.Second

// isLittle reports whether what a consumer has not delivered is read as soon as its count
// is read twice. Of several replicas a reader may meet one that is behind.
func isLittle(stream *jetstream.StreamInfo, info *jetstream.ConsumerInfo) bool {
	const messages, bytes = 64, 64 << 10
	state := stream.State
	if stream.Config.Replicas > 1 {
		return false
	}
	if state.LastSeq <= info.Delivered.Stream || state.Msgs == 0 {
		return true
	}
	behind := state.LastSeq - max(info.Delivered.Stream+1, state.FirstSeq) + 1
	return behind <= messages && behind*(state.Bytes/state.Msgs) <= bytes
}
