package routing

import (
	"slices"

	"warren/streams/internal/amqp"
)

// Matcher decides exactly, and as AMQP does, whether any of a set of bindings
// matches a message. It is safe for concurrent use.
type Matcher struct {
	all      bool                // every message matches
	literals map[string]struct{} // routing keys that match
	patterns *patternTree        // binding keys with wildcards
	slow     []string            // binding keys with too many '#' for the tree
	criteria []criteria
}

// NewMatcher returns a matcher of the bindings of one queue to an exchange of the kind.
func NewMatcher(kind Kind, bindings []Binding) *Matcher {
	m := &Matcher{literals: map[string]struct{}{}}
	for _, b := range bindings {
		switch kind {
		case Fanout:
			m.all = true
		case Direct:
			m.literals[b.Key] = struct{}{}
		case Topic:
			m.addPattern(b.Key)
		case Headers:
			m.criteria = append(m.criteria, newCriteria(b.Args))
		}
	}
	return m
}

func (m *Matcher) addPattern(key string) {
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

// Match reports whether a binding matches a message of this routing key. It calls
// headers, which may be nil for other kinds, only for a headers exchange.
func (m *Matcher) Match(key string, headers func() amqp.Table) bool {
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

func (m *Matcher) matchHeaders(headers func() amqp.Table) bool {
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
