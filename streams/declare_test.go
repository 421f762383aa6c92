package streams_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestDeclareIsIdempotent(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	q := streams.Queue{Name: "q", Durable: true, Args: streams.Table{"x-note": "n"}}
	x := streams.Exchange{Name: "x", Kind: streams.Topic, Durable: true, Args: streams.Table{"x-note": 1}}
	declareQueue(t, a, q)
	declareExchange(t, a, x)
	publish(t, a, "", "q", "kept")
	for _, s := range []*streams.Session{a, b, a} {
		info := declareQueue(t, s, q)
		if info.Ready != 1 || info.Consumers != 0 || !reflect.DeepEqual(info.Queue, q) {
			t.Errorf("declared again: got %+v, want %+v with one message ready", info, q)
		}
		declareExchange(t, s, x)
	}
	wantList(t, "messages", drain(t, b, "q"), "kept")
}

func TestDeclareOtherwiseIsRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	for _, test := range []struct {
		differs string
		queue   streams.Queue
		want    error
	}{
		{"durable", streams.Queue{Durable: true}, streams.ErrPreconditionFailed},
		{"exclusive", streams.Queue{Exclusive: true}, streams.ErrResourceLocked},
		{"exclusive", streams.Queue{Exclusive: true, Durable: true}, streams.ErrResourceLocked},
		{"auto_delete", streams.Queue{AutoDelete: true}, streams.ErrPreconditionFailed},
	} {
		test.queue.Name = "q"
		_, err := s.DeclareQueue(t.Context(), test.queue)
		wantInequivalent(t, err, test.differs, test.want)
	}
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Topic})
	for _, test := range []struct {
		differs  string
		exchange streams.Exchange
	}{
		{"type", streams.Exchange{Kind: streams.Direct}},
		{"durable", streams.Exchange{Kind: streams.Topic, Durable: true}},
		{"auto_delete", streams.Exchange{Kind: streams.Topic, AutoDelete: true}},
		{"internal", streams.Exchange{Kind: streams.Topic, Internal: true}},
	} {
		test.exchange.Name = "x"
		wantInequivalent(t, s.DeclareExchange(t.Context(), test.exchange), test.differs, streams.ErrPreconditionFailed)
	}
}

func TestDeclareLooksAtArgumentsThatMeanSomething(t *testing.T) {
	t.Parallel()
	s := one(t)
	for _, args := range []streams.Table{{"x-note": "a"}, {"x-note": 1}, {"x-other": nil}, nil} {
		declareQueue(t, s, streams.Queue{Name: "q", Args: args})
		declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Topic, Args: args})
	}
}

func wantInequivalent(t *testing.T, err error, arg string, want error) {
	t.Helper()
	wantError(t, "declare with another "+arg, err, want)
	if err != nil && !strings.Contains(err.Error(), "inequivalent arg '"+arg+"'") {
		t.Errorf("declare with another %s: got %q, want the argument named", arg, err)
	}
}

func TestDeclareComparesIntegersByValue(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q", Args: streams.Table{"x-n": int64(5)}})
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Direct, Args: streams.Table{"x-n": int64(5)}})
	for _, five := range []any{5, int8(5), uint8(5), int16(5), uint16(5), int32(5), uint32(5), int64(5)} {
		declareQueue(t, s, streams.Queue{Name: "q", Args: streams.Table{"x-n": five}})
		declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Direct, Args: streams.Table{"x-n": five}})
	}
}

func TestPassiveDeclareOfTheMissingIsNotFound(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	_, err := s.InspectQueue(ctx, "missing")
	wantError(t, "inspect queue", err, streams.ErrNotFound)
	wantError(t, "check exchange", s.CheckExchange(ctx, "missing"), streams.ErrNotFound)
	_, err = s.PurgeQueue(ctx, "missing")
	wantError(t, "purge", err, streams.ErrNotFound)
	_, _, err = s.Get(ctx, "missing")
	wantError(t, "get", err, streams.ErrNotFound)
	_, err = s.Consume(ctx, "missing", streams.ConsumeOptions{})
	wantError(t, "consume", err, streams.ErrNotFound)
	if got := queueNames(t, s); len(got) > 0 {
		t.Errorf("queues afterwards: got %q, want none", got)
	}
}

func TestExclusiveQueueIsLockedForOthers(t *testing.T) {
	t.Parallel()
	owner, other := two(t)
	ctx := t.Context()
	q := streams.Queue{Name: "mine", Exclusive: true}
	declareQueue(t, owner, q)
	declareExchange(t, owner, streams.Exchange{Name: "x", Kind: streams.Fanout})
	b := streams.Binding{Exchange: "x", Queue: "mine"}
	bind(t, owner, b)
	for what, use := range map[string]func(s *streams.Session) error{
		"declare": func(s *streams.Session) error { _, err := s.DeclareQueue(ctx, q); return err },
		"inspect": func(s *streams.Session) error { _, err := s.InspectQueue(ctx, "mine"); return err },
		"consume": func(s *streams.Session) error {
			_, err := s.Consume(ctx, "mine", streams.ConsumeOptions{})
			return err
		},
		"get":    func(s *streams.Session) error { _, _, err := s.Get(ctx, "mine"); return err },
		"purge":  func(s *streams.Session) error { _, err := s.PurgeQueue(ctx, "mine"); return err },
		"bind":   func(s *streams.Session) error { return s.Bind(ctx, b) },
		"unbind": func(s *streams.Session) error { return s.Unbind(ctx, b) },
		"delete": func(s *streams.Session) error { _, err := s.DeleteQueue(ctx, "mine"); return err },
	} {
		wantError(t, what+" by another session", use(other), streams.ErrResourceLocked)
	}
	publish(t, other, "", "mine", "by name")
	publish(t, other, "x", "", "through the exchange")
	wantAnyOrder(t, "what others published", drain(t, owner, "mine"), "by name", "through the exchange")
}

func TestDurableMeansNothingOfAnExclusiveQueue(t *testing.T) {
	t.Parallel()
	s := one(t)
	for _, durable := range []bool{false, true, false} {
		declareQueue(t, s, streams.Queue{Name: "mine", Exclusive: true, Durable: durable})
	}
}

func TestExclusiveQueueGoesWithItsSession(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	owner, other := open(t, nc), open(t, nc)
	q := streams.Queue{Name: "mine", Exclusive: true}
	declareQueue(t, owner, q)
	publish(t, owner, "", "mine", "lost")
	closeSession(t, owner)
	_, err := other.InspectQueue(t.Context(), "mine")
	wantError(t, "inspect after the owner closed", err, streams.ErrNotFound)
	if info := declareQueue(t, other, q); info.Ready != 0 {
		t.Errorf("declared by another: got %d messages, want none", info.Ready)
	}
}

func TestExclusiveQueueGoesWithItsConnection(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	cut := server.Connect(t)
	owner, other := open(t, cut), open(t, server.Connect(t))
	for _, name := range []string{"declared", "inspected", "listed"} {
		declareQueue(t, owner, streams.Queue{Name: name, Exclusive: true})
	}
	publish(t, owner, "", "declared", "lost")
	cut.Close()
	_, err := other.InspectQueue(t.Context(), "inspected")
	wantError(t, "inspect after the owner was cut off", err, streams.ErrNotFound)
	if info := declareQueue(t, other, streams.Queue{Name: "declared"}); info.Ready != 0 {
		t.Errorf("declared by another: got %d messages, want none", info.Ready)
	}
	wantList(t, "queues", queueNames(t, other), "declared")
}

func TestExclusiveQueueOutlivesItsConsumer(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "mine", Exclusive: true})
	c := consume(t, s, "mine", streams.ConsumeOptions{})
	if err := c.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	inspect(t, s, "mine")
}

func TestReservedNamesAreRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	_, err := s.DeclareQueue(t.Context(), streams.Queue{Name: "amq.mine"})
	wantError(t, "declare queue amq.mine", err, streams.ErrAccessRefused)
	err = s.DeclareExchange(t.Context(), streams.Exchange{Name: "amq.mine", Kind: streams.Direct})
	wantError(t, "declare exchange amq.mine", err, streams.ErrAccessRefused)
}

func TestDefaultExchangeIsNotToBeTouched(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	declareQueue(t, s, streams.Queue{Name: "q"})
	b := streams.Binding{Queue: "q", Key: "other"}
	err := s.DeclareExchange(ctx, streams.Exchange{Kind: streams.Direct, Durable: true})
	wantError(t, "declare", err, streams.ErrAccessRefused)
	wantError(t, "delete", s.DeleteExchange(ctx, ""), streams.ErrAccessRefused)
	wantError(t, "bind", s.Bind(ctx, b), streams.ErrAccessRefused)
	wantError(t, "unbind", s.Unbind(ctx, b), streams.ErrAccessRefused)
}

// longNames are names of exactly 255 bytes that are hard to carry.
var longNames = map[string]string{
	"letters":   strings.Repeat("n", 255),
	"unicode":   strings.Repeat("ü€😀é", 23) + "ab",
	"blanks":    " " + strings.Repeat("a b ", 63) + "\t ",
	"dots":      strings.Repeat(".", 255),
	"slashes":   strings.Repeat(`/\`, 127) + "/",
	"wildcards": strings.Repeat("*.>", 85),
	"escapes":   strings.Repeat("=20", 85),
	"controls":  strings.Repeat("\x01\x7f$", 85),
}

func TestNamesOf255BytesWork(t *testing.T) {
	t.Parallel()
	s := one(t)
	for what, name := range longNames {
		if len(name) != 255 {
			t.Fatalf("%s: the name has %d bytes, want 255", what, len(name))
		}
		declareQueue(t, s, streams.Queue{Name: name, Durable: true})
		declareExchange(t, s, streams.Exchange{Name: name, Kind: streams.Topic, Durable: true})
		bind(t, s, streams.Binding{Exchange: name, Queue: name, Key: "#"})
		publish(t, s, "", name, "by name", streams.Mandatory)
		publish(t, s, name, name, "bound", streams.Mandatory)
		d := get(t, s, name)
		if d.Exchange != "" || d.Key != name || string(d.Body) != "by name" {
			t.Errorf("%s: got %q from %q with key %q, want it by name", what, d.Body, d.Exchange, d.Key)
		}
		d = get(t, s, name)
		if d.Exchange != name || d.Key != name || string(d.Body) != "bound" {
			t.Errorf("%s: got %q from %q with key %q, want it from the exchange", what, d.Body, d.Exchange, d.Key)
		}
		if got := inspect(t, s, name); got.Name != name || got.Unacked != 2 {
			t.Errorf("%s: got %+v, want its name and two messages unacked", what, got)
		}
	}
	for what, name := range longNames {
		if !slices.Contains(queueNames(t, s), name) || !slices.Contains(exchangeNames(t, s), name) {
			t.Errorf("%s: the name is not in the listings", what)
		}
		if err := s.DeleteExchange(t.Context(), name); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := s.DeleteQueue(t.Context(), name); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := queueNames(t, s); len(got) > 0 {
		t.Errorf("queues afterwards: got %q, want none", got)
	}
}

func TestNamesAMQPCannotCarryAreRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	for what, name := range map[string]string{
		"256 bytes":          strings.Repeat("n", 256),
		"256 bytes of runes": strings.Repeat("ü", 128),
		"not UTF-8":          "a\xff",
		"a line break":       "a\nb",
		"a zero byte":        "a\x00b",
	} {
		if _, err := s.DeclareQueue(t.Context(), streams.Queue{Name: name}); err == nil {
			t.Errorf("queue of %s: got no error, want one", what)
		}
		if err := s.DeclareExchange(t.Context(), streams.Exchange{Name: name, Kind: streams.Fanout}); err == nil {
			t.Errorf("exchange of %s: got no error, want one", what)
		}
	}
}

func TestWhatIsNotSupportedYetIsRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	for arg, value := range map[string]any{
		"x-dead-letter-exchange":    "dlx",
		"x-dead-letter-routing-key": "k",
		"x-dead-letter-strategy":    "at-least-once",
		"x-delivery-limit":          3,
		"x-max-age":                 "1D",
		"x-max-length":              10,
		"x-max-length-bytes":        10,
		"x-max-priority":            10,
		"x-overflow":                "reject-publish",
		"x-single-active-consumer":  true,
		"x-consumer-timeout":        1000,
		"x-queue-type":              "stream",
		"x-max-in-memory-length":    10,

		"x-quorum-initial-group-size":     3,
		"x-initial-cluster-size":          3,
		"x-stream-max-segment-size-bytes": 1000,
	} {
		_, err := s.DeclareQueue(t.Context(), streams.Queue{Name: "q", Durable: true, Args: streams.Table{arg: value}})
		wantNotYet(t, "queue with "+arg, err)
	}
	for _, kind := range []any{"nonsense", int32(5), nil} {
		_, err := s.DeclareQueue(t.Context(), streams.Queue{Name: "q", Args: streams.Table{"x-queue-type": kind}})
		wantError(t, fmt.Sprintf("queue of type %v", kind), err, streams.ErrPreconditionFailed)
	}
	declareQueue(t, s, streams.Queue{Name: "classic", Args: streams.Table{"x-queue-type": "classic"}})
	err := s.DeclareExchange(t.Context(), streams.Exchange{
		Name: "x", Kind: streams.Fanout, Args: streams.Table{"alternate-exchange": "ae"},
	})
	wantNotYet(t, "exchange with alternate-exchange", err)
	for _, kind := range []streams.Kind{"x-delayed-message", "x-consistent-hash"} {
		err := s.DeclareExchange(t.Context(), streams.Exchange{Name: "x", Kind: kind})
		wantNotYet(t, "exchange of type "+string(kind), err)
	}
	for _, kind := range []streams.Kind{"", "Direct", "nonsense"} {
		err := s.DeclareExchange(t.Context(), streams.Exchange{Name: "x", Kind: kind})
		wantError(t, fmt.Sprintf("exchange of type %q", kind), err, streams.ErrPreconditionFailed)
	}
}

// wantNotYet checks an error that says what is to come.
func wantNotYet(t *testing.T, what string, err error) {
	t.Helper()
	wantError(t, what, err, streams.ErrNotImplemented)
	if err != nil && !strings.Contains(err.Error(), "not yet supported") {
		t.Errorf("%s: got %q, want it to say: not yet supported", what, err)
	}
}

// onQueue does to a queue of that name whatever a session can do to one.
func onQueue(ctx context.Context, s *streams.Session, name string) map[string]error {
	errs := make(map[string]error)
	_, errs["inspect"] = s.InspectQueue(ctx, name)
	_, errs["purge"] = s.PurgeQueue(ctx, name)
	_, errs["delete"] = s.DeleteQueue(ctx, name)
	_, _, errs["get"] = s.Get(ctx, name)
	_, errs["consume"] = s.Consume(ctx, name, streams.ConsumeOptions{})
	errs["bind"] = s.Bind(ctx, streams.Binding{Exchange: "amq.direct", Queue: name})
	errs["unbind"] = s.Unbind(ctx, streams.Binding{Exchange: "amq.direct", Queue: name})
	return errs
}

func TestDirectReplyToIsRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	for what, err := range onQueue(t.Context(), s, "amq.rabbitmq.reply-to") {
		wantNotYet(t, what, err)
	}
	_, err := s.DeclareQueue(t.Context(), streams.Queue{Name: "amq.rabbitmq.reply-to"})
	wantNotYet(t, "declare", err)
}

func TestTheEmptyNameIsNoQueue(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Exclusive: true})
	for what, err := range onQueue(t.Context(), s, "") {
		wantError(t, what, err, streams.ErrNotFound)
	}
}

func TestArgumentsAMQPDoesNotHaveAreRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	args := streams.Table{"x-n": uint64(1)}
	if _, err := s.DeclareQueue(t.Context(), streams.Queue{Name: "q", Args: args}); err == nil {
		t.Error("queue: got no error, want one")
	}
	if err := s.DeclareExchange(t.Context(), streams.Exchange{Name: "x", Kind: streams.Fanout, Args: args}); err == nil {
		t.Error("exchange: got no error, want one")
	}
	declareQueue(t, s, streams.Queue{Name: "q"})
	if err := s.Bind(t.Context(), streams.Binding{Exchange: "amq.headers", Queue: "q", Args: args}); err == nil {
		t.Error("binding: got no error, want one")
	}
}

func TestServerNamesQueues(t *testing.T) {
	t.Parallel()
	s := one(t)
	first := declareQueue(t, s, streams.Queue{Exclusive: true})
	second := declareQueue(t, s, streams.Queue{Exclusive: true})
	if first.Name == second.Name || !strings.HasPrefix(first.Name, "amq.gen-") {
		t.Errorf("names: got %q and %q, want two that begin with amq.gen-", first.Name, second.Name)
	}
	publish(t, s, "", first.Name, "hello", streams.Mandatory)
	if info, err := s.InspectQueue(t.Context(), first.Name); err != nil || info.Ready != 1 {
		t.Errorf("looked at by its name: got %d messages and %v, want 1", info.Ready, err)
	}
	// As RabbitMQ has it: names that begin so are its own, also where they are there.
	_, err := s.DeclareQueue(t.Context(), streams.Queue{Name: first.Name, Exclusive: true})
	wantError(t, "declare it again by its name", err, streams.ErrAccessRefused)
}

func TestDeleteOnlyIf(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ctx := t.Context()
	declareQueue(t, a, streams.Queue{Name: "q"})
	publish(t, a, "", "q", "one")
	_, err := b.DeleteQueue(ctx, "q", streams.IfEmpty)
	wantError(t, "delete if empty, with a message", err, streams.ErrPreconditionFailed)
	c := consume(t, a, "q", streams.ConsumeOptions{Prefetch: 1})
	_, err = b.DeleteQueue(ctx, "q", streams.IfUnused)
	wantError(t, "delete if unused, with a consumer", err, streams.ErrPreconditionFailed)
	wantList(t, "received", receive(t, c, 1), "one")
	if _, err = b.DeleteQueue(ctx, "q", streams.IfUnused, streams.IfEmpty); err != nil {
		t.Errorf("delete what is unused and empty: %v", err)
	}

	declareExchange(t, a, streams.Exchange{Name: "x", Kind: streams.Fanout})
	declareQueue(t, a, streams.Queue{Name: "q"})
	bind(t, a, streams.Binding{Exchange: "x", Queue: "q"})
	wantError(t, "delete if unused, bound", b.DeleteExchange(ctx, "x", streams.IfUnused), streams.ErrPreconditionFailed)
	unbind(t, a, streams.Binding{Exchange: "x", Queue: "q"})
	if err := b.DeleteExchange(ctx, "x", streams.IfUnused); err != nil {
		t.Errorf("delete the unbound exchange: %v", err)
	}
}

func TestDeleteCountsWhatWasReady(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	for range 3 {
		publish(t, s, "", "q", "by name")
		publish(t, s, "amq.fanout", "", "bound")
	}
	get(t, s, "q")
	if n, err := s.DeleteQueue(t.Context(), "q"); n != 5 || err != nil {
		t.Errorf("delete: got %d, %v, want 5 messages", n, err)
	}
}

func TestDeletingTheMissingSucceeds(t *testing.T) {
	t.Parallel()
	s := one(t)
	if n, err := s.DeleteQueue(t.Context(), "missing", streams.IfEmpty, streams.IfUnused); n != 0 || err != nil {
		t.Errorf("delete queue: got %d, %v, want 0 and no error", n, err)
	}
	if err := s.DeleteExchange(t.Context(), "missing", streams.IfUnused); err != nil {
		t.Errorf("delete exchange: got %v, want no error", err)
	}
}

func TestDeclaredAgainAfterDeletingIsEmpty(t *testing.T) {
	t.Parallel()
	s := one(t)
	for i := range 5 {
		q := streams.Queue{Name: "q", Durable: i%2 == 0, AutoDelete: i == 3}
		if info := declareQueue(t, s, q); info.Ready != 0 {
			t.Errorf("life %d: got %d messages, want none", i, info.Ready)
		}
		publish(t, s, "", "q", "old", streams.Mandatory)
		if _, err := s.DeleteQueue(t.Context(), "q"); err != nil {
			t.Fatal(err)
		}
		wantError(t, "publish to the deleted", s.Publish(t.Context(), "", "q", streams.Message{}, streams.Mandatory), streams.ErrNoRoute)
	}
}

func TestPredeclaredExchanges(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	for name, kind := range map[string]streams.Kind{
		"amq.direct":  streams.Direct,
		"amq.fanout":  streams.Fanout,
		"amq.topic":   streams.Topic,
		"amq.headers": streams.Headers,
		"amq.match":   streams.Headers,
	} {
		x := streams.Exchange{Name: name, Kind: kind, Durable: true}
		declareExchange(t, s, x)
		wantError(t, name+": passive declare", s.CheckExchange(ctx, name), nil)
		wantError(t, name+": delete", s.DeleteExchange(ctx, name), streams.ErrAccessRefused)
		x.Durable = false
		wantError(t, name+": declare transient", s.DeclareExchange(ctx, x), streams.ErrPreconditionFailed)
		publish(t, s, name, "k", "unbound")
		err := s.Publish(ctx, name, "k", streams.Message{}, streams.Mandatory)
		wantError(t, name+": mandatory, unbound", err, streams.ErrNoRoute)
		q := declareQueue(t, s, streams.Queue{Exclusive: true})
		bind(t, s, streams.Binding{Exchange: name, Queue: q.Name, Key: "k"})
		publish(t, s, name, "k", "bound", streams.Mandatory)
		wantList(t, name, drain(t, s, q.Name), "bound")
		x.Durable = true
		declareExchange(t, s, x)
		wantError(t, name+": delete, bound", s.DeleteExchange(ctx, name), streams.ErrAccessRefused)
	}
	want := []string{"", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic"}
	wantList(t, "exchanges", exchangeNames(t, s), want...)
}

func TestAutoDeleteExchangeGoesWithItsLastBinding(t *testing.T) {
	t.Parallel()
	s := one(t)
	ctx := t.Context()
	declareQueue(t, s, streams.Queue{Name: "p"})
	declareQueue(t, s, streams.Queue{Name: "q"})
	for what, end := range map[string]func(queue string){
		"unbind": func(queue string) { unbind(t, s, streams.Binding{Exchange: "x", Queue: queue, Key: "k"}) },
		"delete queue": func(queue string) {
			if _, err := s.DeleteQueue(ctx, queue); err != nil {
				t.Fatal(err)
			}
			declareQueue(t, s, streams.Queue{Name: queue})
		},
	} {
		declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Direct, AutoDelete: true})
		bind(t, s, streams.Binding{Exchange: "x", Queue: "p", Key: "k"})
		bind(t, s, streams.Binding{Exchange: "x", Queue: "q", Key: "k"})
		end("p")
		wantError(t, what+": with one binding left", s.CheckExchange(ctx, "x"), nil)
		publish(t, s, "x", "k", "last", streams.Mandatory)
		end("q")
		wantError(t, what+": with none left", s.CheckExchange(ctx, "x"), streams.ErrNotFound)
		wantError(t, what+": publish", s.Publish(ctx, "x", "k", streams.Message{}), streams.ErrNotFound)
	}
}

func TestAutoDeleteExchangeStaysUntilItHadABinding(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Direct, AutoDelete: true})
	unbind(t, s, streams.Binding{Exchange: "x", Queue: "q", Key: "never bound"})
	if _, err := s.DeleteQueue(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	wantError(t, "an exchange that was never bound", s.CheckExchange(t.Context(), "x"), nil)
}

func TestAutoDeleteQueueGoesWithItsLastConsumer(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ctx := t.Context()
	declareQueue(t, a, streams.Queue{Name: "q", AutoDelete: true})
	publish(t, a, "", "q", "one")
	get(t, b, "q") // no consumer
	inspect(t, a, "q")
	first := consume(t, a, "q", streams.ConsumeOptions{})
	second := consume(t, b, "q", streams.ConsumeOptions{})
	if err := first.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	if got := inspect(t, a, "q").Consumers; got != 1 {
		t.Errorf("consumers: got %d, want 1", got)
	}
	if err := second.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := a.InspectQueue(ctx, "q")
	wantError(t, "inspect after the last consumer", err, streams.ErrNotFound)
}

func TestAutoDeleteQueueGoesWithItsConsumersSession(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	declareQueue(t, a, streams.Queue{Name: "q", AutoDelete: true})
	consume(t, b, "q", streams.ConsumeOptions{})
	closeSession(t, b)
	_, err := a.InspectQueue(t.Context(), "q")
	wantError(t, "inspect after the consumer's session", err, streams.ErrNotFound)
}

func TestAutoDeleteQueueGoesWithItsConsumersConnection(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Listen(t)
	cut := server.Connect(t)
	a, b := open(t, server.Connect(t)), open(t, cut)
	declareQueue(t, a, streams.Queue{Name: "consumed", AutoDelete: true})
	declareQueue(t, a, streams.Queue{Name: "got from", AutoDelete: true})
	declareQueue(t, a, streams.Queue{Name: "shared", AutoDelete: true})
	declareQueue(t, a, streams.Queue{Name: "unused", AutoDelete: true})
	consume(t, b, "consumed", streams.ConsumeOptions{})
	consume(t, b, "shared", streams.ConsumeOptions{})
	consume(t, a, "shared", streams.ConsumeOptions{})
	publish(t, a, "", "got from", "one")
	get(t, b, "got from")
	cut.Close()
	wantList(t, "queues", queueNames(t, a), "got from", "shared", "unused")
}

func TestListings(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	declareQueue(t, a, streams.Queue{Name: "b", Durable: true, Args: streams.Table{"x-note": "n"}})
	declareQueue(t, a, streams.Queue{Name: "a", Exclusive: true})
	topic := streams.Exchange{Name: "logs", Kind: streams.Topic, Internal: true, Args: streams.Table{"x-note": true}}
	declareExchange(t, a, topic)
	bindings := []streams.Binding{
		{Exchange: "", Queue: "a", Key: "a"},
		{Exchange: "", Queue: "b", Key: "b"},
		{Exchange: "amq.headers", Queue: "b", Args: streams.Table{"x-match": "any", "n": int32(1)}},
		{Exchange: "logs", Queue: "a", Key: "#"},
		{Exchange: "logs", Queue: "b", Key: "x.*"},
		{Exchange: "logs", Queue: "b", Key: "y"},
	}
	for _, i := range []int{5, 2, 4, 3, 4} {
		bind(t, a, bindings[i])
	}
	bind(t, a, streams.Binding{Exchange: "logs", Queue: "b", Key: "z"})
	unbind(t, a, streams.Binding{Exchange: "logs", Queue: "b", Key: "z"})
	consume(t, a, "b", streams.ConsumeOptions{})
	publish(t, a, "", "a", "ready")

	got, err := b.Bindings(t.Context())
	if err != nil || !reflect.DeepEqual(got, bindings) {
		t.Errorf("bindings: got %+v, %v, want %+v", got, err, bindings)
	}
	queues, err := b.Queues(t.Context())
	want := []streams.QueueInfo{
		{Queue: streams.Queue{Name: "a", Exclusive: true}, Ready: 1},
		{Queue: streams.Queue{Name: "b", Durable: true, Args: streams.Table{"x-note": "n"}}, Consumers: 1},
	}
	if err != nil || !reflect.DeepEqual(queues, want) {
		t.Errorf("queues: got %+v, %v, want %+v", queues, err, want)
	}
	exchanges, err := b.Exchanges(t.Context())
	if err != nil || !slices.ContainsFunc(exchanges, func(x streams.Exchange) bool { return reflect.DeepEqual(x, topic) }) {
		t.Errorf("exchanges: got %+v, %v, want %+v among them", exchanges, err, topic)
	}
}

// A record is written anew with each change; a listing meanwhile must neither
// miss it nor show it twice.
func TestListingsDuringChanges(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	for _, name := range []string{"p", "q", "r"} {
		declareQueue(t, a, streams.Queue{Name: name})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var changes sync.WaitGroup
	for _, name := range []string{"p", "r"} {
		changes.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				binding := streams.Binding{Exchange: "amq.topic", Queue: name, Key: fmt.Sprint(i % 7)}
				if err := errors.Join(a.Bind(t.Context(), binding), a.Unbind(t.Context(), binding)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	changes.Go(func() {
		for ctx.Err() == nil {
			_, err := a.DeclareQueue(t.Context(), streams.Queue{Name: "a-fleeting"})
			if _, deleted := a.DeleteQueue(t.Context(), "a-fleeting"); err != nil || deleted != nil {
				t.Error(err, deleted)
				return
			}
		}
	})
	for range 20 {
		names := slices.DeleteFunc(queueNames(t, b), func(name string) bool { return name == "a-fleeting" })
		wantList(t, "queues", names, "p", "q", "r")
	}
	cancel()
	changes.Wait()
}

func TestDeclaredByManyAtOnceIsOne(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	sessions := []*streams.Session{a, b}
	for round := range 5 {
		name := fmt.Sprint("q", round)
		var all sync.WaitGroup
		for i := range 16 {
			s := sessions[i%2]
			all.Go(func() {
				if _, err := s.DeclareQueue(t.Context(), streams.Queue{Name: name}); err != nil {
					t.Errorf("declare queue: %v", err)
				}
				if err := s.DeclareExchange(t.Context(), streams.Exchange{Name: name, Kind: streams.Fanout}); err != nil {
					t.Errorf("declare exchange: %v", err)
				}
				if err := s.Bind(t.Context(), streams.Binding{Exchange: name, Queue: name}); err != nil {
					t.Errorf("bind: %v", err)
				}
				// Whoever has declared it finds what everybody publishes.
				for _, to := range []streams.Binding{{Queue: name, Key: name}, {Exchange: name, Queue: name}} {
					if err := s.Publish(t.Context(), to.Exchange, to.Key, streams.Message{}, streams.Mandatory); err != nil {
						t.Errorf("publish: %v", err)
					}
				}
			})
		}
		all.Wait()
		if got := inspect(t, a, name).Ready; got != 32 {
			t.Errorf("messages: got %d, want 32", got)
		}
		if got := len(drain(t, b, name)); got != 32 {
			t.Errorf("messages taken: got %d, want 32", got)
		}
	}
}

func TestDeclareRacesDelete(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q := streams.Queue{Name: "q"}
	x := streams.Exchange{Name: "x", Kind: streams.Fanout}
	for range 20 {
		var all sync.WaitGroup
		for _, s := range []*streams.Session{a, b, a, b} {
			all.Go(func() {
				if _, err := s.DeclareQueue(ctx, q); err != nil {
					t.Errorf("declare queue: %v", err)
				}
				if err := s.DeclareExchange(ctx, x); err != nil {
					t.Errorf("declare exchange: %v", err)
				}
			})
			all.Go(func() {
				if _, err := s.DeleteQueue(ctx, "q"); err != nil {
					t.Errorf("delete queue: %v", err)
				}
				if err := s.DeleteExchange(ctx, "x"); err != nil {
					t.Errorf("delete exchange: %v", err)
				}
			})
		}
		all.Wait()
		declareQueue(t, a, q)
		declareExchange(t, b, x)
		bind(t, a, streams.Binding{Exchange: "x", Queue: "q"})
		publish(t, b, "", "q", "by name", streams.Mandatory)
		publish(t, b, "x", "", "bound", streams.Mandatory)
		wantAnyOrder(t, "messages", drain(t, a, "q"), "by name", "bound")
	}
}

// Somebody may delete a queue's stream behind our back; the rest of the queue
// is deleted all the same.
func TestAQueueWithoutItsStreamIsDeleted(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "warren~q~q"); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeclareQueue(t.Context(), streams.Queue{Name: "q"})
	wantError(t, "declare", err, streams.ErrNotFound)
	if _, err := s.DeleteQueue(t.Context(), "q"); err != nil {
		t.Errorf("delete: %v", err)
	}
	declareQueue(t, s, streams.Queue{Name: "q"})
	err = s.Publish(t.Context(), "amq.fanout", "", streams.Message{}, streams.Mandatory)
	wantError(t, "publish through the old binding", err, streams.ErrNoRoute)
}
