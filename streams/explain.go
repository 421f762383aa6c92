package streams

import (
	"context"
	"fmt"
	"strings"
)

// A Step is an operation in AMQP's words and what it became on JetStream.
type Step struct {
	// AMQP is the method and its arguments.
	AMQP string
	// NATS says what became of it, a line for each stream, consumer, subject
	// or filter.
	NATS []string
}

func (s *Session) explain(amqp string, nats ...string) {
	if s.cfg.Explain != nil {
		s.cfg.Explain(Step{AMQP: amqp, NATS: nats})
	}
}

func (s *Session) explainExchange(ctx context.Context, method string, x Exchange) {
	if s.cfg.Explain == nil {
		return
	}
	subject := s.vhost.exchangeSubject(x.Name)
	known, err := s.exchanges.load(ctx, s, x.Name)
	if err != nil {
		return // it has gone again
	}
	o, storage := origin{x.Name, known.volatile}, "file"
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
		fmt.Sprintf("consumer %s: durable pull, explicit ack, lease %v", consumerName(q.Name), s.cfg.Lease))
}

func (s *Session) explainBinding(method string, b Binding, x *exchangeRecord, rec *queueRecord) {
	if s.cfg.Explain == nil {
		return
	}
	subjects, exact := s.viewFilters(rec, x.origin())
	how := "the filters say it exactly"
	if !exact {
		how = "the filters take more; the consumer decides"
	}
	filters := strings.Join(subjects, " ")
	if filters == "" {
		filters = "none: the consumer is deleted"
	}
	s.explain(fmt.Sprintf("%s queue=%s exchange=%s routing_key=%s", method, b.Queue, b.Exchange, b.Key),
		fmt.Sprintf("consumer %s on stream %s", consumerName(b.Queue), s.vhost.originStream(x.origin())),
		"filters "+filters, how)
}

func (s *Session) explainConsume(c *Consumer) {
	if s.cfg.Explain == nil {
		return
	}
	var from []string
	for _, src := range s.sourcesOf(c.u.record()) {
		from = append(from, fmt.Sprintf("pull requests to consumer %s on stream %s", consumerName(c.queue), src.stream))
	}
	ack := "manual"
	if c.opts.AutoAck {
		ack = "automatic"
	}
	s.explain(fmt.Sprintf("basic.consume queue=%s prefetch=%d ack=%s", c.queue, c.window.Limit(), ack), from...)
}

func (s *Session) explainPublish(exchange, key string) {
	if s.cfg.Explain == nil {
		return
	}
	subject := s.vhost.homeSubject(key)
	if exchange != "" {
		subject = keySubject(s.vhost.exchangeSubject(exchange), key)
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
	s.explain(fmt.Sprintf("declare store %s ttl=%v marker_ttl=%v", t.name, t.opts.TTL, t.opts.MarkerTTL),
		fmt.Sprintf("stream %s: one message a subject, file storage, subjects %s.>", t.stream, t.base),
		"every write is told on subjects "+t.told+".>")
}

func (s *Session) explainPublishAt(queue, id string) {
	if s.cfg.Explain == nil {
		return
	}
	s.explain(fmt.Sprintf("basic.publish exchange= routing_key=%s, for later", queue),
		fmt.Sprintf("publish to subject %s.* and wait for the stream's acknowledgement", s.vhost.scheduleSubject(queue, id)),
		"the stream publishes it to subject "+s.vhost.homeSubject(queue)+" when its time comes")
}
