package streams

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
	"warren/streams/internal/routing"
)

// A sieve decides which messages of a source are the queue's, where subjects
// and filters cannot say it: a binding holds only between bind and unbind,
// filters may be wider than bindings, and what was not persistent ended with
// the last life of the broker. Its answers are exact.
type sieve struct {
	// exact says that whatever comes through the filters behind the sequence
	// after is wanted.
	exact bool
	after uint64
	// filters are the subjects that the server sends, and crossing reports whether a
	// message may have two of them.
	filters  []string
	crossing func() bool
	// standing matches the bindings that hold from after on; spans are those
	// that hold for a part.
	standing *routing.Matcher
	spans    []span
	// doomed is when the broker's life began, for a queue that outlived one.
	doomed time.Time
	// within is the lowest sequence that was seen of that life: what is behind it is of
	// that life, whatever the broker's clock showed when it was stored.
	within atomic.Uint64
	// ttl is the queue's; nil for none.
	ttl *time.Duration
	// epoch is the broker's life, where messages may have waited through more
	// than one for their time.
	epoch string
	base  string
}

// span is a binding and the sequences (from, until] for which it holds; until
// is 0 while it stands.
type span struct {
	from, until uint64
	ended       bool
	matcher     *routing.Matcher
}

func (sp *span) covers(seq uint64) bool {
	return seq > sp.from && (!sp.ended || seq <= sp.until)
}

// newSieve is the sieve of a queue's view of an origin.
func (qs *queues) newSieve(rec *queueRecord, o origin) *sieve {
	v := &sieve{base: qs.vhost.exchangeSubject(o.exchange), ttl: rec.MessageTTL}
	v.doom(qs.epoch, rec)
	v.filters, v.exact = qs.viewFilters(rec, o)
	v.crossing = sync.OnceValue(func() bool { return routing.Overlap(v.filters) })
	var standing []routing.Binding
	var kind Kind
	for i := range rec.Bindings {
		b := &rec.Bindings[i]
		if b.origin() != o || b.Settled {
			continue
		}
		r := routing.Binding{Key: b.Key, Args: b.Args}
		v.spans = append(v.spans, span{b.From, b.Until, b.Ended, routing.NewMatcher(b.Kind, []routing.Binding{r})})
		if !b.Ended {
			standing, kind = append(standing, r), b.Kind
			v.after = max(v.after, b.From)
		}
	}
	v.standing = routing.NewMatcher(kind, standing)
	return v
}

// untouched reports whether a stream has nothing that was stored behind the beginning of a
// binding.
func (v *sieve) untouched(last uint64) bool {
	for i := range v.spans {
		if last > v.spans[i].from {
			return false
		}
	}
	return len(v.spans) > 0
}

// newHomeSieve is the sieve of a queue's home, which holds what it shows.
func (qs *queues) newHomeSieve(rec *queueRecord) *sieve {
	v := &sieve{exact: true, ttl: rec.MessageTTL, filters: []string{qs.vhost.homeSubject(rec.Name)}}
	v.crossing = func() bool { return false }
	v.doom(qs.epoch, rec)
	if rec.Schedules && rec.survives() {
		v.epoch = qs.epoch.id()
	}
	return v
}

func (v *sieve) doom(e *epoch, rec *queueRecord) {
	if rec.survives() {
		v.doomed = e.start()
	}
}

// wants reports whether a message is the queue's.
func (v *sieve) wants(msg *nats.Msg, a arrival) bool {
	if v.outlived(msg, a) {
		return false
	}
	if v.exact && a.seq > v.after {
		return true
	}
	key, ok := routing.SubjectKey(v.base, msg.Subject)
	if !ok {
		return false
	}
	headers := func() Table {
		var m Message
		amqp.DecodeProperties(&m, msg.Header)
		return m.Headers
	}
	if a.seq > v.after && v.standing.Match(key, headers) {
		return true
	}
	for i := range v.spans {
		if v.spans[i].covers(a.seq) && v.spans[i].matcher.Match(key, headers) {
			return true
		}
	}
	return false
}

// follow takes over what an earlier sieve of the source has seen.
func (v *sieve) follow(earlier *sieve) {
	if v.doomed.Equal(earlier.doomed) {
		v.within.Store(earlier.within.Load())
	}
}

// outlived reports whether the message is one without the persistent flag from
// an earlier life of the broker.
func (v *sieve) outlived(msg *nats.Msg, a arrival) bool {
	if v.epoch != "" && endedWith(msg.Header, v.epoch) {
		return true
	}
	if !v.predates(a) {
		return false
	}
	var m Message
	amqp.DecodeProperties(&m, msg.Header)
	return m.DeliveryMode != Persistent
}

// predates reports whether a message is from an earlier life of the broker. One that
// was killed does not know any more to whom it was handed.
func (v *sieve) predates(a arrival) bool {
	if v.doomed.IsZero() {
		return false
	}
	within := v.within.Load()
	if within > 0 && a.seq >= within {
		return false
	}
	if a.stamp < v.doomed.UnixNano() {
		return true
	}
	v.within.CompareAndSwap(within, a.seq)
	return false
}
