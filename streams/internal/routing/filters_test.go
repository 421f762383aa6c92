package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"warren/streams/internal/amqp"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		kind     Kind
		keys     []string
		subjects string // "b" is the base
		exact    bool
	}{
		{"no bindings", Topic, nil, "", true},
		{"fanout", Fanout, []string{"a", ""}, "b b.>", true},
		{"direct", Direct, []string{"x", "a.b", "", "x"}, "b b.a.b b.x", true},
		{"direct wildcards are literal", Direct, []string{"*", "#", ">"}, "b.# b.=2A b.=3E", true},
		{"unknown kind", "x-other", []string{"a"}, "", true},

		{"all", Topic, []string{"#"}, "b b.>", true},
		{"all in two words", Topic, []string{"#.#"}, "b b.>", true},
		{"no words", Topic, []string{""}, "b", true},
		{"literal", Topic, []string{"a.b"}, "b.a.b", true},
		{"escapes", Topic, []string{"a..=.>.*b.##"}, "b.a.=.=3D.=3E.=2Ab.##", true},
		{"one word", Topic, []string{"*"}, "b.*", true},
		{"star", Topic, []string{"a.*"}, "b.a.*", true},
		{"hash at the end", Topic, []string{"a.#"}, "b.a b.a.>", true},
		{"two hashes at the end", Topic, []string{"a.#.#"}, "b.a b.a.>", true},
		{"one or more", Topic, []string{"*.#"}, "b.>", true},
		{"one or more, the other way", Topic, []string{"#.*"}, "b.>", true},
		{"one or more, between", Topic, []string{"#.*.#"}, "b.>", true},
		{"two or more", Topic, []string{"*.#.*"}, "b.*.>", true},
		{"two or more behind a word", Topic, []string{"a.#.*.*.#"}, "b.a.*.>", true},

		{"hash in the middle", Topic, []string{"a.#.b"}, "b.a.*.*.*.> b.a.*.*.b b.a.*.b b.a.b", false},
		{"hash in front", Topic, []string{"#.b"}, "b.*.*.*.> b.*.*.b b.*.b b.b", false},
		{"hash on both sides", Topic, []string{"#.b.#"},
			"b.*.*.*.> b.*.*.b b.*.b b.*.b.> b.b b.b.>", false},
		{"star and hash in front", Topic, []string{"*.#.b.*"},
			"b.*.*.*.*.*.> b.*.*.*.b.* b.*.*.b.* b.*.b.*", false},
		{"too many hashes", Topic, []string{"#.a.#.b.#.c.#.d"}, "b.*.*.*.>", false},

		{"contained", Topic, []string{"a.*", "a.b", "a.#", "c"}, "b.a b.a.> b.c", true},
		{"crossing", Topic, []string{"a.*", "*.b"}, "b.*.b b.a.*", true},
		{"all and an inexact one", Topic, []string{"a.#.b", "#"}, "b b.>", true},
		{"an exact one contains an inexact one", Topic, []string{"a.#.b", "a.*.#"}, "b.a.>", true},
		{"an inexact one contains an exact one", Topic, []string{"#.b", "x.x.x.x.#"}, "b.*.*.*.> b.*.*.b b.*.b b.b", false},
	} {
		subjects, exact := Filters(c.kind, "b", keyBindings(c.keys...), 100)
		if got := strings.Join(subjects, " "); got != c.subjects || exact != c.exact {
			t.Errorf("%s: %q filter to %q, exact %v, want %q, exact %v", c.name, c.keys, got, exact, c.subjects, c.exact)
		}
	}
}

func TestFiltersOfHeaders(t *testing.T) {
	t.Parallel()
	some, every, none := amqp.Table{"a": 1}, amqp.Table{"x-a": 1}, amqp.Table{"x-match": "any"}
	for _, c := range []struct {
		args     []amqp.Table
		subjects string
		exact    bool
	}{
		{[]amqp.Table{some}, "b b.>", false},
		{[]amqp.Table{some, every}, "b b.>", true},
		{[]amqp.Table{none}, "", true},
		{[]amqp.Table{none, some}, "b b.>", false},
	} {
		var bindings []Binding
		for _, args := range c.args {
			bindings = append(bindings, Binding{Args: args})
		}
		subjects, exact := Filters(Headers, "b", bindings, 100)
		if got := strings.Join(subjects, " "); got != c.subjects || exact != c.exact {
			t.Errorf("%v filter to %q, exact %v, want %q, exact %v", c.args, got, exact, c.subjects, c.exact)
		}
	}
}

func TestFiltersWidenToTheLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		kind     Kind
		keys     []string
		limit    int
		subjects string
		exact    bool
	}{
		{"just enough", Direct, []string{"a", "b", "c"}, 3, "b.a b.b b.c", true},
		{"one word", Direct, []string{"a", "b", "c"}, 2, "b.*", false},
		{"one word and none", Direct, []string{"a", "b", ""}, 2, "b b.*", false},
		{"a common prefix", Direct, []string{"a.1", "a.2", "b.1", "c"}, 3, "b.a.* b.b.1 b.c", false},
		{"the larger group", Direct, []string{"a.1", "a.2", "b.1", "b.2", "b.3"}, 3, "b.a.1 b.a.2 b.b.*", false},
		{"a common end", Direct, []string{"d.1.t", "d.2.t", "d.3.t", "x"}, 2, "b.d.*.t b.x", false},
		{"lengths differ", Direct, []string{"d.1", "d.2.t", "x"}, 2, "b.d.> b.x", false},
		{"nothing in common", Direct, []string{"a", "b.c", "d.e.f", ""}, 2, "b b.>", false},
		{"less reach first", Topic, []string{"a.#.b", "x"}, 4, "b.a.*.*.> b.a.*.b b.a.b b.x", false},
		{"no reach", Topic, []string{"a.#.b.c", "x"}, 2, "b.a.*.> b.x", false},
	} {
		subjects, exact := Filters(c.kind, "b", keyBindings(c.keys...), c.limit)
		if got := strings.Join(subjects, " "); got != c.subjects || exact != c.exact {
			t.Errorf("%s: %q filter to %q, exact %v, want %q, exact %v", c.name, c.keys, got, exact, c.subjects, c.exact)
		}
	}
}

func FuzzFilters(f *testing.F) {
	f.Add(uint8(2), "a.#.b\n#.b\n*.*", "a.b\na.c.b", uint8(100))
	f.Add(uint8(1), "a\n\nb.c", "a\nb", uint8(2))
	f.Add(uint8(3), "ab\nc", "ab", uint8(5))
	f.Add(uint8(0), "a", "", uint8(0))
	f.Fuzz(func(t *testing.T, kind uint8, bindings, keys string, limit uint8) {
		c := filterCase{
			kind:  []Kind{Fanout, Direct, Topic, Headers}[kind%4],
			limit: 2 + int(limit)%60,
		}
		for _, text := range firstLines(bindings, 12) {
			c.bindings = append(c.bindings, Binding{topicKey(text), headerTable(text)}, Binding{text[:min(len(text), 12)], nil})
		}
		c.check(t, allKeys())
		c.check(t, firstLines(keys, 12))
	})
}

// filterCase compares the filters of some routes with the routes.
type filterCase struct {
	kind     Kind
	bindings []Binding
	limit    int
}

func (c filterCase) check(t *testing.T, keys []string) {
	t.Helper()
	subjects, exact := Filters(c.kind, "w.x.e", c.bindings, c.limit)
	c.checkSet(t, subjects, exact)
	m := NewMatcher(c.kind, c.bindings)
	for _, key := range keys {
		if key = key[:min(len(key), amqp.MaxShort)]; strings.Count(key, ".") > 6 {
			continue // the naive Matcher is slow
		}
		headers := headerTable(key)
		matches := c.matches(key, headers)
		if got := m.Match(key, func() amqp.Table { return headers }); got != matches {
			t.Fatalf("%s %q match %q %v: %v, want %v", c.kind, c.bindings, key, headers, got, matches)
		}
		subject := KeySubject("w.x.e", key)
		passes := slices.ContainsFunc(subjects, func(s string) bool { return naiveFilter(s, subject) })
		if matches && !passes || exact && passes && !matches {
			t.Fatalf("%s %q match %q %v: %v; %q (exact %v) match %q: %v",
				c.kind, c.bindings, key, headers, matches, subjects, exact, subject, passes)
		}
	}
}

// checkSet checks that the server would take the filters for one consumer.
func (c filterCase) checkSet(t *testing.T, subjects []string, exact bool) {
	t.Helper()
	if len(subjects) > c.limit || len(c.bindings) == 0 && len(subjects) > 0 || !slices.IsSorted(subjects) {
		t.Fatalf("%d bindings filter to %q, at most %d", len(c.bindings), subjects, c.limit)
	}
	for i, a := range subjects {
		checkSubject(t, a)
		for j, b := range subjects {
			if i != j && naiveContains(a, b) {
				t.Fatalf("%s %q filter to %q, where %q contains %q", c.kind, c.bindings, subjects, a, b)
			}
		}
	}
	reversed := slices.Clone(c.bindings)
	slices.Reverse(reversed)
	again, exactly := Filters(c.kind, "w.x.e", reversed, c.limit)
	if !slices.Equal(again, subjects) || exactly != exact {
		t.Fatalf("%s %q filter to %q and to %q", c.kind, c.bindings, subjects, again)
	}
}

// matches is what AMQP says, told as simply as possible.
func (c filterCase) matches(key string, headers amqp.Table) bool {
	return slices.ContainsFunc(c.bindings, func(b Binding) bool {
		switch c.kind {
		case Direct:
			return b.Key == key
		case Topic:
			return naiveTopic(splitWords(b.Key), splitWords(key))
		case Headers:
			return naiveHeaders(b.Args, headers)
		}
		return true
	})
}

func naiveHeaders(args, headers amqp.Table) bool {
	mode, _ := args["x-match"].(string)
	met, missed := 0, 0
	for key, want := range args {
		if strings.HasPrefix(key, "x-") && (key == "x-match" || !strings.HasSuffix(mode, "-with-x")) {
			continue
		}
		if got, ok := headers[key]; ok && (want == nil || want == got) {
			met++
		} else {
			missed++
		}
	}
	if strings.HasPrefix(mode, "any") {
		return met > 0
	}
	return missed == 0
}

// headerTable turns any text into arguments or headers of few fields.
func headerTable(text string) amqp.Table {
	if text == "" {
		return nil
	}
	table := amqp.Table{"x-match": []string{"all", "any", "all-with-x", "any-with-x"}[len(text)%4]}
	for i := range min(len(text), 4) {
		name := []string{"a", "b", "x-c"}[text[i]%3]
		table[name] = []any{nil, "s", int64(1), true}[text[i]/3%4]
	}
	if text[0]%2 == 0 {
		delete(table, "x-match")
	}
	return table
}

func naiveFilter(filter, subject string) bool {
	return naiveTokens(strings.Split(filter, "."), strings.Split(subject, "."))
}

func naiveTokens(filter, subject []string) bool {
	if len(filter) == 0 || len(subject) == 0 {
		return len(filter) == len(subject)
	}
	if filter[0] == ">" {
		return true
	}
	return (filter[0] == "*" || filter[0] == subject[0]) && naiveTokens(filter[1:], subject[1:])
}

// naiveContains reports whether filter a matches all that filter b matches.
func naiveContains(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i, token := range as {
		if i == len(bs) {
			return false
		}
		if token == ">" {
			return true
		}
		if bs[i] == ">" || token != "*" && token != bs[i] {
			return false
		}
	}
	return len(as) == len(bs)
}

// allKeys returns every key of up to five words of a small vocabulary.
var allKeys = func() func() []string {
	keys, last := []string{""}, []string{"a", "b", "aa", "*"}
	for range 4 {
		keys = append(keys, last...)
		var longer []string
		for _, key := range last {
			for _, word := range []string{"a", "b", ""} {
				longer = append(longer, key+"."+word)
			}
		}
		last = longer
	}
	keys = append(keys, last...)
	return func() []string { return keys }
}()

// firstLines returns up to n lines of a text, none if it is empty.
func firstLines(text string, n int) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[:min(len(lines), n)]
}

func BenchmarkFilters(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		literals, patterns := make([]Binding, n), make([]Binding, n)
		for i := range n {
			literals[i].Key = fmt.Sprintf("device.%d.temp", i)
			patterns[i].Key = fmt.Sprintf("#.device%d.#", i)
		}
		b.Run(fmt.Sprintf("direct%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Filters(Direct, "warren.x.logs", literals, 100)
			}
		})
		b.Run(fmt.Sprintf("hashes%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Filters(Topic, "warren.x.logs", patterns, 100)
			}
		})
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filters string
		want    bool
	}{
		{"", false},
		{"x.a", false},
		{"x.a x.b x.c.d", false},
		{"x x.>", false},
		{"x.a x.*.b", false},
		{"x.*.b x.a.*", true},
		{"x.*.b x.a.*.c", false},
		{"x.a.> x.*.b", true},
		{"x.a.> x.*", false},
		{"x.a.> x.b.>", false},
		{"x.a.> x.b.> x.*.c.>", true},
	} {
		if got := Overlap(strings.Fields(c.filters)); got != c.want {
			t.Errorf("%q: got %t, want %t", c.filters, got, c.want)
		}
	}
}
