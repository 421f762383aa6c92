package differential

import (
	"reflect"
	"strings"
	"time"

	"warren/streams"
)

// wants says whether a binding wants a message: AMQP's rules, written to be
// read and not to be fast.
func (b *modelBinding) wants(g generation, key string, headers streams.Table) bool {
	switch b.exchange.Kind {
	case streams.Direct:
		return b.Key == key
	case streams.Topic:
		return wordsMatch(words(b.Key), words(key))
	case streams.Headers:
		return headersMatch(g, b.Args, headers)
	}
	return true
}

func words(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

func wordsMatch(pattern, key []string) bool {
	switch {
	case len(pattern) == 0:
		return len(key) == 0
	case pattern[0] == "#":
		return wordsMatch(pattern[1:], key) || len(key) > 0 && wordsMatch(pattern, key[1:])
	case len(key) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == key[0]) && wordsMatch(pattern[1:], key[1:])
}

// hashes counts the '#' of a topic key.
func hashes(key string) int {
	n := 0
	for _, word := range words(key) {
		if word == "#" {
			n++
		}
	}
	return n
}

func headersMatch(g generation, criteria, headers streams.Table) bool {
	mode, _ := criteria["x-match"].(string)
	met, asked := 0, 0
	for name, want := range criteria {
		if name == "x-match" || strings.HasPrefix(name, "x-") && !strings.HasSuffix(mode, "-with-x") {
			continue
		}
		asked++
		if have, ok := headers[name]; ok && (want == nil || render(widest(want)) == render(widest(g.header(have)))) {
			met++
		}
	}
	if strings.HasPrefix(mode, "any") {
		return met > 0
	}
	return met == asked
}

// header is a message's header as a binding sees it: the fourth generation counts the
// milliseconds of a time in a message, and the seconds of one in a binding.
func (g generation) header(have any) any {
	if at, ok := have.(time.Time); ok && g == fourth {
		return time.Unix(at.UnixMilli(), 0)
	}
	return have
}

// widest is a field without the width of a number, which does not count, nor what
// tells bytes from a text.
func widest(value any) any {
	switch n := reflect.ValueOf(value); {
	case n.CanInt():
		return n.Int()
	case n.CanUint():
		return int64(n.Uint())
	case n.CanFloat():
		return n.Float()
	}
	if text, ok := value.([]byte); ok {
		return string(text)
	}
	return value
}
