package differential

import (
	"reflect"
	"strings"

	"warren/streams"
)

// wants says whether a binding wants a message: AMQP's rules, written to be
// read and not to be fast.
func (b *modelBinding) wants(key string, headers streams.Table) bool {
	switch b.exchange.Kind {
	case streams.Direct:
		return b.Key == key
	case streams.Topic:
		return wordsMatch(words(b.Key), words(key))
	case streams.Headers:
		return headersMatch(b.Args, headers)
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

func headersMatch(criteria, headers streams.Table) bool {
	mode, _ := criteria["x-match"].(string)
	met, asked := 0, 0
	for name, want := range criteria {
		if name == "x-match" || strings.HasPrefix(name, "x-") && !strings.HasSuffix(mode, "-with-x") {
			continue
		}
		asked++
		if have, ok := headers[name]; ok && (want == nil || render(widest(want)) == render(widest(have))) {
			met++
		}
	}
	if strings.HasPrefix(mode, "any") {
		return met > 0
	}
	return met == asked
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
