package amqp091_test

import (
	"testing"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// What closes a channel, and what a connection, with which code and words: clients
// match on them.
func TestErrors_Channel(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		none, queue, exchange := unique(t, "none"), unique(t, "q"), unique(t, "x")
		owner := open(t, url)
		owner.send(1, wire.QueueDeclare{Queue: queue, AutoDelete: true})
		want[*wire.QueueDeclareOk](owner)
		owner.send(1, wire.QueueDeclare{Queue: queue + ".mine", Exclusive: true})
		want[*wire.QueueDeclareOk](owner)
		owner.send(1, wire.ExchangeDeclare{Exchange: exchange, Type: "direct", AutoDelete: true})
		want[*wire.ExchangeDeclareOk](owner)
		owner.send(1, wire.QueueBind{Queue: queue, Exchange: exchange})
		want[*wire.QueueBindOk](owner)
		for _, c := range []struct {
			method wire.Method
			code   uint16
			text   string
		}{
			{wire.QueueDeclare{Queue: none, Passive: true}, 404, "NOT_FOUND - no queue '" + none + "' in vhost '/'"},
			{wire.BasicConsume{Queue: none}, 404, "NOT_FOUND - no queue '" + none + "' in vhost '/'"},
			{wire.BasicGet{Queue: none}, 404, "NOT_FOUND - no queue '" + none + "' in vhost '/'"},
			{wire.QueuePurge{Queue: none}, 404, "NOT_FOUND - no queue '" + none + "' in vhost '/'"},
			{wire.QueueBind{Queue: none, Exchange: "amq.direct"}, 404, "NOT_FOUND - no queue '" + none + "' in vhost '/'"},
			{wire.ExchangeDeclare{Exchange: none, Passive: true, Type: "direct"}, 404, "NOT_FOUND - no exchange '" + none + "' in vhost '/'"},
			{wire.QueueBind{Queue: queue, Exchange: none}, 404, "NOT_FOUND - no exchange '" + none + "' in vhost '/'"},
			{wire.QueueDeclare{Queue: "amq.mine"}, 403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"},
			{wire.ExchangeDeclare{Exchange: "amq.mine", Type: "direct"}, 403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"},
			{wire.QueueDeclare{Queue: queue, AutoDelete: true, Durable: true}, 406,
				"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + queue + "' in vhost '/': received 'true' but current is 'false'"},
			{wire.ExchangeDeclare{Exchange: exchange, Type: "fanout", AutoDelete: true}, 406,
				"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '" + exchange + "' in vhost '/': received 'fanout' but current is 'direct'"},
			{wire.QueueDeclare{Queue: queue + ".mine", Exclusive: true}, 405,
				"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + queue + ".mine' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."},
			{wire.ExchangeDelete{Exchange: exchange, IfUnused: true}, 406, "PRECONDITION_FAILED - exchange '" + exchange + "' in vhost '/' in use"},
			{wire.BasicAck{DeliveryTag: 82}, 406, "PRECONDITION_FAILED - unknown delivery tag 82"},
			{wire.BasicAck{DeliveryTag: 5, Multiple: true}, 406, "PRECONDITION_FAILED - unknown delivery tag 5"},
			{wire.BasicReject{DeliveryTag: 1}, 406, "PRECONDITION_FAILED - unknown delivery tag 1"},
			{wire.BasicNack{DeliveryTag: 1}, 406, "PRECONDITION_FAILED - unknown delivery tag 1"},
			{wire.QueueBind{Exchange: "amq.direct"}, 404, "NOT_FOUND - no previously declared queue"},
			{wire.QueueBind{Queue: queue, Exchange: ""}, 403, "ACCESS_REFUSED - operation not permitted on the default exchange"},
		} {
			client := open(t, url)
			client.send(1, c.method)
			got := want[*wire.ChannelClose](client)
			id := wire.IDOf(c.method)
			if len(c.text) > 255 {
				c.text = c.text[:252] + "..."
			}
			if got.ReplyCode != c.code || got.ReplyText != c.text || got.ClassID != id.Class || got.MethodID != id.Method {
				t.Errorf("%s: got %d %q of %d.%d, want %d %q of %v", wire.Name(c.method), got.ReplyCode, got.ReplyText, got.ClassID, got.MethodID, c.code, c.text, id)
			}
			// The channel may be opened again, and the connection goes on.
			client.send(1, wire.ChannelCloseOk{})
			client.send(1, wire.ChannelOpen{})
			want[*wire.ChannelOpenOk](client)
			_ = client.conn.Close()
		}
	})
}

func TestErrors_Connection(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for _, c := range []struct {
			what    string
			channel uint16
			method  wire.Method
			code    uint16
			text    string
		}{
			{"a channel that is not open", 2, wire.BasicQos{}, 504, "CHANNEL_ERROR - expected 'channel.open'"},
			{"a channel that is open", 1, wire.ChannelOpen{}, 504, "CHANNEL_ERROR - second 'channel.open' seen"},
			{"a prefetch size", 1, wire.BasicQos{PrefetchSize: 1}, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)"},
			{"immediate", 1, &wire.BasicPublish{RoutingKey: "q", Immediate: true}, 540, "NOT_IMPLEMENTED - immediate=true"},
			{"recover without requeue", 1, wire.BasicRecover{}, 540, "NOT_IMPLEMENTED - requeue=false"},
			{"flow", 1, wire.ChannelFlow{}, 540, "NOT_IMPLEMENTED - active=false"},
		} {
			client := open(t, url)
			if publish, is := c.method.(*wire.BasicPublish); is {
				client.publish(publish, streams.Message{Body: []byte("x")})
			} else {
				client.send(c.channel, c.method)
			}
			got := want[*wire.ConnectionClose](client)
			id := wire.IDOf(c.method)
			if got.ReplyCode != c.code || got.ReplyText != c.text || got.ClassID != id.Class || got.MethodID != id.Method {
				t.Errorf("%s: got %d %q of %d.%d, want %d %q of %v", c.what, got.ReplyCode, got.ReplyText, got.ClassID, got.MethodID, c.code, c.text, id)
			}
			client.send(0, wire.ConnectionCloseOk{})
			if m := client.next(); m != nil {
				t.Errorf("%s: got %s after the connection was closed", c.what, wire.Name(m))
			}
		}
	})
}

// What is published to an exchange that is not there closes the channel, later.
func TestErrors_PublishToNowhere(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		client, none := open(t, url), unique(t, "none")
		client.publish(&wire.BasicPublish{Exchange: none}, streams.Message{Body: []byte("x")})
		client.publish(&wire.BasicPublish{Exchange: none}, streams.Message{Body: []byte("y")})
		got := want[*wire.ChannelClose](client)
		if got.ReplyCode != 404 || got.ReplyText != "NOT_FOUND - no exchange '"+none+"' in vhost '/'" || got.ClassID != 60 || got.MethodID != 40 {
			t.Errorf("got %+v", *got)
		}
		// What is sent until close-ok is passed over.
		client.send(1, wire.QueueDeclare{Queue: none})
		client.send(1, wire.ChannelCloseOk{})
		client.send(1, wire.ChannelOpen{})
		want[*wire.ChannelOpenOk](client)
		client.send(1, wire.QueueDeclare{Queue: none, Passive: true})
		if got := want[*wire.ChannelClose](client); got.ReplyCode != 404 {
			t.Errorf("a queue that was declared on a closed channel is there: %+v", *got)
		}
	})
}

// Frames in an order that AMQP does not have.
func TestErrors_UnexpectedFrames(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		header, err := wire.AppendHeader(nil, 1, 1, &streams.Message{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what string
			send func(*raw)
			code uint16
		}{
			{"a header without a publish", func(c *raw) { c.write(string(header)) }, 505},
			{"a body without a publish", func(c *raw) { c.write(string(wire.AppendBody(nil, 1, []byte("x"), 0))) }, 505},
			{"a method within a message", func(c *raw) { c.send(1, &wire.BasicPublish{RoutingKey: "q"}); c.send(1, wire.BasicQos{}) }, 505},
			{"a frame of another end", func(c *raw) { c.write("\x01\x00\x01\x00\x00\x00\x00\x00") }, 501},
			{"a method cut short", func(c *raw) { c.write("\x01\x00\x01\x00\x00\x00\x05\x00\x32\x00\x0a\x00\xce") }, 501},
		} {
			client := open(t, url)
			c.send(client)
			if got := want[*wire.ConnectionClose](client); got.ReplyCode != c.code {
				t.Errorf("%s: got %d %q, want %d", c.what, got.ReplyCode, got.ReplyText, c.code)
			}
			_ = client.conn.Close()
		}
	})
}
