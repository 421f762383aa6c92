package routing

import (
	"strings"
	"testing"
	"time"
)

func TestMatchTopic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"", "", true},
		{"", "a", false},
		{"#", "", true},
		{"#.#", "", true},
		{"*", "", false},
		{"*.#", "", false},
		{"*", "a", true},
		{"*", ".", false},
		{"*.*", ".", true},
		{".*", "a", false},
		{".*", ".a", true},
		{"a.#", "a", true},
		{"a.#", "a.", true},
		{"a.#.b", "a.b", true},
		{"a.#.b", "a.b.b", true},
		{"a.#.b", "a.b.c", false},
		{"a#b", "a.b", false},
		{"a#b", "a#b", true},
		{"##", "a", false},
		{"##", "##", true},
		{"**", "a", false},
		{"A", "a", false},
		{"größe.*", "größe.ü", true},
		{"#.a.#.b", "a.c.a.b.b", true},
		{"#.a.#.b", "b.a", false},
	} {
		if got := matchTopic(c.pattern, c.key); got != c.want {
			t.Errorf("matchTopic(%q, %q) = %v, want %v", c.pattern, c.key, got, c.want)
		}
	}
}

func TestMatchTopicManyHashes(t *testing.T) {
	t.Parallel()
	pattern := strings.Repeat("#.a.", 15) + "b"
	key := strings.Repeat("a.", 30) + "c"
	start := time.Now()
	for range 1000 {
		if matchTopic(pattern, key) || NewMatcher(Topic, []Binding{{Key: pattern}}).Match(key, nil) {
			t.Fatalf("%q matches %q", pattern, key)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("15 '#' over 31 words took %v", took/1000)
	}
}

// Counting allocations cannot run beside other tests.
func TestMatchTopicAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { matchTopic("#.b.*.c", "a.b.d.c") }); n != 0 {
		t.Errorf("matchTopic allocates %v times", n)
	}
	m := NewMatcher(Topic, []Binding{{Key: "#.b.*.c"}, {Key: "a.*"}, {Key: "x.#"}})
	if n := testing.AllocsPerRun(100, func() { m.Match("a.b.d.c", nil) }); n != 0 {
		t.Errorf("match allocates %v times", n)
	}
}

func FuzzTopic(f *testing.F) {
	f.Add("a.#.b", "a.x.b")
	f.Add("#.a.#.a.#", "a.b.a")
	f.Add("*.#.*", ".")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		checkTopic(t, pattern, key)
		checkTopic(t, topicKey(pattern), topicKey(key))
	})
}

// checkTopic compares both ways of matching with the naive one.
func checkTopic(t *testing.T, pattern, key string) {
	t.Helper()
	if countHashes(pattern) > 4 || len(key) > 40 {
		return
	}
	want := naiveTopic(splitWords(pattern), splitWords(key))
	if got := matchTopic(pattern, key); got != want {
		t.Fatalf("matchTopic(%q, %q) = %v, want %v", pattern, key, got, want)
	}
	tree := &patternTree{}
	tree.add(splitWords(pattern))
	if got := tree.match(key, firstWord(key)); got != want {
		t.Fatalf("a tree of %q matches %q: %v, want %v", pattern, key, got, want)
	}
	if got := NewMatcher(Topic, []Binding{{Key: pattern}}).Match(key, nil); got != want {
		t.Fatalf("a Matcher of %q matches %q: %v, want %v", pattern, key, got, want)
	}
}

// topicKey turns any text into a key of few words, so that many match.
func topicKey(text string) string {
	const letters = "aab*#..*#"
	key := make([]byte, min(len(text), 24))
	for i := range key {
		key[i] = letters[int(text[i])%len(letters)]
	}
	return string(key)
}

func naiveTopic(pattern, key []string) bool {
	if len(pattern) == 0 {
		return len(key) == 0
	}
	if pattern[0] == "#" {
		return naiveTopic(pattern[1:], key) || len(key) > 0 && naiveTopic(pattern, key[1:])
	}
	return len(key) > 0 && (pattern[0] == "*" || pattern[0] == key[0]) && naiveTopic(pattern[1:], key[1:])
}

func BenchmarkMatchTopic(b *testing.B) {
	for _, c := range []struct{ name, pattern, key string }{
		{"literal", "kern.critical.disk", "kern.critical.disk"},
		{"star", "*.critical.*", "kern.critical.disk"},
		{"hash", "kern.#", "kern.critical.disk"},
		{"middle", "#.critical.#", "a.b.kern.critical.disk"},
		{"many", strings.Repeat("#.a.", 15) + "b", strings.Repeat("a.", 30) + "c"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				matchTopic(c.pattern, c.key)
			}
		})
	}
}
