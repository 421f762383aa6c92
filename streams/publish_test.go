package streams_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestPublishToAMissingExchangeIsNotFound(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	ctx := t.Context()
	wantError(t, "never declared", a.Publish(ctx, "x", "", streams.Message{}), streams.ErrNotFound)
	declareQueue(t, a, streams.Queue{Name: "q"})
	for i := range 10 {
		declareExchange(t, b, streams.Exchange{Name: "x", Kind: streams.Fanout})
		bind(t, b, streams.Binding{Exchange: "x", Queue: "q"})
		publish(t, a, "x", "", fmt.Sprint(i)) // a knows the exchange now
		if err := b.DeleteExchange(ctx, "x"); err != nil {
			t.Fatal(err)
		}
		wantError(t, "deleted by another session", a.Publish(ctx, "x", "", streams.Message{}), streams.ErrNotFound)
	}
	wantList(t, "messages", drain(t, a, "q"), "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
}

func TestPublishToAnInternalExchangeIsRefused(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Fanout, Internal: true})
	wantError(t, "publish", s.Publish(t.Context(), "x", "", streams.Message{}), streams.ErrAccessRefused)
}

func TestPublishByNameToAMissingQueue(t *testing.T) {
	t.Parallel()
	s := one(t)
	for _, name := range []string{"missing", "", "a.b", "*", ">"} {
		wantError(t, "publish", s.Publish(t.Context(), "", name, streams.Message{}), nil)
		err := s.Publish(t.Context(), "", name, streams.Message{}, streams.Mandatory)
		wantError(t, "publish as mandatory", err, streams.ErrNoRoute)
	}
}

func TestRoutingKeysComeBack(t *testing.T) {
	t.Parallel()
	s := one(t)
	keys := []string{
		"", ".", "..", "a", "a.b", "a..b", ".a", "a.", " ", "a b.c\td", "*", ">", "#", "*.>", "a.*.b.#",
		"=", "==", "=20", "a=.b", "ü.€.😀", "\x00", "\r\n", "a\xff.\xc3", "\uFFFD", "$JS.API", "UPPER.lower",
		strings.Repeat("k", 255), strings.Repeat(".", 255), strings.Repeat(" ", 255), strings.Repeat("\xff", 255),
		strings.Repeat("a.", 127) + "b", strings.Repeat("*.>", 85), strings.Repeat("€", 85),
	}
	for _, x := range []struct {
		exchange string
		key      func(key string) string
	}{
		{"amq.fanout", func(string) string { return "" }},
		{"amq.topic", func(string) string { return "#" }},
		{"amq.direct", func(key string) string { return key }},
	} {
		queue := "bound to " + x.exchange
		declareQueue(t, s, streams.Queue{Name: queue})
		for _, key := range keys {
			bind(t, s, streams.Binding{Exchange: x.exchange, Queue: queue, Key: x.key(key)})
			publish(t, s, x.exchange, key, "body", streams.Mandatory)
			d := get(t, s, queue)
			if d.Exchange != x.exchange || d.Key != key {
				t.Errorf("%s: got key %q from %q, want %q", x.exchange, d.Key, d.Exchange, key)
			}
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := s.Publish(t.Context(), "amq.fanout", strings.Repeat("k", 256), streams.Message{}); err == nil {
		t.Error("a key of 256 bytes: got no error, want one")
	}
	wantList(t, "messages of a refused key", drain(t, s, "bound to amq.fanout"))
}

func TestPropertiesComeBack(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	const everything = streams.PropertyContentType | streams.PropertyContentEncoding | streams.PropertyHeaders |
		streams.PropertyDeliveryMode | streams.PropertyPriority | streams.PropertyCorrelationID |
		streams.PropertyReplyTo | streams.PropertyMessageID | streams.PropertyTimestamp | streams.PropertyType |
		streams.PropertyUserID | streams.PropertyAppID | streams.PropertyClusterID
	for what, m := range map[string]streams.Message{
		"nothing": {},
		"a body":  {Body: []byte("\x00\r\nbody\xff")},
		"all": {
			ContentType: "text/plain", ContentEncoding: "gzip", DeliveryMode: streams.Persistent, Priority: 9,
			CorrelationID: " blanks ", ReplyTo: "amq.gen-1", MessageID: "id\r\n", Timestamp: noon, Type: "ü€",
			UserID: "guest", AppID: strings.Repeat("%", 255), ClusterID: "\xff", Body: []byte("body"),
			Headers: streams.Table{
				"bool": true, "int8": int8(-8), "uint8": uint8(8), "int16": int16(-16), "uint16": uint16(16),
				"int32": int32(-32), "uint32": uint32(32), "int64": int64(-64), "float32": float32(0.5),
				"float64": 0.25, "decimal": streams.Decimal{Scale: 2, Value: -314}, "string": "", "bytes": []byte{0, 255},
				"time": noon, "table": streams.Table{"deep": streams.Table{}}, "array": []any{int32(1), "two", nil}, "void": nil,
				"": "the empty name", "Nats-Msg-Id": "not deduplicated",
			},
		},
		"zeroes": {Zero: everything, Body: []byte{}},
		"mixed":  {Zero: streams.PropertyPriority | streams.PropertyType, AppID: "app"},
	} {
		for _, exchange := range []string{"", "amq.fanout"} {
			send(t, s, exchange, "q", m, streams.Mandatory)
			got := get(t, s, "q").Message
			if len(got.Body) == 0 && len(m.Body) == 0 {
				got.Body, m.Body = nil, nil
			}
			if len(got.Headers) == 0 && len(m.Headers) == 0 {
				got.Headers, m.Headers = nil, nil
			}
			if !reflect.DeepEqual(got, m) {
				t.Errorf("%s through %q: got %+v, want %+v", what, exchange, got, m)
			}
		}
	}
}

func TestDeduplicateDropsTheSecond(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	for _, exchange := range []string{"", "amq.fanout"} {
		for i := range 3 {
			m := streams.Message{MessageID: "same", Body: fmt.Append(nil, i)}
			send(t, s, exchange, "q", m, streams.Deduplicate)
			send(t, s, exchange, "q", m, streams.Deduplicate, streams.Mandatory)
		}
		wantList(t, "published as the same through "+exchange, drain(t, s, "q"), "0")
		for i := range 2 {
			send(t, s, exchange, "q", streams.Message{MessageID: "same", Body: fmt.Append(nil, i)})
		}
		wantList(t, "published without the flag through "+exchange, drain(t, s, "q"), "0", "1")
		err := s.Publish(t.Context(), exchange, "q", streams.Message{}, streams.Deduplicate)
		wantError(t, "without an id", err, streams.ErrPreconditionFailed)
	}
}

func TestTooLargeIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := openWith(t, nc, streams.Config{Timeout: time.Minute}) // many times 16 MiB, on a busy machine
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	limit := int(nc.MaxPayload())
	body := make([]byte, limit+1)
	stored := 0
	for _, exchange := range []string{"", "amq.fanout"} {
		for _, flags := range [][]streams.PublishFlag{nil, {streams.Mandatory}} {
			send(t, s, exchange, "q", streams.Message{Body: body[:limit-1000]}, flags...)
			stored++
			err := s.Publish(t.Context(), exchange, "q", streams.Message{Body: body}, flags...)
			wantError(t, "a byte over the limit", err, streams.ErrPreconditionFailed)
			err = s.Publish(t.Context(), exchange, "q", streams.Message{Body: body[:limit], AppID: "app"}, flags...)
			wantError(t, "properties over the limit", err, streams.ErrPreconditionFailed)
			for short := 60; short < 300; short++ {
				err := s.Publish(t.Context(), exchange, "q", streams.Message{Body: body[:limit-short], AppID: "app"}, flags...)
				if err == nil {
					stored++
					break
				}
				wantError(t, fmt.Sprintf("%d bytes below the limit", short), err, streams.ErrPreconditionFailed)
			}
		}
		send(t, s, exchange, "q", streams.Message{Body: body[:limit]})
		stored++
	}
	if got := inspect(t, s, "q").Ready; got != stored {
		t.Errorf("stored: got %d, want %d", got, stored)
	}
	if got := nc.Stats().Reconnects; got != 0 {
		t.Errorf("reconnects: got %d, want none", got)
	}
}

func TestUserIDIsTheOneThatLoggedIn(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{User: "alice", Password: "secret", Port: embedded.RandomPort})
	byURL, err := nats.Connect(strings.Replace(server.URL(), "://", "://alice:secret@", 1))
	must(t, err)
	t.Cleanup(byURL.Close)
	for what, nc := range map[string]*nats.Conn{"by option": server.Connect(t), "by URL": byURL} {
		s := open(t, nc)
		declareQueue(t, s, streams.Queue{Name: "q"})
		send(t, s, "", "q", streams.Message{UserID: "alice"})
		send(t, s, "", "q", streams.Message{})
		err := s.Publish(t.Context(), "", "q", streams.Message{UserID: "bob"})
		wantError(t, "another's user id, logged in "+what, err, streams.ErrPreconditionFailed)
	}
}

func TestWhatMessagesCannotAskForYet(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	for what, m := range map[string]streams.Message{
		"direct reply-to": {ReplyTo: "amq.rabbitmq.reply-to"},
		"CC":              {Headers: streams.Table{"CC": []any{"q"}}},
		"BCC":             {Headers: streams.Table{"BCC": []any{"q"}}},
	} {
		wantNotYet(t, what, s.Publish(t.Context(), "", "q", m))
	}
	wantList(t, "messages", drain(t, s, "q"))
}

func TestCancelledContextPublishesNothing(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.fanout", Queue: "q"})
	publish(t, s, "amq.fanout", "", "first")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p, err := s.Publisher(streams.PublisherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, exchange := range []string{"", "amq.fanout"} {
		for range 20 {
			err := s.Publish(ctx, exchange, "q", streams.Message{})
			wantError(t, "publish", err, context.Canceled)
			if errors.Is(err, streams.ErrUnconfirmed) {
				t.Errorf("publish: got %v, want no doubt about the message", err)
			}
			_, err = p.Publish(ctx, exchange, "q", streams.Message{})
			wantError(t, "publish through a publisher", err, context.Canceled)
		}
	}
	wantError(t, "flush", p.Flush(t.Context()), nil)
	wantList(t, "messages", drain(t, s, "q"), "first")
}

func TestClosedSessionRefuses(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	declareQueue(t, s, streams.Queue{Name: "q"})
	p, err := s.Publisher(streams.PublisherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closeSession(t, s)
	for what, do := range everything(s, p) {
		wantError(t, what+" on a closed session", do(t.Context()), streams.ErrClosed)
	}
	wantList(t, "queues", queueNames(t, open(t, nc)), "q")
}

func TestClosedConnectionRefuses(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	p, err := s.Publisher(streams.PublisherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	for what, do := range everything(s, p) {
		wantError(t, what+" on a closed connection", do(t.Context()), nats.ErrConnectionClosed)
	}
}

// everything is all that a session can do.
func everything(s *streams.Session, p *streams.Publisher) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"publish": func(ctx context.Context) error { return s.Publish(ctx, "", "q", streams.Message{}) },
		"publisher": func(ctx context.Context) error {
			c, err := p.Publish(ctx, "", "q", streams.Message{})
			if err != nil {
				return err
			}
			return c.Wait(ctx)
		},
		"declare exchange": func(ctx context.Context) error {
			return s.DeclareExchange(ctx, streams.Exchange{Name: "x", Kind: streams.Fanout})
		},
		"check exchange":  func(ctx context.Context) error { return s.CheckExchange(ctx, "amq.topic") },
		"delete exchange": func(ctx context.Context) error { return s.DeleteExchange(ctx, "x") },
		"list exchanges":  func(ctx context.Context) error { _, err := s.Exchanges(ctx); return err },
		"bind": func(ctx context.Context) error {
			return s.Bind(ctx, streams.Binding{Exchange: "amq.topic", Queue: "q"})
		},
		"unbind": func(ctx context.Context) error {
			return s.Unbind(ctx, streams.Binding{Exchange: "amq.topic", Queue: "q"})
		},
		"list bindings": func(ctx context.Context) error { _, err := s.Bindings(ctx); return err },
		"declare queue": func(ctx context.Context) error {
			_, err := s.DeclareQueue(ctx, streams.Queue{Name: "p"})
			return err
		},
		"inspect":      func(ctx context.Context) error { _, err := s.InspectQueue(ctx, "q"); return err },
		"purge":        func(ctx context.Context) error { _, err := s.PurgeQueue(ctx, "q"); return err },
		"delete queue": func(ctx context.Context) error { _, err := s.DeleteQueue(ctx, "q"); return err },
		"list queues":  func(ctx context.Context) error { _, err := s.Queues(ctx); return err },
		"consume": func(ctx context.Context) error {
			_, err := s.Consume(ctx, "filler", streams.ConsumeOptions{}) // "q" is known where it is consumed
			return err
		},
		"get": func(ctx context.Context) error { _, _, err := s.Get(ctx, "q"); return err },
	}
}
