package streams_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// kinds are the types of exchange with a binding and a message it matches.
var kinds = []struct {
	kind    streams.Kind
	key     string
	args    streams.Table
	headers streams.Table
}{
	{kind: streams.Direct, key: "k"},
	{kind: streams.Fanout},
	{kind: streams.Topic, key: "k.#"},
	{kind: streams.Topic, key: "#.k"},
	{kind: streams.Headers, args: streams.Table{"n": 1}, headers: streams.Table{"n": 1, "m": 2}},
}

func TestBindingHoldsBetweenBindAndUnbind(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	for i, test := range kinds {
		name := fmt.Sprint(test.kind, i)
		declareExchange(t, a, streams.Exchange{Name: name, Kind: test.kind})
		declareQueue(t, a, streams.Queue{Name: name})
		// Another queue, so that the broker keeps what this one must not see.
		declareQueue(t, a, streams.Queue{Name: name + "all"})
		binding := streams.Binding{Exchange: name, Queue: name, Key: test.key, Args: test.args}
		all := binding
		all.Queue = name + "all"
		bind(t, a, all)
		say := func(body string) {
			t.Helper()
			send(t, b, name, "k", streams.Message{Headers: test.headers, Body: []byte(body)})
		}
		say("before")
		bind(t, a, binding)
		say("between 1")
		unbind(t, a, binding)
		say("after 1")
		bind(t, a, binding)
		say("between 2")
		unbind(t, a, binding)
		say("after 2")
		wantList(t, name, drain(t, b, name), "between 1", "between 2")
		wantList(t, name+", bound all the time", drain(t, b, name+"all"), "before", "between 1", "after 1", "between 2", "after 2")
	}
}

func TestBindingIsObeyedByWaitingConsumers(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	binder, publisher := open(t, server.Connect(t)), open(t, server.Connect(t))
	consumer := open(t, server.Connect(t))
	for i, test := range kinds {
		name := fmt.Sprint(test.kind, i)
		declareExchange(t, binder, streams.Exchange{Name: name, Kind: test.kind})
		declareQueue(t, binder, streams.Queue{Name: name})
		got := make(chan string, 16)
		consume(t, consumer, name, streams.ConsumeOptions{Push: func(d *streams.Delivery) {
			if err := d.Ack(); err != nil {
				t.Errorf("ack: %v", err)
			}
			got <- string(d.Body)
		}})
		binding := streams.Binding{Exchange: name, Queue: name, Key: test.key, Args: test.args}
		say := func(body string) {
			t.Helper()
			send(t, publisher, name, "k", streams.Message{Headers: test.headers, Body: []byte(body)})
		}
		for round := range 3 {
			say("before")
			bind(t, binder, binding)
			say(fmt.Sprint("between ", round))
			unbind(t, binder, binding)
			say("after")
		}
		publish(t, publisher, "", name, "last")
		var bodies []string
		for len(bodies) < 4 {
			bodies = append(bodies, <-got)
		}
		wantAnyOrder(t, name, bodies, "between 0", "between 1", "between 2", "last")
	}
}

// The broker counts what waits for a queue a moment after it has confirmed it;
// an unbind in that moment must not take it for nothing.
func TestUnbindRightAfterPublishKeepsTheMessage(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	declareQueue(t, a, streams.Queue{Name: "q"})
	declareQueue(t, a, streams.Queue{Name: "busy"})
	bind(t, a, streams.Binding{Exchange: "amq.direct", Queue: "busy", Key: "busy"})
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer stop() // also where the test fails
	flood.Go(func() {
		p, err := b.Publisher(streams.PublisherOptions{})
		for err == nil {
			_, err = p.Publish(ctx, "amq.direct", "busy", streams.Message{})
		}
	})
	binding := streams.Binding{Exchange: "amq.direct", Queue: "q", Key: "k"}
	var want []string
	for i := range 50 {
		bind(t, a, binding)
		want = append(want, fmt.Sprint(i))
		publish(t, a, "amq.direct", "k", want[i])
		unbind(t, a, binding)
	}
	stop()
	flood.Wait()
	wantList(t, "messages", drain(t, a, "q"), want...)
}

func TestBindingTwiceIsBindingOnce(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	b := streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"x-match": "any", "n": 1}}
	bind(t, s, b)
	bind(t, s, b)
	send(t, s, "amq.headers", "", streams.Message{Headers: streams.Table{"n": 1}, Body: []byte("one")})
	unbind(t, s, b)
	send(t, s, "amq.headers", "", streams.Message{Headers: streams.Table{"n": 1}, Body: []byte("two")})
	wantList(t, "messages", drain(t, s, "q"), "one")
}

func TestBindingsDifferInTheTypeOfAnArgument(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	narrow := streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"n": int8(1)}}
	wide := streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"n": int64(1)}}
	say := func(body string) {
		t.Helper()
		send(t, s, "amq.headers", "", streams.Message{Headers: streams.Table{"n": int32(1)}, Body: []byte(body)})
	}
	bind(t, s, narrow)
	unbind(t, s, wide)
	say("bound")
	bind(t, s, wide)
	say("bound twice")
	unbind(t, s, narrow)
	say("bound the other way")
	unbind(t, s, wide)
	say("not bound")
	wantList(t, "messages", drain(t, s, "q"), "bound", "bound twice", "bound the other way")
}

func TestSeveralBindingsDeliverOnce(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	for _, key := range []string{"a.b", "a.*", "*.b", "a.#", "#.b", "#", "*.*", "#.a.#"} {
		bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "q", Key: key})
		publish(t, s, "amq.topic", "a.b", "with "+key)
	}
	wantList(t, "messages", drain(t, s, "q"),
		"with a.b", "with a.*", "with *.b", "with a.#", "with #.b", "with #", "with *.*", "with #.a.#")
}

func TestUnbindingOneLeavesTheOther(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	gone := streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "gone.*"}
	bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "kept.*"})
	bind(t, s, gone)
	var held []*streams.Delivery
	for i, key := range []string{"kept.1", "gone.2", "kept.3", "gone.4", "gone.5", "kept.6"} {
		publish(t, s, "amq.topic", key, key)
		if i < 4 {
			held = append(held, get(t, s, "q"))
		}
	}
	unbind(t, s, gone)
	publish(t, s, "amq.topic", "gone.7", "gone.7")
	publish(t, s, "amq.topic", "kept.8", "kept.8")
	for i, d := range held[:2] {
		if err := d.Nack(streams.Requeue); err != nil {
			t.Errorf("nack %d: %v", i, err)
		}
	}
	for i, d := range held[2:] {
		if err := d.Ack(); err != nil {
			t.Errorf("ack %d: %v", i, err)
		}
	}
	wantList(t, "messages", drain(t, s, "q"), "kept.1", "gone.2", "gone.5", "kept.6", "kept.8")
}

func TestUnbindKeepsWhatWaits(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	declareQueue(t, a, streams.Queue{Name: "q"})
	binding := streams.Binding{Exchange: "amq.fanout", Queue: "q"}
	bind(t, a, binding)
	publish(t, a, "amq.fanout", "", "one")
	publish(t, a, "amq.fanout", "", "two")
	unbind(t, a, binding)
	if got := inspect(t, b, "q").Ready; got != 2 {
		t.Errorf("ready: got %d, want 2", got)
	}
	wantList(t, "messages", drain(t, b, "q"), "one", "two")
}

func TestUnbindingTheMissing(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	declareQueue(t, s, streams.Queue{Name: "q"})
	for _, test := range []struct {
		binding      streams.Binding
		bind, unbind error
	}{
		{streams.Binding{Exchange: "missing", Queue: "q"}, streams.ErrNotFound, nil},
		{streams.Binding{Exchange: "amq.direct", Queue: "missing"}, streams.ErrNotFound, nil},
		{streams.Binding{Exchange: "missing", Queue: "missing"}, streams.ErrNotFound, nil},
		{streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "#.a.#.b.#"}, streams.ErrPreconditionFailed, nil},
		{streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"x-match": "most"}}, streams.ErrPreconditionFailed, nil},
		{streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"x-match": 1}}, streams.ErrPreconditionFailed, nil},
	} {
		wantError(t, fmt.Sprintf("bind %+v", test.binding), s.Bind(ctx, test.binding), test.bind)
		wantError(t, fmt.Sprintf("unbind %+v", test.binding), s.Unbind(ctx, test.binding), test.unbind)
	}
	bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "#.a.#.b"})
	bind(t, s, streams.Binding{Exchange: "amq.direct", Queue: "q", Key: "#.#.#.#"})
	if err := s.Bind(ctx, streams.Binding{Exchange: "amq.direct", Queue: "q", Key: strings.Repeat("k", 256)}); err == nil {
		t.Error("bind with a key of 256 bytes: got no error, want one")
	}
}

func TestHeadersExchangeMatches(t *testing.T) {
	t.Parallel()
	s := one(t)
	bindings := map[string]streams.Table{
		"all":        {"x-match": "all", "a": 1, "b": "two", "x-c": true},
		"default":    {"a": 1, "b": "two", "x-c": true},
		"any":        {"x-match": "any", "a": 1, "b": "two", "x-c": true},
		"all-with-x": {"x-match": "all-with-x", "a": 1, "b": "two", "x-c": true},
		"any-with-x": {"x-match": "any-with-x", "a": 1, "b": "two", "x-c": true},
		"present":    {"a": nil},
		"everything": {},
		"nothing":    {"x-match": "any"},
	}
	for name, args := range bindings {
		declareQueue(t, s, streams.Queue{Name: name})
		bind(t, s, streams.Binding{Exchange: "amq.headers", Queue: name, Args: args})
	}
	want := map[string][]string{"nothing": nil}
	for body, message := range map[string]struct {
		headers streams.Table
		queues  []string
	}{
		"none":      {nil, []string{"everything"}},
		"a":         {streams.Table{"a": int8(1)}, []string{"any", "any-with-x", "present", "everything"}},
		"a is text": {streams.Table{"a": "1"}, []string{"present", "everything"}},
		"a is 1.0":  {streams.Table{"a": 1.0}, []string{"present", "everything"}},
		"a and b":   {streams.Table{"a": 1, "b": "two"}, []string{"all", "default", "any", "any-with-x", "present", "everything"}},
		"all three": {
			streams.Table{"a": 1, "b": "two", "x-c": true, "d": 4},
			[]string{"all", "default", "any", "all-with-x", "any-with-x", "present", "everything"},
		},
		"x":     {streams.Table{"x-c": true}, []string{"any-with-x", "everything"}},
		"other": {streams.Table{"a": 2, "b": "three", "x-c": false}, []string{"present", "everything"}},
	} {
		send(t, s, "amq.headers", "ignored", streams.Message{Headers: message.headers, Body: []byte(body)}, streams.Mandatory)
		for _, queue := range message.queues {
			want[queue] = append(want[queue], body)
		}
	}
	for name := range bindings {
		wantAnyOrder(t, name, drain(t, s, name), want[name]...)
	}
}

func TestManyBindingsOnOneQueueAreExact(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Direct})
	declareQueue(t, s, streams.Queue{Name: "q"})
	binding := func(i int) streams.Binding {
		return streams.Binding{Exchange: "x", Queue: "q", Key: fmt.Sprintf("k.%d.%d", i%7, i)}
	}
	const many = 150 // more than a view has filters
	for i := range many {
		bind(t, s, binding(i))
	}
	var want []string
	for i := range many {
		publish(t, s, "x", binding(i).Key, binding(i).Key)
		publish(t, s, "x", binding(i).Key+"x", "unwanted")
		want = append(want, binding(i).Key)
	}
	err := s.Publish(t.Context(), "x", "k.1.x", streams.Message{}, streams.Mandatory)
	wantError(t, "publish what no binding matches", err, streams.ErrNoRoute)
	for i := 0; i < many; i += 50 {
		unbind(t, s, binding(i))
		publish(t, s, "x", binding(i).Key, "unbound")
		publish(t, s, "x", binding(i+1).Key, binding(i+1).Key)
		want = append(want, binding(i+1).Key)
	}
	wantList(t, "messages", drain(t, s, "q"), want...)
}

func TestQueueBoundToSeveralExchanges(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	var want []string
	for i, test := range kinds {
		name := fmt.Sprint(test.kind, i)
		declareExchange(t, s, streams.Exchange{Name: name, Kind: test.kind})
		bind(t, s, streams.Binding{Exchange: name, Queue: "q", Key: test.key, Args: test.args})
		for n := range 3 {
			body := fmt.Sprint(name, " ", n)
			send(t, s, name, "k", streams.Message{Headers: test.headers, Body: []byte(body)}, streams.Mandatory)
			want = append(want, body)
		}
	}
	publish(t, s, "", "q", "by name")
	want = append(want, "by name")
	if got := inspect(t, s, "q").Ready; got != len(want) {
		t.Errorf("ready: got %d, want %d", got, len(want))
	}
	c := consume(t, s, "q", streams.ConsumeOptions{Prefetch: 2})
	wantAnyOrder(t, "messages", receive(t, c, len(want)), want...)
}

func TestDeletingAnExchangeLeavesItsMessages(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ctx := t.Context()
	declareQueue(t, a, streams.Queue{Name: "q"})
	declareQueue(t, a, streams.Queue{Name: "other"})
	var want []string
	for i, kind := range []streams.Kind{streams.Topic, streams.Topic, streams.Headers, streams.Fanout} {
		declareExchange(t, a, streams.Exchange{Name: "x", Kind: kind})
		err := b.Publish(ctx, "x", "k", streams.Message{}, streams.Mandatory)
		wantError(t, fmt.Sprintf("life %d: mandatory, before it is bound", i), err, streams.ErrNoRoute)
		bind(t, a, streams.Binding{Exchange: "x", Queue: "q", Key: "k"})
		bind(t, a, streams.Binding{Exchange: "x", Queue: "other", Key: "k"})
		want = append(want, fmt.Sprint(kind, i))
		publish(t, b, "x", "k", want[i], streams.Mandatory)
		if err := b.DeleteExchange(ctx, "x"); err != nil {
			t.Fatalf("life %d: %v", i, err)
		}
		wantError(t, fmt.Sprintf("life %d: check", i), a.CheckExchange(ctx, "x"), streams.ErrNotFound)
		for _, s := range []*streams.Session{a, b} {
			err := s.Publish(ctx, "x", "k", streams.Message{Body: []byte("late")})
			wantError(t, fmt.Sprintf("life %d: publish", i), err, streams.ErrNotFound)
		}
		list, err := a.Bindings(ctx)
		if err != nil || slices.ContainsFunc(list, func(b streams.Binding) bool { return b.Exchange == "x" }) {
			t.Errorf("life %d: bindings: got %+v, %v, want none from x", i, list, err)
		}
	}
	declareExchange(t, b, streams.Exchange{Name: "x", Kind: streams.Topic})
	publish(t, b, "x", "k", "old bindings do not come back")
	wantList(t, "messages", drain(t, a, "q"), want...)
	wantList(t, "messages", drain(t, b, "other"), want...)
	bind(t, b, streams.Binding{Exchange: "x", Queue: "q", Key: "*"})
	publish(t, a, "x", "k", "new", streams.Mandatory)
	wantList(t, "messages", drain(t, b, "q"), "new")
}

func TestDeletingAQueueEndsItsBindings(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "stays"})
	for i := range 3 {
		declareQueue(t, s, streams.Queue{Name: "q"})
		for _, exchange := range []string{"amq.topic", "amq.fanout", "amq.direct"} {
			err := s.Publish(t.Context(), exchange, "k", streams.Message{}, streams.Mandatory)
			wantError(t, fmt.Sprintf("life %d: %s before it is bound", i, exchange), err, streams.ErrNoRoute)
			bind(t, s, streams.Binding{Exchange: exchange, Queue: "q", Key: "k"})
			publish(t, s, exchange, "k", exchange, streams.Mandatory)
		}
		if got, err := s.DeleteQueue(t.Context(), "q"); got != 3 || err != nil {
			t.Errorf("life %d: delete: got %d, %v, want 3 messages", i, got, err)
		}
	}
	list, err := s.Bindings(t.Context())
	want := []streams.Binding{{Queue: "stays", Key: "stays"}}
	if err != nil || fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("bindings: got %+v, %v, want %+v", list, err, want)
	}
}

// Whatever the bindings, the server takes the filters, and together with the
// consumer's own look they say what AMQP says.
func TestRandomBindings(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	words := []string{"a", "b", "", " ", "*", "#", "c"}
	key := func() string {
		list := make([]string, random.IntN(5))
		for i := range list {
			list[i] = words[random.IntN(len(words))]
		}
		return strings.Join(list, ".")
	}
	pattern := func() string {
		for {
			if k := key(); strings.Count("."+k+".", "#") <= 2 {
				return k
			}
		}
	}
	s := one(t)
	for round := range 4 {
		name := fmt.Sprint("r", round)
		declareExchange(t, s, streams.Exchange{Name: name, Kind: streams.Topic})
		declareQueue(t, s, streams.Queue{Name: name})
		bound := map[string]bool{}
		var want []string
		for i := range 60 {
			switch p := pattern(); {
			case random.IntN(3) > 0:
				k := key()
				routed := slices.ContainsFunc(keysOf(bound), func(p string) bool { return topicMatches(p, k) })
				body := fmt.Sprint(i, " ", k)
				err := s.Publish(t.Context(), name, k, streams.Message{Body: []byte(body)}, streams.Mandatory)
				if routed {
					want = append(want, body)
					wantError(t, fmt.Sprintf("publish %q to %q", k, keysOf(bound)), err, nil)
				} else {
					wantError(t, fmt.Sprintf("publish %q to %q", k, keysOf(bound)), err, streams.ErrNoRoute)
				}
			case bound[p]:
				unbind(t, s, streams.Binding{Exchange: name, Queue: name, Key: p})
				delete(bound, p)
			default:
				bind(t, s, streams.Binding{Exchange: name, Queue: name, Key: p})
				bound[p] = true
			}
		}
		wantList(t, "messages", drain(t, s, name), want...)
	}
}

func keysOf(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	return keys
}

// topicMatches is AMQP's rule, word by word; the empty key has no words.
func topicMatches(pattern, key string) bool {
	split := func(key string) []string {
		if key == "" {
			return nil
		}
		return strings.Split(key, ".")
	}
	var match func(pattern, key []string) bool
	match = func(pattern, key []string) bool {
		switch {
		case len(pattern) == 0:
			return len(key) == 0
		case pattern[0] == "#":
			return match(pattern[1:], key) || len(key) > 0 && match(pattern, key[1:])
		case len(key) == 0:
			return false
		}
		return (pattern[0] == "*" || pattern[0] == key[0]) && match(pattern[1:], key[1:])
	}
	return match(split(pattern), split(key))
}

func TestMandatoryIsExact(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	declareQueue(t, a, streams.Queue{Name: "q"})
	declareQueue(t, a, streams.Queue{Name: "p"})
	check := func(what, exchange, key string, m streams.Message, want error) {
		t.Helper()
		for _, s := range []*streams.Session{a, b} {
			wantError(t, what, s.Publish(t.Context(), exchange, key, m, streams.Mandatory), want)
		}
	}
	check("an unbound exchange", "amq.topic", "a.x.b", streams.Message{}, streams.ErrNoRoute)
	wide := streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "a.#.b"}
	bind(t, a, wide)
	check("a wide filter that matches", "amq.topic", "a.x.y.z.w.b", streams.Message{}, nil)
	check("a wide filter that does not match", "amq.topic", "a.x.y.z.w.c", streams.Message{}, streams.ErrNoRoute)
	unbind(t, a, wide)
	check("a binding that ended, with messages waiting", "amq.topic", "a.x.y.z.w.b", streams.Message{}, streams.ErrNoRoute)
	bind(t, b, streams.Binding{Exchange: "amq.topic", Queue: "p", Key: "a.x.#"})
	check("another queue's binding", "amq.topic", "a.x.y.z.w.c", streams.Message{}, nil)
	bind(t, a, streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"n": 1}})
	check("headers that match", "amq.headers", "", streams.Message{Headers: streams.Table{"n": 1}}, nil)
	check("headers that do not match", "amq.headers", "", streams.Message{Headers: streams.Table{"n": 2}}, streams.ErrNoRoute)
	check("no headers", "amq.headers", "", streams.Message{}, streams.ErrNoRoute)
	check("a queue by its name", "", "q", streams.Message{}, nil)
	check("a queue that is not there", "", "missing", streams.Message{}, streams.ErrNoRoute)
	if _, err := a.DeleteQueue(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	check("headers, the queue deleted", "amq.headers", "", streams.Message{Headers: streams.Table{"n": 1}}, streams.ErrNoRoute)
}
