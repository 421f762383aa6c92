package streams

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// An origin is a stream of an exchange. An exchange has one, in files, or in memory
// while nothing in it could outlive the broker: that it ends with the broker, and
// so does every queue bound to it. It moves to files for good before a queue is
// bound that does not; what queues have in the other one then, they drain.
type origin struct {
	exchange string
	volatile bool
}

// origin is where an exchange stores what is published to it.
func (rec *exchangeRecord) origin() origin { return origin{rec.Name, rec.Volatile} }

// origin is where the messages of a binding are.
func (b *bindingRecord) origin() origin { return origin{b.Exchange, b.Volatile} }

// origins are those the queue has a view of.
func (rec *queueRecord) origins() []origin {
	return rec.originsOf(func(*bindingRecord) bool { return true })
}

// endedOrigins are those with bindings that have ended.
func (rec *queueRecord) endedOrigins() []origin {
	return rec.originsOf(func(b *bindingRecord) bool { return b.Ended })
}

func (rec *queueRecord) originsOf(which func(*bindingRecord) bool) []origin {
	var list []origin
	for i := range rec.Bindings {
		b := &rec.Bindings[i]
		if o := b.origin(); which(b) && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}

// bothOrigins are where an exchange of a name may have messages.
func bothOrigins(name string) [2]origin {
	return [2]origin{{exchange: name}, {exchange: name, volatile: true}}
}

// ensureOrigin derives the stream of an origin and gives its last sequence. The
// stream may have outlived an earlier exchange of the name, for queues that still
// drain it, and may end while it is looked at.
func (es *exchanges) ensureOrigin(ctx context.Context, o origin) (uint64, error) {
	want := es.originConfig(o)
	for pause := contended(); ; {
		stream, err := es.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = es.listen(ctx, want.Name, want.Subjects)
		}
		if err == nil {
			return stream.CachedInfo().State.LastSeq, nil
		}
		if !errors.Is(err, jetstream.ErrStreamNotFound) || pause.Wait(ctx) != nil {
			return 0, err
		}
	}
}

// listen gives a stream its subjects, and leaves the rest of it as it is.
func (es *exchanges) listen(ctx context.Context, name string, subjects []string) (jetstream.Stream, error) {
	stream, err := es.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	cfg := stream.CachedInfo().Config
	if slices.Equal(cfg.Subjects, subjects) {
		return stream, nil
	}
	cfg.Subjects = subjects
	return es.js.UpdateStream(ctx, cfg)
}

func (es *exchanges) originConfig(o origin) jetstream.StreamConfig {
	subject := es.vhost.exchangeSubject(o.exchange)
	storage := jetstream.FileStorage
	if o.volatile {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name:         es.vhost.originStream(o),
		Description:  "exchange " + o.exchange,
		Subjects:     []string{subject, subject + ".>"},
		Retention:    jetstream.InterestPolicy,
		Storage:      storage,
		Replicas:     es.cfg.Replicas,
		MaxConsumers: maxConsumers,
		AllowDirect:  true,
		Metadata:     map[string]string{"warren.exchange": o.exchange},

		AllowAtomicPublish: !es.link.noBatches.Load(),
	}
}

// park has a stream that its exchange leaves take no more messages.
func (es *exchanges) park(ctx context.Context, o origin) error {
	_, err := es.listen(ctx, es.vhost.originStream(o), []string{es.vhost.parkedSubject(o)})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// isParked reports whether a stream's exchange has left it.
func (es *exchanges) isParked(o origin, info *jetstream.StreamInfo) bool {
	return info.Config.Subjects[0] == es.vhost.parkedSubject(o)
}

// finalSequence is the last sequence of a parked stream, when it has stored what it was
// sent before it was parked. The server says that a stream listens elsewhere although
// messages still wait to be stored, and confirms them afterwards. They wait in the order in
// which they came, and one to the parked subject waits behind them. That one is refused, so
// that it leaves no trace; of several replicas, which agree on a message after it was
// accepted, it is accepted, and not kept, as no queue is interested in it.
func (es *exchanges) finalSequence(ctx context.Context, o origin) (uint64, error) {
	behind := nats.NewMsg(strings.TrimSuffix(es.vhost.parkedSubject(o), ">") + "behind")
	for {
		stream, err := es.js.Stream(ctx, es.vhost.originStream(o))
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		info := stream.CachedInfo()
		if !es.isParked(o, info) {
			return info.State.LastSeq, nil
		}
		alone := info.Config.Replicas == 1
		if alone {
			behind.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(math.MaxUint64, 10))
		}
		answer, err := jsapi.Ask(ctx, func(ctx context.Context) (*nats.Msg, error) { return es.link.nc.RequestMsgWithContext(ctx, behind) })
		switch {
		case errors.Is(err, nats.ErrNoResponders): // its server has gone for a moment
			err = jsapi.Sleep(ctx, time.Millisecond)
		case err == nil && alone:
			return es.reader.lastSequence(ctx, o)
		case err == nil:
			if err := ackError(answer.Data); err != nil {
				return 0, err
			}
			return ackSequence(answer.Data) - 1, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func (es *exchanges) parkBoth(ctx context.Context, exchange string) error {
	for _, o := range bothOrigins(exchange) {
		if err := es.park(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// dropParked deletes a stream that its exchange has left once no queue has a view
// of it. The exchange must be held.
func (es *exchanges) dropParked(ctx context.Context, o origin) error {
	stream, err := es.js.Stream(ctx, es.vhost.originStream(o))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil || !es.drained(o, stream.CachedInfo()) {
		return err
	}
	err = es.js.DeleteStream(ctx, stream.CachedInfo().Config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}
