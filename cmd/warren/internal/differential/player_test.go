package differential

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"warren/streams"
)

// A player plays the steps of a scenario on one broker. What it has taken and
// not settled it holds, by queue.
type player struct {
	broker
	held map[string][]*delivery
}

func newPlayer(b broker) *player { return &player{b, make(map[string][]*delivery)} }

// play plays a step. What was held from a queue that has gone is gone with it.
func (p *player) play(s step, f facts) string {
	if !f.exists {
		delete(p.held, s.queue())
	}
	return s.play(p, f)
}

// facts are what the model knows of a queue before a step: how much may be
// compared, and when to stop.
type facts struct {
	exists bool
	ready  int
	// sources is from how many exchanges its messages came. The order among
	// those is not promised; so of several, all messages are taken.
	sources int
}

func (m *model) facts(queue string) facts {
	q := m.queues[queue]
	if q == nil {
		return facts{}
	}
	return facts{exists: true, ready: len(q.ready), sources: q.sources()}
}

// take gets messages from a queue until limit are there, or none is left.
func (p *player) take(queue string, limit int, autoAck bool) ([]*delivery, error) {
	var taken []*delivery
	for len(taken) < limit {
		d, err := p.get(queue, autoAck)
		if err != nil {
			return taken, err
		}
		if d == nil {
			break
		}
		taken = append(taken, d)
	}
	return taken, nil
}

// settle says of everything held from a queue what choose says of its number,
// in the order in which the messages were published: Warren keeps the order of
// what is handed back in order. What is held on stays in the order in which it
// was taken.
func (p *player) settle(queue string, choose func(number int) verdict) error {
	inOrder := slices.Clone(p.held[queue])
	slices.SortStableFunc(inOrder, func(a, b *delivery) int { return cmp.Compare(number(a), number(b)) })
	p.held[queue] = slices.DeleteFunc(p.held[queue], func(d *delivery) bool { return choose(number(d)) != hold })
	for _, d := range inOrder {
		v := choose(number(d))
		if v == hold {
			continue
		}
		if err := d.settle(v, false); err != nil {
			return fmt.Errorf("%s %q: %w", v, d.Body, err)
		}
	}
	return nil
}

// settleAll says the same of everything held from a queue, at once. The last
// one taken has the highest tag.
func (p *player) settleAll(queue string, v verdict) error {
	held := p.held[queue]
	p.held[queue] = nil
	if len(held) == 0 {
		return nil
	}
	return held[len(held)-1].settle(v, true)
}

// numbered gives a message a number by which it is known again: its body begins
// with it, or, to have empty bodies too, it is the message's id.
func numbered(m streams.Message, n int) streams.Message {
	if len(m.Body) == 0 {
		m.MessageID = strconv.Itoa(n)
		return m
	}
	m.Body = append([]byte(strconv.Itoa(n)+"|"), m.Body...)
	return m
}

func number(d *delivery) int {
	text, _, _ := strings.Cut(string(d.Body), "|")
	if text == "" {
		text = d.MessageID
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// dice makes the same choice for a message on every broker, and in every run.
func dice(salt uint64, number, sides int) int {
	return rand.New(rand.NewPCG(salt, uint64(number))).IntN(sides)
}
