package amqp091_test

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

// Where the generations of RabbitMQ differ, the table in README.md says what each of them
// does, and what Warren does.
func TestGeneration_Refusals(t *testing.T) {
	t.Parallel()
	url := listen(t, amqp091.Config{})
	for _, c := range []struct {
		method wire.Method
		code   uint16
		text   string
	}{
		{wire.ExchangeDeclare{Exchange: "x", Type: "x-delayed-message"}, 540, "NOT_IMPLEMENTED - exchange type 'x-delayed-message' is not yet supported"},
		{wire.QueueDeclare{Queue: "q", Arguments: streams.Table{"x-queue-type": "quorum"}, Durable: true}, 540, ""},
		{wire.QueueDeclare{Queue: "q", Arguments: streams.Table{"x-max-priority": int32(10)}}, 540, "NOT_IMPLEMENTED - argument 'x-max-priority' is not yet supported"},
		{wire.ExchangeBind{Destination: "amq.topic", Source: "amq.direct"}, 540, "NOT_IMPLEMENTED - exchange-to-exchange bindings are not yet supported"},
		{wire.TxSelect{}, 540, "NOT_IMPLEMENTED - transactions are not yet supported"},
	} {
		client := open(t, url)
		client.send(1, c.method)
		got := want[*wire.ChannelClose](client)
		if got.ReplyCode != c.code || c.text != "" && got.ReplyText != c.text {
			t.Errorf("%s: got %d %q, want %d %q", wire.Name(c.method), got.ReplyCode, got.ReplyText, c.code, c.text)
		}
	}
}

// An exchange of a type nobody knows is refused with 406, as by RabbitMQ 4.3; 3.10 closes
// the connection.
func TestGeneration_UnknownExchangeType(t *testing.T) {
	declare := func(t *testing.T, url string) *raw {
		t.Helper()
		c := open(t, url)
		c.send(1, wire.ExchangeDeclare{Exchange: unique(t, "x"), Type: "wishful"})
		return c
	}
	closesChannel := func(text string) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			got := want[*wire.ChannelClose](declare(t, url))
			if got.ReplyCode != 406 || got.ReplyText != text {
				t.Errorf("got %d %q, want 406 %q", got.ReplyCode, got.ReplyText, text)
			}
		}
	}
	const text = "PRECONDITION_FAILED - unknown exchange type 'wishful'"
	onEach(t, closesChannel(text+"; use direct, fanout, topic or headers"), func(t *testing.T, url string) {
		if got := want[*wire.ConnectionClose](declare(t, url)); got.ReplyCode != 503 {
			t.Errorf("got %d %q, want 503", got.ReplyCode, got.ReplyText)
		}
	}, closesChannel(text))
}

func TestGeneration_UnknownQueueType(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.send(1, wire.QueueDeclare{Queue: unique(t, "q"), Arguments: streams.Table{"x-queue-type": "wishful"}})
		if got := want[*wire.ChannelClose](c); got.ReplyCode != 406 {
			t.Errorf("got %d %q, want 406", got.ReplyCode, got.ReplyText)
		}
	})
}

// Arguments that say how and where RabbitMQ is to store a queue mean nothing to Warren, so
// that programs for either generation find it content.
func TestGeneration_StorageArguments(t *testing.T) {
	answers := func(codes ...uint16) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			for i, args := range []streams.Table{
				{"x-queue-mode": "lazy"}, {"x-queue-mode": "eager"}, {"x-queue-version": int32(1)}, {"x-queue-version": int32(2)},
				{"x-queue-master-locator": "min-masters"}, {"x-queue-leader-locator": "balanced"},
			} {
				c := open(t, url)
				c.send(1, wire.QueueDeclare{Queue: unique(t, "q"), Exclusive: true, Arguments: args})
				var code uint16
				switch m := c.next().(type) {
				case *wire.QueueDeclareOk:
				case *wire.ChannelClose:
					code = m.ReplyCode
				case *wire.ConnectionClose:
					code = m.ReplyCode
				default:
					t.Fatalf("%v: got %s", args, wire.Name(m))
				}
				if code != codes[i] {
					t.Errorf("%v: got %d, want %d", args, code, codes[i])
				}
			}
		}
	}
	onEach(t, answers(0, 0, 0, 0, 0, 0), answers(0, 406, 0, 0, 0, 406), answers(0, 0, 406, 0, 541, 0))
}

// RabbitMQ 4.3 refuses a key with more than two; 3.10 takes it.
func TestGeneration_TopicKeyWithThreeHashes(t *testing.T) {
	bind := func(t *testing.T, url string) *raw {
		t.Helper()
		c, queue := open(t, url), unique(t, "q")
		c.send(1, wire.QueueDeclare{Queue: queue, Exclusive: true})
		want[*wire.QueueDeclareOk](c)
		c.send(1, wire.QueueBind{Queue: queue, Exchange: "amq.topic", RoutingKey: "#.a.#"})
		want[*wire.QueueBindOk](c)
		c.send(1, wire.QueueBind{Queue: queue, Exchange: "amq.topic", RoutingKey: "#.a.#.b.#"})
		return c
	}
	refused := func(t *testing.T, url string) {
		if got := want[*wire.ChannelClose](bind(t, url)); got.ReplyCode != 406 {
			t.Errorf("got %d %q, want 406", got.ReplyCode, got.ReplyText)
		}
	}
	onEach(t, refused, func(t *testing.T, url string) { want[*wire.QueueBindOk](bind(t, url)) }, refused)
}

// An auto-delete queue is gone when its last consumer is told that it is cancelled.
// RabbitMQ 4.3 deletes it a moment later: what is published in between is nacked, and a
// client that binds the queue is cut off.
func TestGeneration_AutoDeleteGoesBeforeCancelOk(t *testing.T) {
	gone := func(t *testing.T, url string) {
		conn := dial(t, url)
		ch, publisher := openChannel(t, conn), openChannel(t, conn)
		returned := publisher.NotifyReturn(make(chan amqp.Return, 1))
		if err := publisher.Confirm(false); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			queue := declareShared(t, ch)
			if _, err := ch.Consume(queue, "last", false, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
			if err := ch.Cancel("last", false); err != nil {
				t.Fatal(err)
			}
			confirm, err := publisher.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false, amqp.Publishing{})
			if err != nil {
				t.Fatal(err)
			}
			receive(t, returned, 1)
			if ok, err := confirm.WaitContext(t.Context()); !ok || err != nil {
				t.Errorf("confirmed: %t, %v", ok, err)
			}
			var e *amqp.Error
			if err := openChannel(t, conn).QueueBind(queue, "", "amq.fanout", false, nil); !errors.As(err, &e) || e.Code != 404 {
				t.Errorf("bind: %v, want 404", err)
			}
		}
	}
	onEach(t, gone, gone, nil)
}

// Old JavaScript clients ask for frames of 4096 bytes, which RabbitMQ 4.3 refuses.
func TestGeneration_SmallFrames(t *testing.T) {
	onBothBut43(t, func(t *testing.T, url string) {
		conn, err := amqp.DialConfig(url, amqp.Config{FrameSize: 4096})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ch := openChannel(t, conn)
		queue := declare(t, ch)
		publish(t, ch, queue, string(make([]byte, 20_000)))
		if d := receive(t, consume(t, ch, queue), 1)[0]; len(d.Body) != 20_000 {
			t.Errorf("got %d bytes", len(d.Body))
		}
	}, func(t *testing.T, url string) {
		c := connect(t, url)
		c.start("guest", streams.Table{})
		want[*wire.ConnectionTune](c)
		c.send(0, wire.ConnectionTuneOk{ChannelMax: 100, FrameMax: 4096})
		c.send(0, wire.ConnectionOpen{VirtualHost: "/"})
		if m := c.next(); m != nil {
			t.Errorf("got %s %+v, want the end", wire.Name(m), m)
		}
	})
}

// A number is the same number in every width, and another than a fraction, a boolean
// or a text: clients write it as they like.
func TestGeneration_HeadersMatchByValue(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		if err := ch.QueueBind(queue, "", "amq.headers", false, amqp.Table{"x-match": "all", "n": int32(1)}); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(queue, "", "amq.headers", false, amqp.Table{"x-match": "all", "s": "text"}); err != nil {
			t.Fatal(err)
		}
		for _, header := range []amqp.Table{
			{"n": int8(1)}, {"n": int16(1)}, {"n": int32(1)}, {"n": int64(1)}, {"s": []byte("text")},
			{"n": 1.0}, {"n": true}, {"n": "1"}, {"s": "Text"},
		} {
			if err := ch.PublishWithContext(t.Context(), "amq.headers", "", false, false, amqp.Publishing{Headers: header}); err != nil {
				t.Fatal(err)
			}
		}
		got := receive(t, consume(t, ch, queue), 5)
		if left := ready(t, ch, queue); left != 0 {
			t.Errorf("%d more messages were routed", left)
		}
		for i, d := range got {
			if i < 4 && d.Headers["n"] == nil || i == 4 && d.Headers["s"] == nil {
				t.Errorf("message %d has the headers %v", i, d.Headers)
			}
		}
	})
}

// A time in a headers binding matches that time. RabbitMQ 4.3 compares the milliseconds of
// the message's with the seconds of the binding's.
func TestGeneration_HeadersMatchTimes(t *testing.T) {
	at := time.Unix(1700000000, 0)
	matches := func(equal, thousandfold bool) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			ch := openChannel(t, dial(t, url))
			returned := ch.NotifyReturn(make(chan amqp.Return, 1))
			if err := ch.Confirm(false); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				bound  time.Time
				routed bool
			}{{at, equal}, {time.Unix(1000*at.Unix(), 0), thousandfold}} {
				queue, x := declare(t, ch), unique(t, "x")
				if err := ch.ExchangeDeclare(x, "headers", false, true, false, false, nil); err != nil {
					t.Fatal(err)
				}
				if err := ch.QueueBind(queue, "", x, false, amqp.Table{"at": c.bound}); err != nil {
					t.Fatal(err)
				}
				m := amqp.Publishing{Headers: amqp.Table{"at": at}}
				confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), x, "", true, false, m)
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := confirm.WaitContext(t.Context()); !ok || err != nil {
					t.Errorf("confirmed: %t, %v", ok, err)
				}
				routed := true
				select {
				case <-returned: // before the confirm
					routed = false
				default:
				}
				if routed != c.routed {
					t.Errorf("bound to %v: routed %t, want %t", c.bound, routed, c.routed)
				}
			}
		}
	}
	onBothBut43(t, matches(true, false), matches(false, true))
}
