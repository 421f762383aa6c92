package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"warren/streams/internal/amqp"
)

// topicVectors are the bindings and the routing table of RabbitMQ's routing
// suite. A queue can have several bindings, of different arguments.
type topicVectors struct {
	Bindings []struct {
		Queue string
		Key   string `json:"binding_key"`
		Args  map[string]string
	}
	Cases []struct {
		Key    string   `json:"routing_key"`
		Queues []string // with all bindings
	}
}

func readVectors(tb testing.TB, name string, vectors any) {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, vectors); err != nil {
		tb.Fatalf("read %s: %v", name, err)
	}
}

func TestTopicVectors(t *testing.T) {
	t.Parallel()
	var v topicVectors
	readVectors(t, "topic.json", &v)
	if len(v.Bindings) != 26 || len(v.Cases) != 12 {
		t.Fatalf("%d bindings and %d cases", len(v.Bindings), len(v.Cases))
	}
	queues := map[string][]Binding{}
	for _, b := range v.Bindings {
		if err := checkBindingKey(Topic, b.Key); err != nil {
			t.Error(err)
		}
		queues[b.Queue] = append(queues[b.Queue], Binding{Key: b.Key})
	}
	// The routing suite binds the last queue twice, with different arguments.
	queues["t27"] = []Binding{{"args-test", amqp.Table{"foo": "bar"}}, {"args-test", amqp.Table{"foo": "baz"}}}
	for _, c := range v.Cases {
		checkRouted(t, queues, c.Key, c.Queues)
	}
	// Then it takes bindings away, one of the last queue's two among them.
	gone := []string{"t1", "t5", "t11", "t19", "t21"}
	for _, queue := range gone {
		delete(queues, queue)
	}
	queues["t27"] = queues["t27"][:1]
	for _, c := range v.Cases {
		left := slices.DeleteFunc(slices.Clone(c.Queues), func(q string) bool { return slices.Contains(gone, q) })
		checkRouted(t, queues, c.Key, left)
	}
	// And at last all of them.
	for _, c := range v.Cases {
		checkRouted(t, nil, c.Key, nil)
	}
}

// checkRouted compares which queues a key reaches, by the Matcher alone and by
// the filters together with it.
func checkRouted(t *testing.T, queues map[string][]Binding, key string, want []string) {
	t.Helper()
	var matched, delivered []string
	for queue, bindings := range queues {
		m := NewMatcher(Topic, bindings)
		if m.Match(key, nil) {
			matched = append(matched, queue)
		}
		subjects, exact := Filters(Topic, "b", bindings, 100)
		through := slices.ContainsFunc(subjects, func(s string) bool { return naiveFilter(s, KeySubject("b", key)) })
		if through && (exact || m.Match(key, nil)) {
			delivered = append(delivered, queue)
		}
	}
	slices.Sort(matched)
	slices.Sort(delivered)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(matched, want) || !slices.Equal(delivered, want) {
		t.Errorf("key %q reaches %v, through filters %v, want %v", key, matched, delivered, want)
	}
}

func TestHeadersVectors(t *testing.T) {
	t.Parallel()
	var v struct {
		Binding plainTable
		Cases   []struct {
			Headers plainTable
			Queues  []string
		}
	}
	readVectors(t, "headers.json", &v)
	if len(v.Cases) != 10 || len(v.Binding) != 4 {
		t.Fatalf("%d cases of a binding of %d", len(v.Cases), len(v.Binding))
	}
	for _, c := range v.Cases {
		for _, mode := range []string{"all", "any"} {
			args := amqp.Table{"x-match": mode}
			for key, value := range v.Binding {
				args[key] = value
			}
			m := NewMatcher(Headers, []Binding{{Args: args}})
			got := m.Match("", func() amqp.Table { return amqp.Table(c.Headers) })
			if want := slices.Contains(c.Queues, mode); got != want {
				t.Errorf("headers %v match %s of %v: %v, want %v", c.Headers, mode, v.Binding, got, want)
			}
		}
	}
}

// plainTable is a table as the vectors have it, in plain JSON.
type plainTable map[string]any

func TestHeadersMatching(t *testing.T) {
	t.Parallel()
	both := amqp.Table{"foo": "bar", "fuu": "ber"}
	for _, c := range []struct {
		name          string
		args, headers amqp.Table
		want          bool
	}{
		{"all is the default", amqp.Table{"foo": "bar", "fuu": "ber"}, both, true},
		{"one is missing", amqp.Table{"foo": "bar", "x": 1}, amqp.Table{"foo": "bar"}, false},
		{"any", amqp.Table{"x-match": "any", "foo": "bar", "fuu": 1}, both, true},
		{"no criteria, all", amqp.Table{"x-match": "all"}, nil, true},
		{"no criteria, any", amqp.Table{"x-match": "any"}, both, false},
		{"no arguments", nil, both, true},
		{"only x- criteria, all", amqp.Table{"x-a": 1}, nil, true},
		{"only x- criteria, any", amqp.Table{"x-match": "any", "x-a": 1}, amqp.Table{"x-a": 1}, false},
		{"x- counts with all-with-x", amqp.Table{"x-match": "all-with-x", "x-a": 1}, nil, false},
		{"x- counts with any-with-x", amqp.Table{"x-match": "any-with-x", "x-a": 1}, amqp.Table{"x-a": 1}, true},
		{"x-match itself never counts", amqp.Table{"x-match": "any-with-x"}, amqp.Table{"x-match": "any-with-x"}, false},
		{"void asks for presence", amqp.Table{"a": nil}, amqp.Table{"a": 1.5}, true},
		{"void meets void", amqp.Table{"a": nil}, amqp.Table{"a": nil}, true},
		{"void is not absence", amqp.Table{"a": nil}, amqp.Table{}, false},
		{"a value does not meet void", amqp.Table{"a": 1}, amqp.Table{"a": nil}, false},
		{"integers of any width", amqp.Table{"a": int8(1)}, amqp.Table{"a": int64(1)}, true},
		{"an integer is no string", amqp.Table{"a": 1}, amqp.Table{"a": "1"}, false},
		{"an integer is no float", amqp.Table{"a": 1}, amqp.Table{"a": 1.0}, false},
		{"floats of any width", amqp.Table{"a": float32(0.5)}, amqp.Table{"a": 0.5}, true},
		{"bytes are a string", amqp.Table{"a": []byte("b")}, amqp.Table{"a": "b"}, true},
		{"an array", amqp.Table{"a": []any{1, "b"}}, amqp.Table{"a": []any{int64(1), "b"}}, true},
		{"an array of other widths", amqp.Table{"a": []any{int8(1)}}, amqp.Table{"a": []any{int64(1)}}, false},
		{"a table", amqp.Table{"a": amqp.Table{"b": true}}, amqp.Table{"a": amqp.Table{"b": true}}, true},
	} {
		m := NewMatcher(Headers, []Binding{{Args: c.args}})
		if got := m.Match("", func() amqp.Table { return c.headers }); got != c.want {
			t.Errorf("%s: %v match %v: %v, want %v", c.name, c.headers, c.args, got, c.want)
		}
	}
}

func TestCheckBinding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind Kind
		Binding
		ok bool
	}{
		{Topic, Binding{Key: "#.a.#"}, true},
		{Topic, Binding{Key: "#.a.#.#"}, false},
		{Topic, Binding{Key: "#.a.#.##"}, true},
		{Direct, Binding{Key: "#.a.#.#"}, true},
		{Fanout, Binding{Key: strings.Repeat("x", 256)}, false},
		{Headers, Binding{}, true},
		{Headers, Binding{Args: amqp.Table{"x-match": "all"}}, true},
		{Headers, Binding{Args: amqp.Table{"x-match": "any"}}, true},
		{Headers, Binding{Args: amqp.Table{"x-match": "all-with-x"}}, true},
		{Headers, Binding{Args: amqp.Table{"x-match": "any-with-x"}}, true},
		{Headers, Binding{Args: amqp.Table{"x-match": "some"}}, false},
		{Headers, Binding{Args: amqp.Table{"x-match": 23}}, false},
		{Headers, Binding{Args: amqp.Table{"x-match": nil}}, false},
		{Headers, Binding{Args: amqp.Table{"x-match": []byte("all")}}, false},
		{Headers, Binding{Args: amqp.Table{"x-match": amqp.Table{}}}, false},
		{Direct, Binding{Args: amqp.Table{"x-match": 23}}, true},
		{Direct, Binding{Args: amqp.Table{"x": uint64(1)}}, false},
	} {
		err := CheckBinding(c.kind, c.Binding)
		if (err == nil) != c.ok {
			t.Errorf("CheckBinding(%s, %v): %v", c.kind, c.Binding, err)
		}
		if err != nil && c.Args["x"] == nil && len(c.Key) < 256 && !errors.Is(err, amqp.ErrPreconditionFailed) {
			t.Errorf("CheckBinding(%s, %v): %v, want 406", c.kind, c.Binding, err)
		}
	}
}

func TestMatcherOfKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind Kind
		keys []string
		key  string
		want bool
	}{
		{Fanout, nil, "a", false},
		{Fanout, []string{"b"}, "a", true},
		{Direct, []string{"b", ""}, "", true},
		{Direct, []string{"#", "*"}, "a", false},
		{Direct, []string{"a", "b"}, "b", true},
		{Topic, nil, "", false},
		{Topic, []string{"x.*", "#.y.#"}, "x.y.z", true},
		{Topic, []string{"x.*", "x.#.y"}, "x", false},
		{Headers, nil, "a", false},
		{"x-unknown", []string{"a"}, "a", false},
	} {
		if got := NewMatcher(c.kind, keyBindings(c.keys...)).Match(c.key, nil); got != c.want {
			t.Errorf("%s %q matches %q: %v, want %v", c.kind, c.keys, c.key, got, c.want)
		}
	}
}

func keyBindings(keys ...string) []Binding {
	bindings := make([]Binding, len(keys))
	for i, key := range keys {
		bindings[i].Key = key
	}
	return bindings
}

func BenchmarkMatcher(b *testing.B) {
	literals, patterns := make([]Binding, 1000), make([]Binding, 1000)
	for i := range literals {
		literals[i].Key = fmt.Sprintf("device.%d.temp", i)
		patterns[i].Key = fmt.Sprintf("device.%d.#", i)
	}
	headers := amqp.Table{"format": "pdf", "type": "report"}
	for _, c := range []struct {
		name     string
		kind     Kind
		bindings []Binding
	}{
		{"fanout", Fanout, literals},
		{"direct1000", Direct, literals},
		{"topic1", Topic, keyBindings("device.*.temp")},
		{"topic1000", Topic, patterns},
		{"hashes", Topic, keyBindings("#.a.#", "#.b.#.c", "#.temp")},
		{"headers1", Headers, []Binding{{Args: amqp.Table{"format": "pdf", "type": "report"}}}},
	} {
		m := NewMatcher(c.kind, c.bindings)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match("device.999.temp", func() amqp.Table { return headers })
			}
		})
	}
}
