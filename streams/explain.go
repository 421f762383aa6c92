package streams

import (
	"context"
	"fmt"
	"strings"
	"time"

	"warren/streams/internal/routing"
)

// A Step is an operation in AMQP's words and what it became on JetStream.
type Step struct {
	// AMQP is the method and its arguments. What is done with a [Store], which AMQP does
	// not have, begins with "store.".
	AMQP string
	// NATS says what became of it, a line for each stream, consumer, subject
	// or filter.
	NATS []string
}

func (at *site) explain(amqp string, nats ...string) {
	if at.cfg.Explain != nil {
		at.cfg.Explain(Step{AMQP: amqp, NATS: nats})
	}
}

// explains is explain for those that may have no session, or nobody to tell; nil tells nobody.
func (at *site) explains() func(amqp string, nats ...string) {
	if at.cfg.Explain == nil {
		return nil
	}
	return at.explain
}

func (s *Session) explainExchange(ctx context.Context, method string, x Exchange) {
	if s.cfg.Explain == nil {
		return
	}
	subject := s.vhost.exchangeSubject(x.Name)
	known, err := s.exchanges.load(ctx, x.Name)
	if err != nil {
		return // it has gone again
	}
	o, storage := origin{x.Name, known.rec.Volatile}, "file"
	if o.volatile {
		storage = "memory"
	}
	s.explain(fmt.Sprintf("%s %s type=%s durable=%t", method, x.Name, x.Kind, x.Durable),
		fmt.Sprintf("stream %s: interest retention, %s storage, subjects %s and %s.>", s.vhost.originStream(o), storage, subject, subject))
}

func (s *Session) explainQueue(method string, q Queue) {
	if s.cfg.Explain == nil {
		return
	}
	storage := "memory"
	if q.survives() {
		storage = "file"
	}
	subjects := "subject " + s.vhost.homeSubject(q.Name)
	if q.Schedules {
		subjects = fmt.Sprintf("message schedules, subjects %s and %s", s.vhost.homeSubject(q.Name), s.vhost.schedules(q.Name))
	}
	s.explain(fmt.Sprintf("%s %s durable=%t exclusive=%t auto_delete=%t", method, q.Name, q.Durable, q.Exclusive, q.AutoDelete),
		fmt.Sprintf("stream %s: work-queue retention, %s storage, %s", s.vhost.homeStream(q.Name), storage, subjects),
		fmt.Sprintf("consumer %s: durable pull, explicit ack, lease %v", routing.ConsumerName(q.Name), s.cfg.Lease))
}

func (qs *queues) explainBinding(method string, b Binding, x *exchangeRecord, rec *queueRecord) {
	if qs.cfg.Explain == nil {
		return
	}
	subjects, exact := qs.viewFilters(rec, x.origin())
	how := "the filters say it exactly"
	if !exact {
		how = "the filters take more; the consumer decides"
	}
	filters := strings.Join(subjects, " ")
	if filters == "" {
		filters = "none: the consumer is deleted"
	}
	qs.explain(fmt.Sprintf("%s queue=%s exchange=%s routing_key=%s", method, b.Queue, b.Exchange, b.Key),
		fmt.Sprintf("consumer %s on stream %s", routing.ConsumerName(b.Queue), qs.vhost.originStream(x.origin())),
		"filters "+filters, how)
}

func (s *Session) explainConsume(c *Consumer, rec *queueRecord) {
	if s.cfg.Explain == nil {
		return
	}
	var from []string
	for _, src := range s.queues.sourcesOf(rec) {
		from = append(from, fmt.Sprintf("pull requests to consumer %s on stream %s", routing.ConsumerName(c.queue), src.stream))
	}
	ack := "manual"
	if c.opts.AutoAck {
		ack = "automatic"
	} else {
		from = append(from, fmt.Sprintf("while a message is held, %s to its reply subject every %v renews its lease", leaseRenewal, (rec.Lease/3).Round(time.Millisecond)))
	}
	s.explain(fmt.Sprintf("basic.consume queue=%s prefetch=%d ack=%s", c.queue, c.window.Limit(), ack), from...)
}

// explainDelivery explains a message that came by a method: a consumer's, or a Get's.
func (n *node) explainDelivery(method, queue string, d *Delivery, autoAck bool) {
	if n.cfg.Explain == nil {
		return
	}
	lines := []string{fmt.Sprintf("message %d of stream %s, from consumer %s, delivery %d of it", d.seq, d.stream, routing.ConsumerName(queue), d.DeliveryCount+1)}
	if autoAck {
		lines = append(lines, fmt.Sprintf("publish %s to %s", verdictAck, d.reply))
	}
	n.explain(fmt.Sprintf("%s queue=%s delivery_tag=%d redelivered=%t", method, queue, d.Tag, d.Redelivered), lines...)
}

// verdictMethods are the methods of AMQP that settle a delivery, and what comes of it.
var verdictMethods = map[verdict]struct{ method, then string }{
	verdictAck:     {"basic.ack delivery_tag=%d multiple=%t", "no consumer of the queue gets it again"},
	verdictDrop:    {"basic.nack delivery_tag=%d multiple=%t requeue=false", "no consumer of the queue gets it again"},
	verdictRequeue: {"basic.nack delivery_tag=%d multiple=%t requeue=true", "a consumer of the queue gets it again, before what waits"},
}

// explainVerdict explains what was said of deliveries, the last of which was settled.
func (l *ledger) explainVerdict(settled []*Delivery, multiple bool, v verdict) {
	if l.explain == nil || len(settled) == 0 || v == verdictLapse {
		return
	}
	how, last := verdictMethods[v], settled[len(settled)-1]
	lines := make([]string, 0, len(settled)+1)
	for _, d := range settled {
		lines = append(lines, fmt.Sprintf("publish %s to %s", v, d.reply))
	}
	l.explain(fmt.Sprintf(how.method, last.Tag, multiple), append(lines, how.then)...)
}

func (s *Session) explainPublish(exchange, key string) {
	if s.cfg.Explain == nil {
		return
	}
	subject := s.vhost.homeSubject(key)
	if exchange != "" {
		subject = routing.KeySubject(s.vhost.exchangeSubject(exchange), key)
	}
	s.explain(fmt.Sprintf("basic.publish exchange=%s routing_key=%s", exchange, key),
		"publish to subject "+subject+" and wait for the stream's acknowledgement")
}

func (s *Session) explainPublishAll(exchange, key string, n int) {
	if s.cfg.Explain == nil {
		return
	}
	s.explain(fmt.Sprintf("tx.select, basic.publish exchange=%s routing_key=%s %d times, tx.commit", exchange, key, n),
		fmt.Sprintf("publish an atomic batch of %d messages to stream %s and wait for its acknowledgement", n, s.streamOf(exchange, key)))
}

func (s *Session) explainStore(t *Store) {
	if s.cfg.Explain == nil {
		return
	}
	s.explain(fmt.Sprintf("store.declare %s ttl=%v marker_ttl=%v", t.name, t.opts.TTL, t.opts.MarkerTTL),
		fmt.Sprintf("stream %s: one message a subject, file storage, subjects %s.>", t.stream, t.base),
		"every write is told on subjects "+t.told+".>")
}

func (t *Store) explainNotify(pattern, words string) {
	if t.s.cfg.Explain == nil {
		return
	}
	t.s.explain(fmt.Sprintf("store.notify %s %s", t.name, pattern),
		"subscribe to subject "+t.told+"."+words+": the stream republishes every write there")
}

func (t *Store) explainPut(p *Pending) {
	if t.s.cfg.Explain == nil {
		return
	}
	subject, err := t.subject(p.put.Key)
	if err != nil {
		return
	}
	method, lines := "store.put", []string{"publish to subject " + subject + " of stream " + t.stream}
	if p.deletes {
		method, lines[0] = "store.delete", lines[0]+" a marker that it is gone"
	}
	switch p.put.Expect {
	case Any:
	case Absent:
		lines = append(lines, "only if the subject has no value yet (Nats-Expected-Last-Subject-Sequence)")
	default:
		lines = append(lines, fmt.Sprintf("only if its last message is %d (Nats-Expected-Last-Subject-Sequence)", p.put.Expect))
	}
	t.s.explain(fmt.Sprintf("%s %s %s", method, t.name, p.put.Key), lines...)
}

func (s *Session) explainPublishAt(queue, id string) {
	if s.cfg.Explain == nil {
		return
	}
	s.explain(fmt.Sprintf("basic.publish exchange= routing_key=%s, for later", queue),
		fmt.Sprintf("publish to subject %s.* and wait for the stream's acknowledgement", s.vhost.scheduleSubject(queue, id)),
		"the stream publishes it to subject "+s.vhost.homeSubject(queue)+" when its time comes")
}
