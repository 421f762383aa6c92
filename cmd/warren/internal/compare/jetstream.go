package compare

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// jetStream is JetStream as one uses it without a layer on top: what the layer
// costs is what it is faster by.
//
// A queue is a work-queue stream with one durable consumer that its receivers
// share, an exchange a stream with interest retention, and a queue that is bound
// to one a durable consumer of it.
type jetStream struct {
	server   Server
	replicas int
	features Features
	prefix   string

	mu     sync.Mutex
	queues map[string]*rawQueue
	stale  atomic.Bool     // a queue's consumer has not all of its filters yet
	fanout map[string]bool // exchanges that look at no key
}

// A rawQueue is what has to be known of a queue to consume it.
type rawQueue struct {
	exchange string   // empty: bound to none
	keys     []string // of its bindings
	pending  int      // what its consumers may hold together
	unbound  int      // consumers without a prefetch
	lease    time.Duration
	stale    bool // its consumer has not all of its filters yet
}

// manyKeys is from how many binding keys on a consumer is given them all at once,
// when the next message is published: a server compares all filters of a consumer
// with one another whenever one is added.
const manyKeys = 16

// rawLease is how long a message is its receiver's before it comes again:
// JetStream's own default, and nobody renews it.
const rawLease = 30 * time.Second

// NewJetStream is JetStream on a server, which it takes over: its Close closes
// that, too, and so does a failure.
func NewJetStream(ctx context.Context, s Server, replicas int) (Target, error) {
	f, err := natsFeatures(ctx, s, replicas)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	f.Client = "nats.go " + nats.Version
	f.Lease = rawLease
	return &jetStream{
		server: s, replicas: max(replicas, 1), features: f,
		prefix: "raw-" + nuid.Next(), queues: make(map[string]*rawQueue), fanout: make(map[string]bool),
	}, nil
}

func (j *jetStream) Name() string                            { return "jetstream " + j.server.Label() }
func (j *jetStream) Features() Features                      { return j.features }
func (j *jetStream) Traffic() Traffic                        { return j.server.Traffic() }
func (j *jetStream) Usage(ctx context.Context) (Usage, bool) { return j.server.Usage(ctx) }

func (j *jetStream) Restart(ctx context.Context, kill bool) error {
	return j.server.Restart(ctx, kill)
}

func (j *jetStream) Address() Address {
	return natsAddress(jetStreamAddress, j.server, j.replicas, j.prefix)
}

// Close removes the streams.
func (j *jetStream) Close() error {
	return errors.Join(removeStreams(j.server, j.prefix), j.server.Close())
}

// Connect opens a connection.
func (j *jetStream) Connect(context.Context) (Conn, error) {
	nc, err := j.server.Dial(patient()...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &rawConn{target: j, nc: nc, js: js}, nil
}

// word refuses names and keys that cannot be part of a subject.
func word(name string) error {
	words := strings.Split(name, ".")
	if slices.Contains(words, "") || strings.ContainsAny(name, " \t\r\n\x00*>") {
		return notOffered("%q, which is no NATS subject", name)
	}
	return nil
}

func (j *jetStream) homeStream(queue string) string { return j.prefix + "-q-" + flat(queue) }
func (j *jetStream) exchangeStream(exchange string) string {
	return j.prefix + "-x-" + flat(exchange)
}
func (j *jetStream) homeSubject(queue string) string        { return j.prefix + ".q." + queue }
func (j *jetStream) exchangeSubject(exchange string) string { return j.prefix + ".x." + exchange }

// flat makes a name one that a stream may have.
func flat(name string) string { return strings.ReplaceAll(name, ".", "=") }

// filters are the subjects that a binding key stands for.
func (j *jetStream) filters(exchange, key string) ([]string, error) {
	subject := j.exchangeSubject(exchange)
	switch words := strings.Split(key, "."); {
	case key == "#":
		return []string{subject + ".>"}, nil
	case key == "":
		return nil, notOffered("an empty binding key")
	case slices.Contains(words[:len(words)-1], "#"):
		return nil, notOffered("%q: a # that is not at the end", key)
	case words[len(words)-1] == "#":
		before := subject + "." + strings.TrimSuffix(key, ".#")
		return []string{before, before + ".>"}, nil
	}
	if err := word(strings.ReplaceAll(key, "*", "x")); err != nil {
		return nil, err
	}
	return []string{subject + "." + key}, nil
}

func storage(inFiles bool) jetstream.StorageType {
	if inFiles {
		return jetstream.FileStorage
	}
	return jetstream.MemoryStorage
}

// rawConn is a connection of its own.
type rawConn struct {
	target *jetStream
	nc     *nats.Conn
	js     jetstream.JetStream
}

func (c *rawConn) Close() error { c.nc.Close(); return nil }

func (c *rawConn) DeclareExchange(ctx context.Context, x Exchange) error {
	if x.Kind == Headers {
		return notOffered("routing by headers")
	}
	if err := word(x.Name); err != nil {
		return err
	}
	c.target.mu.Lock()
	c.target.fanout[x.Name] = x.Kind == Fanout
	c.target.mu.Unlock()
	inFiles := x.Durable
	if _, always := c.target.server.Sync(); always && !inFiles {
		return notOffered("a volatile exchange on a server with %s", syncOf(c.target.server))
	}
	return c.createStream(ctx, jetstream.StreamConfig{
		Name: c.target.exchangeStream(x.Name), Subjects: []string{c.target.exchangeSubject(x.Name) + ".>"},
		Retention: jetstream.InterestPolicy, Storage: storage(inFiles), Replicas: c.target.replicas,
	})
}

// storeFailed is the server's error code for a stream that it cannot store.
const storeFailed = 10049

// createStream creates a stream. The server removes the directory of all streams
// some time after the last of them was deleted, and a stream that is created just
// then loses its own; it is there at the next attempt.
func (c *rawConn) createStream(ctx context.Context, cfg jetstream.StreamConfig) (err error) {
	const attempts = 3
	for range attempts {
		_, err = c.js.CreateOrUpdateStream(ctx, cfg)
		var refused *jetstream.APIError
		if !errors.As(err, &refused) || refused.ErrorCode != storeFailed {
			return err
		}
	}
	return err
}

func (c *rawConn) DeclareQueue(ctx context.Context, q Queue) (string, error) {
	if q.Exclusive {
		return "", notOffered("an exclusive queue")
	}
	if q.Name == "" {
		q.Name = nuid.Next()
	}
	if err := word(q.Name); err != nil {
		return "", err
	}
	inFiles, err := storedInFiles(c.target.server, q.Class)
	if err != nil {
		return "", err
	}
	t := c.target
	err = c.createStream(ctx, jetstream.StreamConfig{
		Name: t.homeStream(q.Name), Subjects: []string{t.homeSubject(q.Name)},
		Retention: jetstream.WorkQueuePolicy, Storage: storage(inFiles), Replicas: t.replicas,
	})
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues[q.Name] == nil {
		t.queues[q.Name] = new(rawQueue)
	}
	t.queues[q.Name].lease = q.Lease
	return q.Name, t.adjust(ctx, c.js, q.Name)
}

// adjust makes the consumer of a queue what it has to be. The lock is held.
func (j *jetStream) adjust(ctx context.Context, js jetstream.JetStream, queue string) error {
	q := j.queues[queue]
	cfg := jetstream.ConsumerConfig{
		Durable: flat(queue), AckPolicy: jetstream.AckExplicitPolicy, AckWait: cmp.Or(q.lease, rawLease),
		MaxAckPending: q.pending, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if q.unbound > 0 {
		cfg.MaxAckPending = -1
	}
	stream := j.homeStream(queue)
	if q.exchange != "" {
		stream = j.exchangeStream(q.exchange)
		for _, key := range q.keys {
			filters, err := j.filters(q.exchange, key)
			if err != nil {
				return err
			}
			cfg.FilterSubjects = append(cfg.FilterSubjects, filters...)
		}
	}
	_, err := js.CreateOrUpdateConsumer(ctx, stream, cfg)
	if err == nil {
		q.stale = false
	}
	return err
}

// refresh gives all consumers the filters that they have to have.
func (j *jetStream) refresh(ctx context.Context, js jetstream.JetStream) error {
	if !j.stale.Load() {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, q := range j.queues {
		if !q.stale {
			continue
		}
		if err := j.adjust(ctx, js, name); err != nil {
			return err
		}
	}
	j.stale.Store(false)
	return nil
}

// looksAtNoKey reports whether an exchange is a fanout exchange.
func (j *jetStream) looksAtNoKey(exchange string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fanout[exchange]
}

// known is what is known of a queue. The lock is held.
func (j *jetStream) known(queue string) *rawQueue {
	q := j.queues[queue]
	if q == nil {
		q = new(rawQueue)
		j.queues[queue] = q
	}
	return q
}

func (c *rawConn) Bind(ctx context.Context, queue, exchange, key string) error {
	t := c.target
	if _, err := c.js.Stream(ctx, t.exchangeStream(exchange)); err != nil {
		return err
	}
	if t.looksAtNoKey(exchange) {
		key = "#"
	}
	if _, err := t.filters(exchange, key); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.known(queue)
	if q.exchange != "" && q.exchange != exchange {
		return notOffered("a queue that is bound to two exchanges")
	}
	if slices.Contains(q.keys, key) {
		return nil
	}
	before := *q
	q.exchange, q.keys = exchange, append(slices.Clip(q.keys), key)
	if len(q.keys) > manyKeys {
		q.stale = true
		t.stale.Store(true)
		return nil
	}
	if err := t.adjust(ctx, c.js, queue); err != nil {
		*q = before
		return err
	}
	return nil
}

func (c *rawConn) Unbind(ctx context.Context, queue, exchange, key string) error {
	t := c.target
	if t.looksAtNoKey(exchange) {
		key = "#"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.known(queue)
	i := slices.Index(q.keys, key)
	if q.exchange != exchange || i < 0 {
		return nil
	}
	q.keys = slices.Delete(slices.Clone(q.keys), i, i+1)
	if len(q.keys) > 0 {
		return t.adjust(ctx, c.js, queue)
	}
	q.exchange = ""
	return c.js.DeleteConsumer(ctx, t.exchangeStream(exchange), flat(queue))
}

func (c *rawConn) DeleteQueue(ctx context.Context, queue string) error {
	t := c.target
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	if q := t.queues[queue]; q != nil && q.exchange != "" {
		err = c.js.DeleteConsumer(ctx, t.exchangeStream(q.exchange), flat(queue))
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			err = nil // it went with the exchange
		}
	}
	delete(t.queues, queue)
	return errors.Join(err, gone(c.js.DeleteStream(ctx, t.homeStream(queue))))
}

func (c *rawConn) DeleteExchange(ctx context.Context, exchange string) error {
	return gone(c.js.DeleteStream(ctx, c.target.exchangeStream(exchange)))
}

// gone is content with what is not there.
func gone(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// consumer finds the consumer of a queue, which may hold as many more as said.
func (c *rawConn) consumer(ctx context.Context, queue string, prefetch int) (jetstream.Consumer, error) {
	t := c.target
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.known(queue)
	if prefetch != 0 {
		before := *q
		q.hold(prefetch)
		if err := t.adjust(ctx, c.js, queue); err != nil {
			*q = before
			return nil, err
		}
	}
	stream := t.homeStream(queue)
	if q.exchange != "" {
		stream = t.exchangeStream(q.exchange)
	}
	return c.js.Consumer(ctx, stream, flat(queue))
}

// unlimited is a prefetch without a limit.
const unlimited = -1

// hold lets the consumers hold so many more together.
func (q *rawQueue) hold(prefetch int) {
	if prefetch == unlimited {
		q.unbound++
		return
	}
	q.pending += prefetch
}

func (c *rawConn) Ready(ctx context.Context, queue string) (int, error) {
	info, err := c.info(ctx, queue)
	if err != nil {
		return 0, err
	}
	return int(min(info.NumPending, 1<<31)), nil
}

func (c *rawConn) Unsettled(ctx context.Context, queue string) (int, error) {
	info, err := c.info(ctx, queue)
	if err != nil {
		return 0, err
	}
	return int(min(info.NumPending, 1<<31)) + info.NumAckPending, nil
}

func (c *rawConn) info(ctx context.Context, queue string) (*jetstream.ConsumerInfo, error) {
	consumer, err := c.consumer(ctx, queue, 0)
	if err != nil {
		return nil, err
	}
	return consumer.Info(ctx)
}
