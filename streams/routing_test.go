package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
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
	queues := map[string][]route{}
	for _, b := range v.Bindings {
		if err := checkBindingKey(Topic, b.Key); err != nil {
			t.Error(err)
		}
		queues[b.Queue] = append(queues[b.Queue], route{Key: b.Key})
	}
	// The routing suite binds the last queue twice, with different arguments.
	queues["t27"] = []route{{"args-test", Table{"foo": "bar"}}, {"args-test", Table{"foo": "baz"}}}
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

// checkRouted compares which queues a key reaches, by the matcher alone and by
// the filters together with it.
func checkRouted(t *testing.T, queues map[string][]route, key string, want []string) {
	t.Helper()
	var matched, delivered []string
	for queue, routes := range queues {
		m := newMatcher(Topic, routes)
		if m.match(key, nil) {
			matched = append(matched, queue)
		}
		subjects, exact := filters(Topic, "b", routes, 100)
		through := slices.ContainsFunc(subjects, func(s string) bool { return naiveFilter(s, keySubject("b", key)) })
		if through && (exact || m.match(key, nil)) {
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
			args := Table{"x-match": mode}
			for key, value := range v.Binding {
				args[key] = value
			}
			m := newMatcher(Headers, []route{{Args: args}})
			got := m.match("", func() Table { return Table(c.Headers) })
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
	both := Table{"foo": "bar", "fuu": "ber"}
	for _, c := range []struct {
		name          string
		args, headers Table
		want          bool
	}{
		{"all is the default", Table{"foo": "bar", "fuu": "ber"}, both, true},
		{"one is missing", Table{"foo": "bar", "x": 1}, Table{"foo": "bar"}, false},
		{"any", Table{"x-match": "any", "foo": "bar", "fuu": 1}, both, true},
		{"no criteria, all", Table{"x-match": "all"}, nil, true},
		{"no criteria, any", Table{"x-match": "any"}, both, false},
		{"no arguments", nil, both, true},
		{"only x- criteria, all", Table{"x-a": 1}, nil, true},
		{"only x- criteria, any", Table{"x-match": "any", "x-a": 1}, Table{"x-a": 1}, false},
		{"x- counts with all-with-x", Table{"x-match": "all-with-x", "x-a": 1}, nil, false},
		{"x- counts with any-with-x", Table{"x-match": "any-with-x", "x-a": 1}, Table{"x-a": 1}, true},
		{"x-match itself never counts", Table{"x-match": "any-with-x"}, Table{"x-match": "any-with-x"}, false},
		{"void asks for presence", Table{"a": nil}, Table{"a": 1.5}, true},
		{"void meets void", Table{"a": nil}, Table{"a": nil}, true},
		{"void is not absence", Table{"a": nil}, Table{}, false},
		{"a value does not meet void", Table{"a": 1}, Table{"a": nil}, false},
		{"integers of any width", Table{"a": int8(1)}, Table{"a": int64(1)}, true},
		{"an integer is no string", Table{"a": 1}, Table{"a": "1"}, false},
		{"an integer is no float", Table{"a": 1}, Table{"a": 1.0}, false},
		{"floats of any width", Table{"a": float32(0.5)}, Table{"a": 0.5}, true},
		{"bytes are a string", Table{"a": []byte("b")}, Table{"a": "b"}, true},
		{"an array", Table{"a": []any{1, "b"}}, Table{"a": []any{int64(1), "b"}}, true},
		{"an array of other widths", Table{"a": []any{int8(1)}}, Table{"a": []any{int64(1)}}, false},
		{"a table", Table{"a": Table{"b": true}}, Table{"a": Table{"b": true}}, true},
	} {
		m := newMatcher(Headers, []route{{Args: c.args}})
		if got := m.match("", func() Table { return c.headers }); got != c.want {
			t.Errorf("%s: %v match %v: %v, want %v", c.name, c.headers, c.args, got, c.want)
		}
	}
}

func TestCheckBinding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind Kind
		route
		ok bool
	}{
		{Topic, route{Key: "#.a.#"}, true},
		{Topic, route{Key: "#.a.#.#"}, false},
		{Topic, route{Key: "#.a.#.##"}, true},
		{Direct, route{Key: "#.a.#.#"}, true},
		{Fanout, route{Key: strings.Repeat("x", 256)}, false},
		{Headers, route{}, true},
		{Headers, route{Args: Table{"x-match": "all"}}, true},
		{Headers, route{Args: Table{"x-match": "any"}}, true},
		{Headers, route{Args: Table{"x-match": "all-with-x"}}, true},
		{Headers, route{Args: Table{"x-match": "any-with-x"}}, true},
		{Headers, route{Args: Table{"x-match": "some"}}, false},
		{Headers, route{Args: Table{"x-match": 23}}, false},
		{Headers, route{Args: Table{"x-match": nil}}, false},
		{Headers, route{Args: Table{"x-match": []byte("all")}}, false},
		{Headers, route{Args: Table{"x-match": Table{}}}, false},
		{Direct, route{Args: Table{"x-match": 23}}, true},
		{Direct, route{Args: Table{"x": uint64(1)}}, false},
	} {
		err := checkBinding(c.kind, c.route)
		if (err == nil) != c.ok {
			t.Errorf("checkBinding(%s, %v): %v", c.kind, c.route, err)
		}
		if err != nil && c.Args["x"] == nil && len(c.Key) < 256 && !errors.Is(err, ErrPreconditionFailed) {
			t.Errorf("checkBinding(%s, %v): %v, want 406", c.kind, c.route, err)
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
		if got := newMatcher(c.kind, keyRoutes(c.keys...)).match(c.key, nil); got != c.want {
			t.Errorf("%s %q matches %q: %v, want %v", c.kind, c.keys, c.key, got, c.want)
		}
	}
}

func keyRoutes(keys ...string) []route {
	routes := make([]route, len(keys))
	for i, key := range keys {
		routes[i].Key = key
	}
	return routes
}

func BenchmarkMatcher(b *testing.B) {
	literals, patterns := make([]route, 1000), make([]route, 1000)
	for i := range literals {
		literals[i].Key = fmt.Sprintf("device.%d.temp", i)
		patterns[i].Key = fmt.Sprintf("device.%d.#", i)
	}
	headers := Table{"format": "pdf", "type": "report"}
	for _, c := range []struct {
		name   string
		kind   Kind
		routes []route
	}{
		{"fanout", Fanout, literals},
		{"direct1000", Direct, literals},
		{"topic1", Topic, keyRoutes("device.*.temp")},
		{"topic1000", Topic, patterns},
		{"hashes", Topic, keyRoutes("#.a.#", "#.b.#.c", "#.temp")},
		{"headers1", Headers, []route{{Args: Table{"format": "pdf", "type": "report"}}}},
	} {
		m := newMatcher(c.kind, c.routes)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.match("device.999.temp", func() Table { return headers })
			}
		})
	}
}
