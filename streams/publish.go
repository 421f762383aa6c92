package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/routing"
)

// PublishFlag says how a message is published.
type PublishFlag uint8

const (
	// Mandatory returns a message that no queue wants: its error is 312, and
	// has the message in it, as [Returned]. Without it, such a message is
	// confirmed and dropped.
	Mandatory PublishFlag = 1 << iota
	// Deduplicate drops and confirms a message whose MessageID the exchange, or
	// the queue, has seen within two minutes. An exchange has also seen what it
	// returned: that takes another id to be published again. After a restart of
	// the broker, the ids of messages already consumed are forgotten.
	Deduplicate
)

// Publish publishes a message and waits for the broker's confirm: nil when the
// broker has stored it for every queue that wants it, or none does. The
// exchange "" is the default exchange, whose routing key is a queue's name. An
// exchange that is not there is 404, an internal one 403, a message that is too
// large 406, one that is not routed and [Mandatory] 312, with the message as its
// [Returned]. When the context ends before the confirm, the error is
// [ErrUnconfirmed] too; when it has ended before, nothing is published.
func (s *Session) Publish(ctx context.Context, exchange, key string, m Message, flags ...PublishFlag) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	confirm, err := s.prepare(ctx, exchange, key, &m, flags)
	if err == nil {
		err = s.publish(ctx, confirm)
	}
	if err != nil {
		return publishError(exchange, key, err)
	}
	s.explainPublish(exchange, key)
	return nil
}

func publishError(exchange, key string, err error) error {
	return fmt.Errorf("publish to exchange %q with key %q: %w", exchange, key, err)
}

// publish sends a message and waits for its confirm.
func (s *Session) publish(ctx context.Context, confirm *Confirm) error {
	err := s.send(ctx, confirm)
	if err == nil {
		err = confirm.Wait(ctx)
	}
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) && !errors.Is(err, ErrUnconfirmed) {
		err = errors.Join(ErrUnconfirmed, err)
	}
	return err
}

// send sends a message; the Confirm tells what became of it.
func (s *Session) send(ctx context.Context, confirm *Confirm) error {
	if err := s.awaitOnline(ctx); err != nil {
		return err
	}
	waits, err := s.enter(confirm)
	if waits || err != nil {
		return err
	}
	if err := s.write(ctx, confirm); err != nil {
		s.confirms.leave(confirm)
		return err
	}
	return nil
}

// enter notes a message that is about to be published, or waits for others that go with
// it. A transaction is a batch of its own.
func (s *Session) enter(confirm *Confirm) (waits bool, err error) {
	if confirm.batch != nil {
		return false, s.confirms.enter(confirm)
	}
	return s.batchers.enter(confirm)
}

// prepare checks a message and writes it for NATS.
func (s *Session) prepare(ctx context.Context, exchange, key string, m *Message, flags []PublishFlag) (*Confirm, error) {
	all, err := joinFlags(flags, Mandatory|Deduplicate)
	if err != nil {
		return nil, err
	}
	if err := s.mayBegin(ctx); err != nil {
		return nil, err
	}
	subject, err := s.address(ctx, exchange, key)
	if err != nil {
		return nil, err
	}
	confirm, err := s.compose(ctx, subject, m, all)
	if err != nil {
		return nil, err
	}
	confirm.exchange, confirm.key = exchange, key
	confirm.awaitsTrace = all&Mandatory != 0 && exchange != ""
	if confirm.msg.Header == nil && (confirm.awaitsTrace || all&Deduplicate != 0) {
		confirm.msg.Header = nats.Header{}
	}
	if all&Deduplicate != 0 {
		confirm.msg.Header.Set(jetstream.MsgIDHeader, m.MessageID)
	}
	more := 0
	if confirm.awaitsTrace {
		more = s.confirms.traceSize()
	}
	return confirm, s.checkSize(confirm.msg, more)
}

// mayBegin says why nothing is published any more, if that is so.
func (s *Session) mayBegin(ctx context.Context) error {
	if s.isClosed() {
		return ErrClosed
	}
	return ctx.Err()
}

// compose writes a message for a subject.
func (s *Session) compose(ctx context.Context, subject string, m *Message, flags PublishFlag) (*Confirm, error) {
	if err := s.checkMessage(m, flags); err != nil {
		return nil, err
	}
	header, err := amqp.EncodeProperties(m)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return &Confirm{
		session: s, flags: flags, deadline: deadline,
		msg:  &nats.Msg{Subject: subject, Header: header, Data: m.Body},
		done: make(chan struct{}),
	}, nil
}

// checkSize refuses what the server would break the connection for. More may be
// added to the header before it is sent.
func (s *Session) checkSize(msg *nats.Msg, more int) error {
	size := len(msg.Data) + more
	if msg.Header != nil {
		size = msg.Size() - len(msg.Subject) + more
	}
	if limit := s.maxPayload.Load(); int64(size) > limit {
		return errPrecondition("message size %d, its properties among it, is larger than the server's limit of %d", size, limit)
	}
	return nil
}

// address finds the subject of an exchange and a routing key.
func (s *Session) address(ctx context.Context, exchange, key string) (string, error) {
	if err := amqp.CheckKey(key); err != nil {
		return "", err
	}
	if exchange == "" {
		return s.vhost.homeSubject(key), nil
	}
	known, err := s.exchanges.load(ctx, exchange)
	if err != nil {
		return "", err
	}
	if known.rec.Internal {
		return "", errAccessRefused("cannot publish to internal exchange '%s' in vhost '%s'", exchange, s.cfg.ShownVHost)
	}
	return routing.KeySubject(known.subject, key), nil
}

// checkMessage refuses what asks for something Warren does not have.
func (s *Session) checkMessage(m *Message, flags PublishFlag) error {
	if err := amqp.CheckExpiration(m); err != nil {
		return err
	}
	for _, header := range []string{"CC", "BCC"} {
		if _, asked := m.Headers[header]; asked {
			return errNotImplemented("header '%s' is not yet supported", header)
		}
	}
	if m.ReplyTo == replyTo {
		return errNotImplemented("direct reply-to is not yet supported")
	}
	if m.UserID != "" && s.user != "" && m.UserID != s.user {
		return errPrecondition("user_id property set to '%s' but authenticated user was '%s'", m.UserID, s.user)
	}
	if flags&Deduplicate != 0 && m.MessageID == "" {
		return errPrecondition("deduplication needs a message id; set MessageID")
	}
	return nil
}

// write has a message handed to the connection, and waits only until those before
// it were. Where that fails, it is the message's answer.
func (s *Session) write(ctx context.Context, confirm *Confirm) error {
	s.beginWriting()
	select {
	case s.writes <- func() { s.hand(confirm) }:
		return nil
	case <-confirm.done: // its own time was up
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) hand(confirm *Confirm) {
	if err := confirm.publish(s.nc); err != nil {
		go s.confirms.resolve(confirm, err) // who is told may publish
	}
}

// unheard decides about a message that no stream listened for. It is published
// again when there should be one, or when nobody says so: a server that was lost
// takes the question with it.
func (n *node) unheard(confirm *Confirm) (again bool, err error) {
	ctx, cancel := context.WithDeadline(n.ctx, confirm.deadline)
	defer cancel()
	try, giveUp := context.WithTimeout(ctx, silence)
	defer giveUp()
	again, err = n.lookForStream(try, confirm)
	if err != nil && try.Err() != nil && ctx.Err() == nil {
		return true, nil
	}
	return again, err
}

func (n *node) lookForStream(ctx context.Context, confirm *Confirm) (again bool, err error) {
	if confirm.store != nil {
		return true, confirm.store.there(ctx)
	}
	if confirm.exchange == "" {
		return n.unheardByQueue(ctx, confirm)
	}
	n.exchanges.forget(confirm.exchange)
	rec, revision, err := n.exchanges.need(ctx, confirm.exchange)
	if err != nil {
		return false, err
	}
	if revision == 0 { // predeclared, and nothing was ever bound to it
		if confirm.flags&Mandatory != 0 {
			return false, errReturned(confirm)
		}
		return false, nil
	}
	return true, n.exchanges.complete(ctx, rec)
}

func (n *node) unheardByQueue(ctx context.Context, confirm *Confirm) (again bool, err error) {
	rec := new(queueRecord)
	revision, err := n.topology.get(ctx, queueKey(confirm.key), rec)
	if err != nil {
		return false, err
	}
	stands := revision != 0 && n.epoch.standsQueue(rec)
	switch {
	case confirm.place != nil && !stands:
		return false, n.noQueue(confirm.key)
	case confirm.place != nil && !rec.Schedules:
		return false, n.noSchedules(confirm.key)
	case stands:
		return true, nil
	}
	if confirm.flags&Mandatory != 0 {
		return false, errReturned(confirm)
	}
	return false, nil
}

// verifyRouted looks at the bindings themselves where filters take more than
// bindings ask for.
func (n *node) verifyRouted(confirm *Confirm) error {
	ctx, cancel := context.WithDeadline(n.ctx, confirm.deadline)
	defer cancel()
	rec, _, err := n.exchanges.need(ctx, confirm.exchange)
	if err != nil || !rec.Wide {
		return err
	}
	queues, err := n.topology.queues(ctx)
	if err != nil {
		return err
	}
	headers := confirm.Message().Headers
	for i := range queues {
		if n.epoch.standsQueue(&queues[i]) && queues[i].routes(rec, confirm.key, headers) {
			return nil
		}
	}
	return errReturned(confirm)
}

// routes reports whether a binding of the queue matches a message.
func (rec *queueRecord) routes(x *exchangeRecord, key string, headers Table) bool {
	var routes []routing.Binding
	for i := range rec.Bindings {
		if b := &rec.Bindings[i]; !b.Ended && b.Exchange == x.Name && b.Life == x.Life {
			routes = append(routes, routing.Binding{Key: b.Key, Args: b.Args})
		}
	}
	return routing.NewMatcher(x.Kind, routes).Match(key, func() Table { return headers })
}

// exchangeCache saves publishers from reading an exchange's record each time.
// Sessions tell each other of changes; a stale entry is found out because no
// stream listens any more.
type exchangeCache struct {
	mu      sync.RWMutex
	known   map[string]knownExchange
	changes int // a record that was read before one is not noted after it
}

type knownExchange struct {
	rec     *exchangeRecord // which nobody changes
	subject string
}

// volatile reports whether an exchange that was published to stores in memory.
func (c *exchangeCache) volatile(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	known, is := c.known[name]
	return is && known.rec.Volatile
}

// load says what publishers need to know of an exchange, 404 if there is none.
func (es *exchanges) load(ctx context.Context, name string) (knownExchange, error) {
	known, is, changes := es.look(name)
	if is {
		return known, nil
	}
	rec, err := call(ctx, es.link, func(ctx context.Context) (*exchangeRecord, error) {
		// What is read behind the subscription is told of every later change.
		if err := es.listenChanges(); err != nil {
			return nil, err
		}
		rec, _, err := es.need(ctx, name)
		return rec, err
	})
	if err != nil {
		return knownExchange{}, err
	}
	known = knownExchange{rec: rec, subject: es.vhost.exchangeSubject(name)}
	es.note(name, known, changes)
	return known, nil
}

// recall is need for who is told in another way that the exchange is not that any more. It
// reports whether the record was known, and not read.
func (es *exchanges) recall(ctx context.Context, name string) (x *exchangeRecord, known bool, err error) {
	_, known, _ = es.look(name)
	there, err := es.load(ctx, name)
	if err != nil {
		return nil, false, err
	}
	rec := *there.rec
	return &rec, known, nil
}

// look says what is known of an exchange, and how many changes there were so far.
func (c *exchangeCache) look(name string) (known knownExchange, is bool, changes int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	known, is = c.known[name]
	return known, is, c.changes
}

// note keeps what was read of an exchange, unless one has changed since.
func (c *exchangeCache) note(name string, known knownExchange, changes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]knownExchange)
	}
	if c.changes == changes {
		c.known[name] = known
	}
}

func (c *exchangeCache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.known, name)
}

func (c *exchangeCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.known = nil
}
