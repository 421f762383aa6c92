package differential

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"warren/streams"
)

// A step is something to do to a broker, and says what the broker answered.
type step interface {
	// queue is the queue the step is about, if any.
	queue() string
	play(p *player, f facts) string
}

type (
	declareExchange struct{ streams.Exchange }
	checkExchange   struct{ name string }
	deleteExchange  struct {
		name     string
		ifUnused bool
	}
	declareQueue struct{ streams.Queue }
	checkQueue   struct{ name string }
	purgeQueue   struct{ name string }
	deleteQueue  struct {
		name              string
		ifUnused, ifEmpty bool
	}
	bind    struct{ streams.Binding }
	unbind  struct{ streams.Binding }
	publish struct {
		exchange string
		posts    []post
	}
	// take gets messages and holds them.
	take struct {
		name    string
		limit   int
		autoAck bool
	}
	// turn takes everything and settles everything held, one by one, by a throw
	// of dice.
	turn struct {
		name string
		salt uint64
	}
	// sweep takes everything and settles everything held at once.
	sweep struct {
		name    string
		verdict verdict
	}
	// consume consumes all that is ready.
	consume struct {
		name     string
		prefetch int
		autoAck  bool
		salt     uint64
	}
	// share purges the queue, lets several consumers wait, and publishes no more
	// than they have room for.
	share struct {
		name      string
		consumers int
		consuming
		posts []post
		salt  uint64
	}
	// drain takes everything, hands back what is held and takes it for good.
	drain struct{ name string }
)

func (declareExchange) queue() string { return "" }
func (checkExchange) queue() string   { return "" }
func (deleteExchange) queue() string  { return "" }
func (publish) queue() string         { return "" }
func (s declareQueue) queue() string  { return s.Name }
func (s checkQueue) queue() string    { return s.name }
func (s purgeQueue) queue() string    { return s.name }
func (s deleteQueue) queue() string   { return s.name }
func (s bind) queue() string          { return s.Queue }
func (s unbind) queue() string        { return s.Queue }
func (s take) queue() string          { return s.name }
func (s turn) queue() string          { return s.name }
func (s sweep) queue() string         { return s.name }
func (s consume) queue() string       { return s.name }
func (s share) queue() string         { return s.name }
func (s drain) queue() string         { return s.name }

func (s declareExchange) play(p *player, _ facts) string {
	return say(p.declareExchange(s.Exchange), "ok")
}

func (s checkExchange) play(p *player, _ facts) string { return say(p.checkExchange(s.name), "ok") }

func (s deleteExchange) play(p *player, _ facts) string {
	return say(p.deleteExchange(s.name, s.ifUnused), "ok")
}

func (s declareQueue) play(p *player, _ facts) string {
	n, err := p.declareQueue(s.Queue)
	return say(err, "%s", n)
}

func (s checkQueue) play(p *player, _ facts) string {
	n, err := p.checkQueue(s.name)
	return say(err, "%s", n)
}

func (s purgeQueue) play(p *player, _ facts) string {
	n, err := p.purgeQueue(s.name)
	return say(err, "%d purged", n)
}

func (s deleteQueue) play(p *player, _ facts) string {
	n, err := p.deleteQueue(s.name, s.ifUnused, s.ifEmpty)
	return say(err, "%d deleted", n)
}

func (s bind) play(p *player, _ facts) string   { return say(p.bind(s.Binding), "ok") }
func (s unbind) play(p *player, _ facts) string { return say(p.unbind(s.Binding), "ok") }

func (s publish) play(p *player, _ facts) string {
	var said []string
	for _, err := range p.publish(s.exchange, s.posts) {
		said = append(said, say(err, "ok")+renderReturned(err))
	}
	return strings.Join(said, " ")
}

func (s take) play(p *player, f facts) string {
	limit := s.limit
	if f.sources > 1 {
		limit = math.MaxInt
	}
	taken, err := p.take(s.name, limit, s.autoAck)
	if !s.autoAck {
		p.held[s.name] = append(p.held[s.name], taken...)
	}
	return say(err, "%d taken, behind %v:%s", len(taken), behind(taken), renderDeliveries(taken))
}

// behind lists what was said to be ready behind each message.
func behind(taken []*delivery) []int {
	list := make([]int, len(taken))
	for i, d := range taken {
		list[i] = d.behind
	}
	return list
}

func (s turn) play(p *player, f facts) string {
	said := take{name: s.name, limit: math.MaxInt}.play(p, f)
	err := p.settle(s.name, func(number int) verdict { return verdict(dice(s.salt, number, int(hold)+1)) })
	return said + say(err, "")
}

func (s sweep) play(p *player, f facts) string {
	said := take{name: s.name, limit: math.MaxInt}.play(p, f)
	return said + say(p.settleAll(s.name, s.verdict), "")
}

func (s consume) play(p *player, f facts) string {
	c, err := p.consume(s.name, consuming{prefetch: s.prefetch, autoAck: s.autoAck})
	if err != nil {
		return say(err, "")
	}
	var received []*delivery
	for len(received) < f.ready {
		d := c.next(patience)
		if d == nil {
			break
		}
		received = append(received, d)
		if s.autoAck {
			continue
		}
		if err := d.settle(verdict(dice(s.salt, number(d), int(reject)+1)), false); err != nil {
			return say(err, "")
		}
	}
	if err := c.cancel(); err != nil {
		return say(err, "")
	}
	if f.sources > 1 && s.prefetch > 0 {
		received = unordered(received)
	}
	return fmt.Sprintf("%d consumed:%s", len(received), renderDeliveries(received))
}

// unordered puts deliveries in the order of their numbers and takes away what
// says that they came before. A Warren consumer with a prefetch asks all sources
// of its queue at once, and hands back unseen what comes over the prefetch: that
// comes later then, behind others of its exchange, and as redelivered.
func unordered(received []*delivery) []*delivery {
	sorted := slices.Clone(received)
	slices.SortStableFunc(sorted, func(a, b *delivery) int { return cmp.Compare(number(a), number(b)) })
	for _, d := range sorted {
		d.redelivered = false
	}
	return sorted
}

// play tells who got what, and that the queue counts its consumers.
func (s share) play(p *player, f facts) string {
	said := purgeQueue{s.name}.play(p, f)
	var list []consumer
	for range s.consumers {
		c, err := p.consume(s.name, s.consuming)
		if err != nil {
			return said + say(err, "")
		}
		list = append(list, c)
	}
	said += ", " + checkQueue{s.name}.play(p, f)
	said += ", if unused: " + deleteQueue{s.name, true, false}.play(p, f)
	said += ", " + publish{"", s.posts}.play(p, f) + ":"
	for i := range s.posts {
		said += s.receive(list[i%len(list)])
	}
	for _, c := range list {
		said += say(c.cancel(), "")
	}
	return said
}

// receive receives a message, and settles it.
func (s share) receive(c consumer) string {
	d := c.next(patience)
	if d == nil {
		return "\n\tnothing"
	}
	said := "\n\t" + renderDelivery(d)
	if s.autoAck {
		return said
	}
	return said + say(d.settle(verdict(dice(s.salt, number(d), int(reject)+1)), false), "")
}

func (s drain) play(p *player, f facts) string {
	said := take{name: s.name, limit: math.MaxInt}.play(p, f)
	if err := p.settle(s.name, func(int) verdict { return requeue }); err != nil {
		return said + say(err, "")
	}
	return said + take{name: s.name, limit: math.MaxInt, autoAck: true}.play(p, f)
}
