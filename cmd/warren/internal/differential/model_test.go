package differential

import (
	"cmp"
	"slices"
	"strings"

	"warren/streams"
)

// A generation is what a model is a model of.
type generation int

const (
	third  generation = iota // RabbitMQ 3.10 and Warren, as far as these two agree
	fourth                   // RabbitMQ 4.3
)

// A model is AMQP in memory, as RabbitMQ does it: one connection to a broker of
// its own, that nothing else changes and nothing happens to.
type model struct {
	generation
	exchanges map[string]*modelExchange
	queues    map[string]*modelQueue
	bindings  []*modelBinding
	published int
}

type modelExchange struct {
	streams.Exchange
}

type modelQueue struct {
	streams.Queue
	ready []*modelMessage // in the order in which they were published
	held  []*modelMessage // in the order in which they were taken
	// consumers are in the order of their turns.
	consumers []*modelConsumer
	// bound says that it was bound to an exchange, once.
	bound bool
}

type modelBinding struct {
	streams.Binding
	exchange *modelExchange
}

type modelMessage struct {
	number      int
	exchange    string
	post        post
	redelivered bool
	holder      *modelConsumer // who was sent it last, if anybody
}

func newModel(of generation) *model {
	m := &model{generation: of, exchanges: make(map[string]*modelExchange), queues: make(map[string]*modelQueue)}
	for name, kind := range predeclared {
		m.exchanges[name] = &modelExchange{Exchange: streams.Exchange{Name: name, Kind: kind, Durable: true}}
	}
	return m
}

var predeclared = map[string]streams.Kind{
	"amq.direct": streams.Direct, "amq.fanout": streams.Fanout, "amq.topic": streams.Topic,
	"amq.headers": streams.Headers, "amq.match": streams.Headers,
}

// refuse is an error of a code.
func refuse(code int) error { return &streams.Error{Code: code} }

func (m *model) close() error { return nil }

func (m *model) declareExchange(x streams.Exchange) error {
	if x.Name == "" {
		return refuse(403)
	}
	if have, ok := m.exchanges[x.Name]; ok {
		if have.Kind != x.Kind || have.Durable != x.Durable || have.AutoDelete != x.AutoDelete || have.Internal != x.Internal {
			return refuse(406)
		}
		return nil
	}
	if strings.HasPrefix(x.Name, "amq.") {
		return refuse(403)
	}
	m.exchanges[x.Name] = &modelExchange{Exchange: x}
	return nil
}

func (m *model) checkExchange(name string) error {
	if name == "" {
		return refuse(403)
	}
	if m.exchanges[name] == nil {
		return refuse(404)
	}
	return nil
}

func (m *model) deleteExchange(name string, ifUnused bool) error {
	if name == "" || strings.HasPrefix(name, "amq.") {
		return refuse(403)
	}
	x := m.exchanges[name]
	if x == nil {
		return nil
	}
	if ifUnused && m.uses(x) {
		return refuse(406)
	}
	delete(m.exchanges, name)
	m.removeBindings(func(b *modelBinding) bool { return b.exchange == x })
	return nil
}

func (m *model) uses(x *modelExchange) bool {
	return slices.ContainsFunc(m.bindings, func(b *modelBinding) bool { return b.exchange == x })
}

// removeBindings removes bindings, and the auto-delete exchanges that lose
// their last one.
func (m *model) removeBindings(which func(*modelBinding) bool) {
	var removed []*modelBinding
	m.bindings = slices.DeleteFunc(m.bindings, func(b *modelBinding) bool {
		if which(b) {
			removed = append(removed, b)
			return true
		}
		return false
	})
	for _, b := range removed {
		if b.exchange.AutoDelete && !m.uses(b.exchange) && m.exchanges[b.Exchange] == b.exchange {
			delete(m.exchanges, b.Exchange)
		}
	}
}

func (m *model) declareQueue(q streams.Queue) (count, error) {
	have := m.queues[q.Name]
	if have == nil {
		if strings.HasPrefix(q.Name, "amq.") {
			return count{}, refuse(403)
		}
		m.queues[q.Name] = &modelQueue{Queue: q}
		return count{name: q.Name}, nil
	}
	if have.Exclusive != q.Exclusive {
		return count{}, refuse(405)
	}
	if have.Durable != q.Durable && !q.Exclusive || have.AutoDelete != q.AutoDelete {
		return count{}, refuse(406)
	}
	return count{q.Name, len(have.ready), len(have.consumers)}, nil
}

func (m *model) checkQueue(name string) (count, error) {
	q, err := m.need(name)
	if err != nil {
		return count{}, err
	}
	return count{name, len(q.ready), len(q.consumers)}, nil
}

func (m *model) need(name string) (*modelQueue, error) {
	if q := m.queues[name]; q != nil {
		return q, nil
	}
	return nil, refuse(404)
}

func (m *model) purgeQueue(name string) (int, error) {
	q, err := m.need(name)
	if err != nil {
		return 0, err
	}
	n := len(q.ready)
	q.ready = nil
	return n, nil
}

func (m *model) deleteQueue(name string, ifUnused, ifEmpty bool) (int, error) {
	q := m.queues[name]
	if q == nil {
		return 0, nil
	}
	if ifUnused && len(q.consumers) > 0 || ifEmpty && len(q.ready) > 0 {
		return 0, refuse(406)
	}
	delete(m.queues, name)
	m.removeBindings(func(b *modelBinding) bool { return b.Queue == name })
	return len(q.ready), nil
}

func (m *model) bind(b streams.Binding) error {
	if b.Exchange == "" {
		return refuse(403)
	}
	q, x := m.queues[b.Queue], m.exchanges[b.Exchange]
	if q == nil || x == nil {
		return refuse(404)
	}
	if x.Kind == streams.Headers && !knownMatch(b.Args) {
		return refuse(406)
	}
	if x.Kind == streams.Topic && m.generation == fourth && hashes(b.Key) > 2 {
		return refuse(406)
	}
	if slices.ContainsFunc(m.bindings, func(have *modelBinding) bool { return sameBinding(have.Binding, b) }) {
		return nil
	}
	q.bound = true
	m.bindings = append(m.bindings, &modelBinding{Binding: b, exchange: x})
	return nil
}

func knownMatch(args streams.Table) bool {
	match, given := args["x-match"]
	return !given || slices.Contains([]any{"all", "any", "all-with-x", "any-with-x"}, match)
}

func sameBinding(a, b streams.Binding) bool {
	return a.Exchange == b.Exchange && a.Queue == b.Queue && a.Key == b.Key && render(a.Args) == render(b.Args)
}

func (m *model) unbind(b streams.Binding) error {
	if b.Exchange == "" {
		return refuse(403)
	}
	m.removeBindings(func(have *modelBinding) bool { return sameBinding(have.Binding, b) })
	return nil
}

func (m *model) publish(exchange string, posts []post) []error {
	var errs []error
	for _, p := range posts {
		err := m.publishOne(exchange, p)
		errs = append(errs, err)
		if n := code(err); n != 0 && n != 312 {
			break
		}
	}
	return errs
}

func (m *model) publishOne(exchange string, p post) error {
	x := m.exchanges[exchange]
	switch {
	case exchange != "" && x == nil:
		return refuse(404)
	case exchange != "" && x.Internal:
		return refuse(403)
	}
	m.published++
	targets := m.route(exchange, p)
	for _, q := range targets {
		q.ready = append(q.ready, &modelMessage{number: m.published, exchange: exchange, post: p})
		q.dispatch()
	}
	if len(targets) == 0 && p.mandatory {
		back := &streams.Returned{Exchange: exchange, Key: p.key, Message: p.Message}
		return &streams.Error{Code: 312, Err: back}
	}
	return nil
}

func (m *model) route(exchange string, p post) []*modelQueue {
	if exchange == "" {
		if q := m.queues[p.key]; q != nil {
			return []*modelQueue{q}
		}
		return nil
	}
	var targets []*modelQueue
	for _, b := range m.bindings {
		q := m.queues[b.Queue]
		if b.Exchange == exchange && b.wants(m.generation, p.key, p.Headers) && !slices.Contains(targets, q) {
			targets = append(targets, q)
		}
	}
	return targets
}

func (m *model) get(queue string, autoAck bool) (*delivery, error) {
	q, err := m.need(queue)
	if err != nil || len(q.ready) == 0 {
		return nil, err
	}
	msg := q.take()
	d := q.delivery(msg)
	if autoAck {
		q.remove(msg)
	}
	return d, nil
}

func (q *modelQueue) take() *modelMessage {
	msg := q.ready[0]
	q.ready = slices.Delete(q.ready, 0, 1)
	q.held = append(q.held, msg)
	return msg
}

func (q *modelQueue) remove(msg *modelMessage) {
	q.held = slices.DeleteFunc(q.held, func(other *modelMessage) bool { return other == msg })
}

func (q *modelQueue) delivery(msg *modelMessage) *delivery {
	return &delivery{
		exchange: msg.exchange, key: msg.post.key, Message: msg.post.Message,
		redelivered: msg.redelivered, behind: len(q.ready),
		settle: func(v verdict, multiple bool) error { return q.settle(msg, v, multiple) },
	}
}

func (q *modelQueue) settle(msg *modelMessage, v verdict, multiple bool) error {
	i := slices.Index(q.held, msg)
	if i < 0 {
		return refuse(406)
	}
	settled := []*modelMessage{msg}
	if multiple {
		settled = slices.Clone(q.held[:i+1])
	}
	for _, msg := range settled {
		if v == hold {
			continue
		}
		q.remove(msg)
		if v == requeue || v == rejectRequeue {
			msg.redelivered = true
			q.ready = append(q.ready, msg)
		}
	}
	slices.SortStableFunc(q.ready, func(a, b *modelMessage) int { return cmp.Compare(a.number, b.number) })
	q.dispatch()
	return nil
}

// sources counts the exchanges from which the queue has messages.
func (q *modelQueue) sources() int {
	seen := make(map[string]bool)
	for _, msg := range slices.Concat(q.ready, q.held) {
		seen[msg.exchange] = true
	}
	return len(seen)
}
