package streams

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"
)

// maxFilters is how many filter subjects one view has at most: a consumer
// slows down with their number (81 k/s with 10, 33 k/s with 100, 4 k/s with
// 1000), so beyond it filters are widened and the matcher decides.
const maxFilters = 100

// Views are limited by pull credits, not by this; a change of it is what wakes
// pull requests that wait at the server.
const maxAckPending = 1 << 30

// viewFilters are the filter subjects for the bindings of a queue to one
// origin, ended ones included until they are settled, and whether they say
// exactly what the bindings say.
func (at *site) viewFilters(rec *queueRecord, o origin) (subjects []string, exact bool) {
	base := at.vhost.exchangeSubject(o.exchange)
	byKind := make(map[Kind][]routing.Binding)
	exact = true
	for i := range rec.Bindings {
		b := &rec.Bindings[i]
		if b.origin() != o || b.Settled {
			continue
		}
		byKind[b.Kind] = append(byKind[b.Kind], routing.Binding{Key: b.Key, Args: b.Args})
		exact = exact && !b.Ended
	}
	for kind, routes := range byKind {
		some, precise := routing.Filters(kind, base, routes, maxFilters)
		subjects = append(subjects, some...)
		exact = exact && precise
	}
	if len(byKind) > 1 {
		// An exchange deleted and declared again as another kind, while the
		// queue still drains what the first one routed.
		return []string{base, base + ".>"}, false
	}
	slices.Sort(subjects)
	return subjects, exact
}

// planView says what the queue's view of an origin is to take. If that is more than
// its bindings ask for, it is noted on the exchange, before the view does.
func (c *queueChange) planView(ctx context.Context, o origin) (subjects []string, err error) {
	subjects, exact := c.q.viewFilters(c.rec, o)
	if exact {
		return subjects, nil
	}
	return subjects, c.q.exchanges.setWide(ctx, o.exchange)
}

// deriveView makes the view of the queue on an origin what the bindings say.
func (c *queueChange) deriveView(ctx context.Context, o origin) error {
	subjects, _ := c.q.viewFilters(c.rec, o)
	return c.makeView(ctx, o, subjects)
}

// makeView makes the view of the queue on an origin take what these subjects say.
func (c *queueChange) makeView(ctx context.Context, o origin, subjects []string) error {
	if len(subjects) == 0 {
		return c.q.dropView(ctx, c.rec.Name, o)
	}
	stream := c.q.vhost.originStream(o)
	consumer, err := c.q.js.Consumer(ctx, stream, routing.ConsumerName(c.rec.Name))
	if err == nil && consumer.CachedInfo().Config.Metadata["warren.life"] != c.rec.Life {
		if err := c.q.dropView(ctx, c.rec.Name, o); err != nil {
			return err
		}
		err = jetstream.ErrConsumerNotFound
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return c.createView(ctx, o, subjects)
	}
	if err != nil {
		return err
	}
	return c.updateView(ctx, stream, consumer.CachedInfo().Config, subjects)
}

// beginView is makeView of an origin that the queue has no view of; an earlier queue of the
// name may have left one.
func (c *queueChange) beginView(ctx context.Context, o origin, subjects []string) error {
	err := c.createView(ctx, o, subjects)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return c.makeView(ctx, o, subjects)
	}
	return err
}

// createView starts a view at the first message its bindings can want.
// JetStream's own "deliver new" could not be told apart from a reset.
func (c *queueChange) createView(ctx context.Context, o origin, subjects []string) error {
	cfg := c.q.consumerConfig(c.rec)
	cfg.FilterSubjects = subjects
	cfg.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
	cfg.OptStartSeq = c.rec.firstFrom(o) + 1
	_, err := c.q.js.CreateConsumer(ctx, c.q.vhost.originStream(o), cfg)
	return err
}

func (rec *queueRecord) firstFrom(o origin) uint64 {
	first := ^uint64(0)
	for i := range rec.Bindings {
		if b := &rec.Bindings[i]; b.origin() == o && !b.Settled {
			first = min(first, b.From)
		}
	}
	return first
}

// updateView changes the filters, and wakes the requests that wait: a wider
// filter alone does not show them what was there already.
func (c *queueChange) updateView(ctx context.Context, stream string, cfg jetstream.ConsumerConfig, subjects []string) error {
	have := cfg.FilterSubjects
	if cfg.FilterSubject != "" {
		have = []string{cfg.FilterSubject}
	}
	if slices.Equal(have, subjects) {
		return nil
	}
	cfg.FilterSubject, cfg.FilterSubjects = "", subjects
	consumer, err := c.q.js.UpdateConsumer(ctx, stream, cfg)
	if err != nil || consumer.CachedInfo().NumPending == 0 {
		return err
	}
	cfg.MaxAckPending ^= 1
	_, err = c.q.js.UpdateConsumer(ctx, stream, cfg)
	return err
}

// settleView forgets the ended bindings to an origin whose messages are all
// settled, and narrows the view, or takes it away. They are marked before, and
// forgotten after: a view that no record told of would keep messages for ever.
func (c *queueChange) settleView(ctx context.Context, o origin) error {
	stream := c.q.vhost.originStream(o)
	state, info, err := c.q.reader.lookAt(ctx, stream, c.rec.Name)
	if err != nil {
		return err
	}
	settled := false
	for i := range c.rec.Bindings {
		b := &c.rec.Bindings[i]
		if b.origin() == o && b.Ended && (info == nil || passed(info, state, b.Until)) {
			b.Settled, settled = true, true
		}
	}
	if !settled {
		return nil
	}
	if err := c.save(ctx); err != nil {
		return err
	}
	if err := c.deriveView(ctx, o); err != nil {
		return err
	}
	c.rec.Bindings = slices.DeleteFunc(c.rec.Bindings, func(b bindingRecord) bool {
		return b.origin() == o && b.Settled
	})
	if err := c.save(ctx); err != nil {
		return err
	}
	return c.tell(ctx)
}

// lookAt reads a stream and a queue's consumer on it; a nil info says that there
// is none.
func (rd *reader) lookAt(ctx context.Context, name, queue string) (jetstream.StreamState, *jetstream.ConsumerInfo, error) {
	stream, err := rd.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return jetstream.StreamState{}, nil, nil
	}
	if err != nil {
		return jetstream.StreamState{}, nil, err
	}
	consumer, err := rd.js.Consumer(ctx, name, routing.ConsumerName(queue))
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) { // it has gone since
		return jetstream.StreamState{}, nil, nil
	}
	if err != nil {
		return jetstream.StreamState{}, nil, err
	}
	return stream.CachedInfo().State, consumer.CachedInfo(), nil
}

// passed reports whether a view has nothing left up to a sequence. The server
// counts a stored message for its consumers a moment after it has confirmed it,
// so an empty view is believed only when nothing was stored lately.
func passed(info *jetstream.ConsumerInfo, state jetstream.StreamState, until uint64) bool {
	if info.AckFloor.Stream >= until {
		return true
	}
	quiet := state.LastSeq == 0 || !isFresh(state, info)
	return quiet && info.NumPending == 0 && info.NumAckPending == 0
}

// settleEnded settles what can be of a queue with ended bindings.
func (qs *queues) settleEnded(ctx context.Context, queue string) error {
	err := qs.change(ctx, queue, func(change *queueChange) error { return change.settleEnded(ctx) })
	if isNotFound(err) {
		return nil
	}
	return err
}

func (c *queueChange) settleEnded(ctx context.Context) error {
	for _, o := range c.rec.endedOrigins() {
		if err := c.settleView(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// dropView takes a queue's view of an origin away, its messages with it, and
// the stream if that was only waiting for that.
func (qs *queues) dropView(ctx context.Context, queue string, o origin) error {
	there, err := qs.deleteView(ctx, queue, o)
	if err != nil || !there {
		return err
	}
	return qs.dropDrained(ctx, o)
}

// deleteView takes a queue's view of an origin away, and reports whether the stream is there.
func (qs *queues) deleteView(ctx context.Context, queue string, o origin) (there bool, err error) {
	err = qs.js.DeleteConsumer(ctx, qs.vhost.originStream(o), routing.ConsumerName(queue))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		err = nil
	}
	return true, err
}

// endView is dropView as the queue goes. While it is bound, nobody's exchange leaves the
// stream and is done with that: who deletes or moves an exchange waits for the queues that
// are bound to it, and looks afterwards whether the stream is drained.
func (c *queueChange) endView(ctx context.Context, o origin) error {
	if !c.bindsTo(o) {
		return c.q.dropView(ctx, c.rec.Name, o)
	}
	_, err := c.q.deleteView(ctx, c.rec.Name, o)
	return err
}

// bindsTo reports whether all bindings to an origin stand, and are to the exchange that is
// known to store there.
func (c *queueChange) bindsTo(o origin) bool {
	known, is, _ := c.q.exchanges.look(o.exchange)
	return is && known.rec.origin() == o && !slices.ContainsFunc(c.rec.Bindings, func(b bindingRecord) bool {
		return b.origin() == o && (b.Ended || b.Life != known.rec.Life)
	})
}

// dropDrained deletes a stream that its exchange has left if this was the last
// queue that drained it.
func (qs *queues) dropDrained(ctx context.Context, o origin) error {
	stream, err := qs.js.Stream(ctx, qs.vhost.originStream(o))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil || !qs.exchanges.drained(o, stream.CachedInfo()) {
		return err
	}
	if err := qs.exchanges.clearGone(ctx, o.exchange); err != nil {
		return err
	}
	return qs.exchanges.clearLeftStream(ctx, o)
}

// drained reports whether a stream's exchange has left it and no queue has a view
// of it.
func (es *exchanges) drained(o origin, info *jetstream.StreamInfo) bool {
	return info.State.Consumers == 0 && es.isParked(o, info)
}

// lastSequence is where an origin's stream stands, 0 when there is none.
func (rd *reader) lastSequence(ctx context.Context, o origin) (uint64, error) {
	stream, err := rd.js.Stream(ctx, rd.vhost.originStream(o))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}
