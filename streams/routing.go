package streams

import (
	"slices"

	"warren/streams/internal/amqp"
)

// Kind is the type of an exchange: how it chooses the queues of a message.
type Kind string

// The types of exchange AMQP has.
const (
	Direct  Kind = "direct"  // the routing key is the binding key
	Fanout  Kind = "fanout"  // every message
	Topic   Kind = "topic"   // the routing key matches the binding key, word by word
	Headers Kind = "headers" // the headers meet the arguments of the binding
)

// maxHashes is how many '#' words a binding key may have; more make matching
// slow, and RabbitMQ refuses them too.
const maxHashes = 2

// route is a binding as routing sees it.
type route struct {
	Key  string
	Args Table
}

// checkBindingKey refuses binding keys that no exchange of the kind takes.
func checkBindingKey(kind Kind, key string) error {
	if err := amqp.CheckKey(key); err != nil {
		return err
	}
	if n := countHashes(key); kind == Topic && n > maxHashes {
		return errPrecondition("binding key '%s' has %d '#' words, more than %d", key, n, maxHashes)
	}
	return nil
}

// checkBinding refuses what no exchange of the kind can be bound with.
func checkBinding(kind Kind, r route) error {
	if err := checkBindingKey(kind, r.Key); err != nil {
		return err
	}
	if err := r.Args.Validate(); err != nil {
		return err
	}
	if kind == Headers {
		return checkCriteria(r.Args)
	}
	return nil
}

// matcher decides exactly, and as AMQP does, whether any of a set of routes
// matches a message. It is safe for concurrent use.
type matcher struct {
	all      bool                // every message matches
	literals map[string]struct{} // routing keys that match
	patterns *patternTree        // binding keys with wildcards
	slow     []string            // binding keys with too many '#' for the tree
	criteria []criteria
}

func newMatcher(kind Kind, routes []route) *matcher {
	m := &matcher{literals: map[string]struct{}{}}
	for _, r := range routes {
		switch kind {
		case Fanout:
			m.all = true
		case Direct:
			m.literals[r.Key] = struct{}{}
		case Topic:
			m.addPattern(r.Key)
		case Headers:
			m.criteria = append(m.criteria, newCriteria(r.Args))
		}
	}
	return m
}

func (m *matcher) addPattern(key string) {
	words := splitWords(key)
	hashes := countHashes(key)
	switch {
	case key == "#":
		m.all = true
	case hashes > maxHashes:
		m.slow = append(m.slow, key)
	case hashes == 0 && !slices.Contains(words, "*"):
		m.literals[key] = struct{}{}
	default:
		if m.patterns == nil {
			m.patterns = &patternTree{}
		}
		m.patterns.add(words)
	}
}

// match reports whether a route matches a message of this routing key. It calls
// headers, which may be nil for other kinds, only for a headers exchange.
func (m *matcher) match(key string, headers func() Table) bool {
	if m.all {
		return true
	}
	if _, ok := m.literals[key]; ok {
		return true
	}
	if m.patterns != nil && m.patterns.match(key, firstWord(key)) {
		return true
	}
	for _, pattern := range m.slow {
		if matchTopic(pattern, key) {
			return true
		}
	}
	return m.matchHeaders(headers)
}

func (m *matcher) matchHeaders(headers func() Table) bool {
	if len(m.criteria) == 0 {
		return false
	}
	table := headers()
	for _, c := range m.criteria {
		if c.match(table) {
			return true
		}
	}
	return false
}
