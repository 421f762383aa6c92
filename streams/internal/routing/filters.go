package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// maxReach is how many lengths of a '#' in front of other words are filtered
// exactly: "#.b" becomes "b", "*.b", "*.*.b" and, for all longer keys together,
// "*.*.*.>". Keys are short, so few messages come through the last.
const maxReach = 3

// Filters returns the filter subjects that a consumer of an exchange needs for the
// bindings: they match all that the bindings match, and as little else as NATS can say.
// Base is the subject of the exchange. The filters are sorted, no filter contains another,
// and there are at most limit of them, which must be two at least. Exact says that they
// match nothing else, so that no [Matcher] is needed.
func Filters(kind Kind, base string, bindings []Binding, limit int) (subjects []string, exact bool) {
	reach := maxReach
	if len(bindings) > limit {
		reach = 0
	}
	set := newFilterSet(kind, bindings, reach)
	for len(set) > limit && reach > 0 {
		reach--
		set = newFilterSet(kind, bindings, reach)
	}
	set.widen(limit)
	return set.subjects(base), set.exact()
}

// filterSet holds filters, by what stands behind base, and of each whether it
// matches more than the bindings do.
type filterSet map[string]bool

func newFilterSet(kind Kind, bindings []Binding, reach int) filterSet {
	set := filterSet{}
	for _, b := range bindings {
		switch kind {
		case Fanout:
			set.addFrom(nil, false)
		case Direct:
			set.addKey(b.Key)
		case Topic:
			set.addPattern(b.Key, reach)
		case Headers:
			set.addCriteria(newCriteria(b.Args))
		}
	}
	set.reduce()
	return set
}

// add adds a filter; where it is there already, the narrower meaning counts.
func (s filterSet) add(tokens []string, wider bool) {
	filter := strings.Join(tokens, ".")
	if was, ok := s[filter]; !ok || was {
		s[filter] = wider
	}
}

// addFrom adds what matches the tokens and all that lies behind them.
func (s filterSet) addFrom(tokens []string, wider bool) {
	last := len(tokens) - 1
	if last >= 0 && tokens[last] == "*" {
		s.add(with(tokens[:last], ">"), wider)
		return
	}
	s.add(tokens, wider)
	s.add(with(tokens, ">"), wider)
}

func (s filterSet) addKey(key string) {
	words := splitWords(key)
	for i, word := range words {
		words[i] = WordToken(word)
	}
	s.add(words, false)
}

func (s filterSet) addCriteria(c criteria) {
	if !c.never() {
		s.addFrom(nil, !c.always())
	}
}

func (s filterSet) addPattern(key string, reach int) {
	if countHashes(key) > maxHashes {
		reach = 0
	}
	words := splitWords(key)
	for i, word := range words {
		if word != "*" && word != "#" {
			words[i] = WordToken(word)
		}
	}
	s.expand(nil, words, reach)
}

// expand adds the filters for the words behind the tokens that are done. Words
// '*' behind a '#' can as well stand in front of it, and several '#' are one;
// then only a '#' in front of a plain word is more than NATS can say.
func (s filterSet) expand(done, words []string, reach int) {
	hash := slices.Index(words, "#")
	if hash < 0 {
		s.add(with(done, words...), false)
		return
	}
	done, words = with(done, words[:hash]...), words[hash+1:]
	for len(words) > 0 && (words[0] == "*" || words[0] == "#") {
		if words[0] == "*" {
			done = with(done, "*")
		}
		words = words[1:]
	}
	if len(words) == 0 {
		s.addFrom(done, false)
		return
	}
	for range reach {
		s.expand(done, words, reach)
		done = with(done, "*")
	}
	for range leastWords(words) - 1 {
		done = with(done, "*")
	}
	s.add(with(done, ">"), true)
}

// leastWords returns how many words a key needs to match.
func leastWords(pattern []string) int {
	n := 0
	for _, word := range pattern {
		if word != "#" {
			n++
		}
	}
	return n
}

// reduce drops every filter that another one contains, which has a wildcard.
func (s filterSet) reduce() {
	if !s.wild() {
		return
	}
	tree := &filterTree{}
	for filter := range s {
		tree.add(splitWords(filter))
	}
	for filter := range s {
		if tree.contains(splitWords(filter), true) {
			delete(s, filter)
		}
	}
}

// wild reports whether a filter has a wildcard.
func (s filterSet) wild() bool {
	for filter := range s {
		if strings.ContainsAny(filter, "*>") {
			return true
		}
	}
	return false
}

// widen merges filters until limit are left, first those that have the longest
// prefix in common and of these the largest group.
func (s filterSet) widen(limit int) {
	for depth := s.depth() - 1; depth >= 0 && len(s) > limit; depth-- {
		merged := false
		for _, group := range s.groups(depth) {
			if len(s) <= limit || len(group) < 2 {
				break
			}
			s.merge(group)
			merged = true
		}
		if merged {
			s.reduce()
		}
	}
}

// depth returns the number of tokens of the longest filter.
func (s filterSet) depth() int {
	depth := 0
	for filter := range s {
		depth = max(depth, len(splitWords(filter)))
	}
	return depth
}

// groups returns the filters that have the first depth tokens in common and
// something behind them, the largest group first.
func (s filterSet) groups(depth int) [][]string {
	byPrefix := map[string][]string{}
	for filter := range s {
		if tokens := splitWords(filter); len(tokens) > depth {
			prefix := strings.Join(tokens[:depth], ".")
			byPrefix[prefix] = append(byPrefix[prefix], filter)
		}
	}
	for _, group := range byPrefix {
		slices.Sort(group)
	}
	return slices.SortedFunc(maps.Values(byPrefix), func(a, b []string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a[0], b[0]))
	})
}

// merge replaces filters by one that contains them.
func (s filterSet) merge(group []string) {
	merged := splitWords(group[0])
	for _, filter := range group {
		merged = join(merged, splitWords(filter))
		delete(s, filter)
	}
	s.add(merged, true)
}

func (s filterSet) exact() bool {
	for _, wider := range s {
		if wider {
			return false
		}
	}
	return true
}

func (s filterSet) subjects(base string) []string {
	subjects := make([]string, 0, len(s))
	for filter := range s {
		if filter == "" {
			subjects = append(subjects, base)
		} else {
			subjects = append(subjects, base+"."+filter)
		}
	}
	slices.Sort(subjects)
	return subjects
}

// join returns the narrowest filter that contains a and b, neither of which is
// empty.
func join(a, b []string) []string {
	var joined []string
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == ">" || b[i] == ">":
			return append(joined, ">")
		case a[i] == b[i]:
			joined = append(joined, a[i])
		default:
			joined = append(joined, "*")
		}
	}
	if len(a) != len(b) {
		joined[len(joined)-1] = ">"
	}
	return joined
}

// Overlap reports whether one subject may match two of the filters. None of them may
// contain another, so only filters with wildcards can overlap.
func Overlap(filters []string) bool {
	var wild [][]string
	for _, filter := range filters {
		tokens := splitWords(filter)
		if !slices.Contains(tokens, "*") && tokens[len(tokens)-1] != ">" {
			continue
		}
		if slices.ContainsFunc(wild, func(other []string) bool { return overlaps(tokens, other) }) {
			return true
		}
		wild = append(wild, tokens)
	}
	return false
}

// overlaps reports whether one subject may match both filters.
func overlaps(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == ">" || b[i] == ">":
			return true
		case a[i] != b[i] && a[i] != "*" && b[i] != "*":
			return false
		}
	}
	return len(a) == len(b)
}

// with returns a new slice of the tokens and more.
func with(tokens []string, more ...string) []string {
	return slices.Concat(tokens, more)
}

// filterTree holds filters by their tokens.
type filterTree struct {
	next map[string]*filterTree
	end  bool
}

func (t *filterTree) add(tokens []string) {
	for _, token := range tokens {
		if t.next == nil {
			t.next = map[string]*filterTree{}
		}
		if t.next[token] == nil {
			t.next[token] = &filterTree{}
		}
		t = t.next[token]
	}
	t.end = true
}

// contains reports whether a filter in the tree contains the one of these
// tokens; if itself is set, a filter other than this very one.
func (t *filterTree) contains(tokens []string, itself bool) bool {
	if t == nil {
		return false
	}
	if len(tokens) == 0 {
		return t.end && !itself
	}
	token, rest := tokens[0], tokens[1:]
	if t.next[">"] != nil && (token != ">" || !itself) {
		return true
	}
	if token == ">" {
		return false
	}
	if t.next["*"].contains(rest, itself && token == "*") {
		return true
	}
	return token != "*" && t.next[token].contains(rest, itself)
}
