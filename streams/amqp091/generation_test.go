package amqp091_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

// Where the generations of RabbitMQ differ, this is what Warren does; the table in
// README.md says which of them do so too.
func TestGeneration_Refusals(t *testing.T) {
	t.Parallel()
	url := listen(t, amqp091.Config{})
	for _, c := range []struct {
		method wire.Method
		code   uint16
		text   string
	}{
		{wire.ExchangeDeclare{Exchange: "x", Type: "wishful"}, 406, "PRECONDITION_FAILED - unknown exchange type 'wishful'; use direct, fanout, topic or headers"},
		{wire.ExchangeDeclare{Exchange: "x", Type: "x-delayed-message"}, 540, "NOT_IMPLEMENTED - exchange type 'x-delayed-message' is not yet supported"},
		{wire.QueueDeclare{Queue: "q", Arguments: streams.Table{"x-queue-type": "wishful"}}, 406, ""},
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

// RabbitMQ 4.3 refuses a key with more than two; 3.10 takes it.
func TestGeneration_TopicKeyWithThreeHashes(t *testing.T) {
	t.Parallel()
	c := open(t, listen(t, amqp091.Config{}))
	c.send(1, wire.QueueDeclare{Queue: "q"})
	want[*wire.QueueDeclareOk](c)
	c.send(1, wire.QueueBind{Queue: "q", Exchange: "amq.topic", RoutingKey: "#.a.#"})
	want[*wire.QueueBindOk](c)
	c.send(1, wire.QueueBind{Queue: "q", Exchange: "amq.topic", RoutingKey: "#.a.#.b.#"})
	if got := want[*wire.ChannelClose](c); got.ReplyCode != 406 {
		t.Errorf("got %d %q, want 406", got.ReplyCode, got.ReplyText)
	}
}

// Old JavaScript clients ask for frames of 4096 bytes, which RabbitMQ 4.3 refuses.
func TestGeneration_SmallFrames(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
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
