package differential

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"warren/streams"
)

// A generator makes a scenario up, and plays it on a model as it goes: so it
// knows what is there.
type generator struct {
	*rand.Rand
	model     *model
	player    *player
	steps     []step
	exchanges []string
	queues    []string
	kinds     map[string]streams.Kind
	missing   string // the name of what is, at first, not there
	number    int
}

// generate makes the scenario of a seed. Its names are its own, because
// scenarios share one RabbitMQ; only the predeclared exchanges it may use are
// everybody's.
func generate(seed uint64, of generation, predeclared []string) []step {
	g := &generator{
		Rand:    rand.New(rand.NewPCG(seed, 0)),
		model:   newModel(of),
		kinds:   make(map[string]streams.Kind),
		missing: fmt.Sprintf("differential.%d.missing", seed),
	}
	g.player = newPlayer(g.model)
	for i := range 1 + g.IntN(4) {
		name := g.name("x", seed, i)
		g.exchanges = append(g.exchanges, name)
		g.kinds[name] = g.kind()
	}
	g.exchanges = append(g.exchanges, predeclared...)
	for i := range 1 + g.IntN(6) {
		g.queues = append(g.queues, g.name("q", seed, i))
	}
	g.begin()
	for range 45 {
		g.next()
	}
	for _, queue := range g.queues {
		g.play(drain{queue})
	}
	return g.steps
}

func (g *generator) play(s step) {
	g.steps = append(g.steps, s)
	g.player.play(s, g.model.facts(s.queue()))
}

// name makes a name; some are such that NATS could not have them.
func (g *generator) name(what string, seed uint64, i int) string {
	name := fmt.Sprintf("differential.%d.%s%d", seed, what, i)
	switch g.IntN(8) {
	case 0:
		return name + " with a blank"
	case 1:
		return name + ".*.>.#"
	case 2:
		return name + "ü/日本$"
	case 3:
		return name + strings.Repeat("n", 255-len(name))
	}
	return name
}

func (g *generator) kind() streams.Kind {
	return pick(g, streams.Direct, streams.Fanout, streams.Topic, streams.Topic, streams.Topic, streams.Headers)
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// begin declares everything and binds some of it, so that what follows has
// something to work on.
func (g *generator) begin() {
	for _, name := range g.exchanges {
		if !strings.HasPrefix(name, "amq.") {
			g.play(declareExchange{g.newExchange(name)})
		}
	}
	for _, name := range g.queues {
		g.play(declareQueue{g.newQueue(name)})
	}
	for range len(g.queues) + g.IntN(4) {
		g.play(bind{g.binding()})
	}
}

// next makes one step.
func (g *generator) next() {
	actions := []struct {
		weight int
		step   func() step
	}{
		{34, g.publish},
		{12, func() step { return bind{g.binding()} }},
		{6, g.unbind},
		{3, g.declareExchange},
		{4, g.declareQueue},
		{2, func() step { return checkExchange{g.exchange()} }},
		{7, func() step { return checkQueue{g.queue()} }},
		{10, func() step { return take{name: g.queue(), limit: 1 + g.IntN(5), autoAck: g.oneIn(3)} }},
		{7, func() step { return turn{g.queue(), g.Uint64()} }},
		{3, func() step { return sweep{g.queue(), pick(g, ack, drop, requeue)} }},
		{5, func() step {
			return consume{name: g.queue(), prefetch: pick(g, 0, 1, 2, 3, 10), autoAck: g.oneIn(4), salt: g.Uint64()}
		}},
		{3, g.share},
		{3, func() step { return purgeQueue{g.queue()} }},
		{2, func() step { return deleteQueue{g.queue(), g.oneIn(3), g.oneIn(3)} }},
		{2, func() step { return deleteExchange{g.exchange(), g.oneIn(3)} }},
	}
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	at := g.IntN(total)
	for _, a := range actions {
		if at -= a.weight; at < 0 {
			g.play(a.step())
			return
		}
	}
}

// queue is one of the queues, there or not.
func (g *generator) queue() string {
	if g.oneIn(40) {
		return g.missing
	}
	return pick(g, g.queues...)
}

// exchange is one of the exchanges, there or not.
func (g *generator) exchange() string {
	if g.oneIn(30) {
		return pick(g, g.missing, "amq.missing", "")
	}
	return pick(g, g.exchanges...)
}

func (g *generator) newExchange(name string) streams.Exchange {
	kind := g.kinds[name]
	if g.oneIn(8) {
		kind = g.kind()
	}
	return streams.Exchange{
		Name: name, Kind: kind, Durable: g.oneIn(2), AutoDelete: g.oneIn(10), Internal: g.oneIn(30),
	}
}

func (g *generator) newQueue(name string) streams.Queue {
	return streams.Queue{Name: name, Durable: g.oneIn(2), Exclusive: g.oneIn(12), AutoDelete: g.oneIn(10)}
}

// declareExchange declares one again, mostly as it is.
func (g *generator) declareExchange() step {
	name := g.exchange()
	have := g.model.exchanges[name]
	if have == nil || g.oneIn(3) {
		x := g.newExchange(name)
		if x.Kind == "" {
			x.Kind = streams.Direct
		}
		return declareExchange{x}
	}
	x := have.Exchange
	x.Args = g.unknownArgs()
	return declareExchange{x}
}

func (g *generator) declareQueue() step {
	name := g.queue()
	if have := g.model.queues[name]; have != nil && !g.oneIn(3) {
		q := have.Queue
		q.Args = g.unknownArgs()
		return declareQueue{q}
	}
	if name == g.missing {
		return declareQueue{streams.Queue{Name: "amq.differential"}}
	}
	return declareQueue{g.newQueue(name)}
}

// unknownArgs are arguments that mean nothing to a broker.
func (g *generator) unknownArgs() streams.Table {
	if g.oneIn(3) {
		return streams.Table{"x-unknown": int32(g.IntN(3))}
	}
	return nil
}

func (g *generator) binding() streams.Binding {
	b := streams.Binding{Exchange: g.exchange(), Queue: g.queue()}
	if g.oneIn(6) && len(g.model.bindings) > 0 {
		b.Queue = pick(g, g.model.bindings...).Queue // several of one queue
	}
	kind := g.kinds[b.Exchange]
	if x := g.model.exchanges[b.Exchange]; x != nil {
		kind = x.Kind
	}
	switch kind {
	case streams.Topic:
		b.Key = g.pattern()
	case streams.Headers:
		b.Args = g.criteria()
	default:
		b.Key = g.key()
	}
	if kind != streams.Headers && g.oneIn(8) {
		b.Args = streams.Table{"note": pick[any](g, int32(0), int32(1), int8(1))}
	}
	return b
}

// unbind removes a binding, mostly one that is there.
func (g *generator) unbind() step {
	if len(g.model.bindings) == 0 || g.oneIn(5) {
		return unbind{g.binding()}
	}
	return unbind{pick(g, g.model.bindings...).Binding}
}

var vocabulary = []string{
	"a", "a", "a", "b", "b", "c", "", "*", "#", ">", "a b", "A", "ü", "日本", "a*", "#a", "##", "$JS", "%20", "_", "a>b", "\t",
}

func (g *generator) word() string { return pick(g, vocabulary...) }

// key makes a routing key; about one in forty is as long as AMQP allows.
func (g *generator) key() string {
	if g.oneIn(40) {
		return strings.Repeat(pick(g, "a", "a.", ".", "ab.c"), 300)[:255]
	}
	var words []string
	for range g.IntN(5) {
		words = append(words, g.word())
	}
	return strings.Join(words, ".")
}

// pattern makes the key of a topic binding. It has two '#' at most where Warren plays:
// more are 406 in Warren, as in RabbitMQ 4.3; RabbitMQ 3 takes them.
func (g *generator) pattern() string {
	var words []string
	hashes := 0
	for range g.IntN(5) {
		word := g.word()
		switch g.IntN(4) {
		case 0:
			word = "*"
		case 1:
			word = "#"
		}
		if word == "#" {
			if hashes == 2 && g.model.generation == third {
				word = "*"
			} else {
				hashes++
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, ".")
}

// criteria makes the arguments of a headers binding.
func (g *generator) criteria() streams.Table {
	args := g.fields(3)
	if !g.oneIn(4) {
		args["x-match"] = pick[any](g, "all", "any", "all-with-x", "any-with-x")
	}
	if g.oneIn(15) {
		args["x-match"] = pick[any](g, "some", int32(23))
	}
	return args
}

// fields makes a table to match with. RabbitMQ 3 takes 1 and 1.0 for the same,
// RabbitMQ 4 and Warren do not, so none of these numbers is there twice where RabbitMQ 3
// plays.
func (g *generator) fields(most int) streams.Table {
	values := []any{
		int32(1), int32(1), int32(2), "1", "1", "", true, false, nil, 1.5, int64(1), int64(1 << 40),
		int8(1), uint8(2), int16(1), uint16(2), uint32(1), float32(1.5), []byte("1"), []byte{0, 255},
		streams.Decimal{Scale: 1, Value: 15}, streams.Table{"of": int32(1)}, []any{"1", int32(1)},
		time.Unix(1700000000, 0), time.Unix(1700000001, 0),
	}
	if g.model.generation == fourth {
		values = append(values, 1.0, time.Unix(1700000000_000, 0))
	}
	table := streams.Table{}
	for range g.IntN(most + 1) {
		table[pick(g, "h1", "h2", "x-h", "ü")] = pick(g, values...)
	}
	return table
}

func (g *generator) publish() step {
	s := publish{exchange: g.exchange()}
	if g.oneIn(5) {
		s.exchange = ""
	}
	many := 1
	if !g.oneIn(3) {
		many += g.IntN(9)
	}
	for range many {
		p := post{key: g.keyFor(s.exchange), mandatory: g.oneIn(3), Message: g.message()}
		if s.exchange != "" {
			maps.Copy(p.Headers, g.fieldsFor(s.exchange))
		}
		s.posts = append(s.posts, p)
	}
	return s
}

// share lets consumers take turns. They do so strictly while nobody asks for
// more, which in Warren those with a prefetch do that draw on several exchanges.
func (g *generator) share() step {
	s := share{name: g.queue(), consumers: 1 + g.IntN(3), salt: g.Uint64()}
	most := 12
	if q := g.model.queues[s.name]; q != nil && !q.bound {
		s.prefetch = pick(g, 0, 1, 2, 5)
	}
	if s.prefetch > 0 {
		most = s.consumers * s.prefetch
	}
	s.autoAck = s.prefetch == 0 && g.oneIn(2)
	for range 1 + g.IntN(most) {
		s.posts = append(s.posts, post{key: s.name, Message: g.message()})
	}
	return s
}

// keyFor makes a key that an exchange may want.
func (g *generator) keyFor(exchange string) string {
	if exchange == "" {
		return g.queue()
	}
	bindings := g.bindingsOf(exchange)
	if len(bindings) == 0 || g.oneIn(4) {
		return g.key()
	}
	var key []string
	for _, word := range words(pick(g, bindings...).Key) {
		switch word {
		case "*":
			key = append(key, g.word())
		case "#":
			for range g.IntN(3) {
				key = append(key, g.word())
			}
		default:
			key = append(key, word)
		}
	}
	made := strings.Join(key, ".")
	if len(made) > 255 {
		return g.key()
	}
	return made
}

func (g *generator) bindingsOf(exchange string) []*modelBinding {
	return slices.DeleteFunc(slices.Clone(g.model.bindings), func(b *modelBinding) bool { return b.Exchange != exchange })
}

// fieldsFor makes headers that an exchange may want.
func (g *generator) fieldsFor(exchange string) streams.Table {
	table := g.fields(2)
	if bindings := g.bindingsOf(exchange); len(bindings) > 0 && !g.oneIn(4) {
		args := pick(g, bindings...).Args
		for _, name := range slices.Sorted(maps.Keys(args)) {
			if name != "x-match" && args[name] != nil && !g.oneIn(5) {
				table[name] = args[name]
			}
		}
	}
	return table
}

func (g *generator) message() streams.Message {
	m := streams.Message{Headers: streams.Table{}}
	if g.oneIn(3) {
		m.Headers = g.anyFields()
	}
	texts := []*string{
		&m.ContentType, &m.ContentEncoding, &m.CorrelationID, &m.ReplyTo, &m.MessageID, &m.Type, &m.AppID,
	}
	for _, text := range texts {
		if g.oneIn(4) {
			*text = pick(g, "text/plain", "a b", "ü: 日本\n", strings.Repeat("p", 255), "=?q?", " ")
		}
	}
	m.DeliveryMode = pick(g, 0, streams.Transient, streams.Transient, streams.Persistent)
	if g.oneIn(4) {
		m.Priority = uint8(g.IntN(256))
	}
	if g.oneIn(4) {
		m.Timestamp = time.Unix(g.Int64N(4e9), 0)
	}
	if g.oneIn(10) {
		m.UserID = login()
	}
	if !g.oneIn(10) {
		m.Body = bytes.Repeat([]byte{byte(g.Uint32())}, 1+g.IntN(40)*g.IntN(40))
	}
	g.number++
	return numbered(m, g.number)
}

// anyFields makes a table of all the types there are.
func (g *generator) anyFields() streams.Table {
	return streams.Table{
		"int8": int8(-8), "uint8": uint8(200), "int16": int16(-16), "uint16": uint16(60000),
		"int32": g.Int32(), "uint32": uint32(4e9), "int64": g.Int64(), "float32": float32(0.25),
		"float64": g.Float64(), "decimal": streams.Decimal{Scale: 2, Value: 314}, "text": g.word(),
		"bytes": []byte{0, 255}, "time": time.Unix(1, 0), "bool": g.oneIn(2), "void": nil,
		"table": streams.Table{"of": streams.Table{"tables": int32(1)}}, "": "no name",
		"array": []any{int32(1), "two", []any{nil, true}, streams.Table{"k": "v"}},
	}
}
