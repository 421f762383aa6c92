package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
)

// StoreOptions is how a store is declared. The zero value works.
type StoreOptions struct {
	// TTL is how long a value lives that this Store puts and that does not say
	// otherwise: whole seconds. Default: for ever.
	TTL time.Duration
	// MarkerTTL is how long it is remembered of a key that its value was deleted
	// by this Store: whole seconds. Default: 10 minutes. That a value has expired
	// is remembered for a second.
	MarkerTTL time.Duration
}

func (o StoreOptions) withDefaults() StoreOptions {
	if o.MarkerTTL == 0 {
		o.MarkerTTL = 10 * time.Minute
	}
	return o
}

func (o StoreOptions) check() error {
	return errors.Join(checkTTL("the TTL", o.TTL), checkTTL("the TTL of markers", o.MarkerTTL))
}

// checkTTL refuses what JetStream would round.
func checkTTL(what string, ttl time.Duration) error {
	if ttl < 0 || ttl%time.Second != 0 {
		return errPrecondition("%s is %v; use whole seconds", what, ttl)
	}
	return nil
}

// A Store is a table of last values: a key has one value, the last that was put,
// and every write has a revision, higher than all before. Keys are words with
// dots between them, as routing keys are: any text of up to 255 bytes but the
// empty one, and words may be empty. What ends, by its TTL or by [Store.Delete],
// leaves a marker, which is an [Entry] that is gone, for a time. A Store needs no
// closing, and its methods may be called from any goroutine.
type Store struct {
	s          *Session
	name       string
	stream     string
	base       string // of the subjects that keys are stored at
	told       string // of those that writes are told on
	opts       StoreOptions
	ttl        []string // of a value that says nothing, as a header
	marker     []string // of a marker
	replicated bool
	latest     atomic.Uint64 // the highest revision that was seen
}

// DeclareStore makes sure that a store is there, durable, and opens it; something
// else of its name is 406, and so is a store of a later release. A store of an
// earlier release is copied into the layout of this one, which takes a second for
// some ten thousand values; if the time is up before, the next one who opens it
// goes on. Sessions of that release are refused from then on.
func (s *Session) DeclareStore(ctx context.Context, name string, o StoreOptions) (*Store, error) {
	t, err := call(ctx, s, func(ctx context.Context) (*Store, error) { return s.declareStore(ctx, name, o) })
	if err != nil {
		return nil, fmt.Errorf("declare store %q: %w", name, err)
	}
	s.explainStore(t)
	return t, nil
}

func (s *Session) declareStore(ctx context.Context, name string, o StoreOptions) (*Store, error) {
	if err := amqp.CheckName("store", name); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if s.isClosed() {
		return nil, ErrClosed
	}
	t := s.newStore(name, o.withDefaults())
	stream, err := t.migration().open(ctx)
	if err != nil {
		return nil, err
	}
	have := stream.CachedInfo().Config
	if have.Metadata[storeKey] != name || have.MaxMsgsPerSubject != -1 {
		return nil, errPrecondition("stream '%s' is there and is not a store", t.stream)
	}
	t.replicated = have.Replicas > 1
	return t, nil
}

func (s *Session) newStore(name string, o StoreOptions) *Store {
	t := &Store{
		s: s, name: name, opts: o,
		stream: s.vhost.storeStream(name),
		base:   s.vhost.storeSubject(name),
		told:   s.vhost.toldSubject(name),
		marker: []string{ttlHeader(o.MarkerTTL)},
	}
	if o.TTL > 0 {
		t.ttl = []string{ttlHeader(o.TTL)}
	}
	return t
}

// storeKey says in a stream's metadata which store it is.
const storeKey = "warren.store"

// expiredTTL is how long the server remembers that a value has expired. It must be
// the smallest TTL there is: where a stream keeps more than one message a subject,
// the server raises every TTL to it.
const expiredTTL = time.Second

func (t *Store) migration() migration {
	v := t.s.vhost
	return migration{
		js: t.s.js, to: t.config(), base: t.base,
		from: v.earlierStoreStream(t.name), fromBase: v.earlierStoreSubject(t.name),
		isOurs: func(cfg jetstream.StreamConfig) bool { return cfg.Metadata[storeKey] == t.name },
		old:    v.movingSubject(t.stream),
	}
}

// config leaves the TTL to each value: one of the stream would be a limit.
func (t *Store) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                   t.stream,
		Description:            "store " + t.name,
		Storage:                jetstream.FileStorage,
		Replicas:               t.s.cfg.Replicas,
		MaxConsumers:           maxConsumers,
		AllowDirect:            true,
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: expiredTTL,
		RePublish:              &jetstream.RePublish{Source: t.base + ".>", Destination: t.told + ".>"},
		Metadata:               map[string]string{storeKey: t.name},
	}
}

// Name is what the store was declared as.
func (t *Store) Name() string { return t.name }

// saw notes a revision that is there.
func (t *Store) saw(revision uint64) {
	for {
		latest := t.latest.Load()
		if revision <= latest || t.latest.CompareAndSwap(latest, revision) {
			return
		}
	}
}

// Purge drops every entry whose key matches a pattern, markers among them, and
// leaves no marker. It says how many there were, or fewer if it had to ask the
// broker again. Nobody is told.
func (t *Store) Purge(ctx context.Context, pattern string) (int, error) {
	count, err := ask(ctx, t, func(ctx context.Context) (int, error) { return t.purge(ctx, pattern) })
	if err != nil {
		return 0, fmt.Errorf("purge %q of store %q: %w", pattern, t.name, err)
	}
	return count, nil
}

func (t *Store) purge(ctx context.Context, pattern string) (int, error) {
	filter, err := t.filter(pattern)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(jetstream.StreamPurgeRequest{Subject: filter})
	if err != nil {
		return 0, err
	}
	count, err := jsapi.Ask(ctx, func(ctx context.Context) (int, error) {
		answer, err := t.s.nc.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+t.stream, body)
		if err != nil {
			return 0, err
		}
		var purged struct {
			Purged int                 `json:"purged"`
			Error  *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &purged); err != nil || purged.Error == nil {
			return purged.Purged, err
		}
		return 0, purged.Error
	})
	return count, t.gone(err)
}

// gone says of a stream that is not there that the store is not.
func (t *Store) gone(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return errNotFound("no store '%s' in vhost '%s'", t.name, t.s.cfg.ShownVHost)
	}
	return err
}
