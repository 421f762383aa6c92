package amqp091_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

func TestConfirm_EveryMessageIsAcknowledged(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		const n = 3000
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation, n))
		for range n {
			if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range uint64(n) {
			if c := <-confirms; c.DeliveryTag != i+1 || !c.Ack {
				t.Fatalf("got the confirm %+v, want an ack of %d", c, i+1)
			}
		}
		if q, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil); err != nil || q.Messages != n {
			t.Errorf("%d messages are there, want %d (%v)", q.Messages, n, err)
		}
	})
}

// What is published before confirm.select has no number.
func TestConfirm_CountsFromSelect(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.send(1, wire.QueueDeclare{Exclusive: true})
		queue := want[*wire.QueueDeclareOk](c).Queue
		c.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte("before")})
		c.send(1, wire.ConfirmSelect{})
		want[*wire.ConfirmSelectOk](c)
		c.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte("after")})
		if got := want[*wire.BasicAck](c); got.DeliveryTag != 1 || got.Multiple {
			t.Errorf("got %+v, want an ack of 1", *got)
		}
	})
}

// A returned message comes back whole, and before its ack.
func TestMandatory_IsReturnedAndThenAcknowledged(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c, key := open(t, url), unique(t, "none")
		c.send(1, wire.ConfirmSelect{})
		want[*wire.ConfirmSelectOk](c)
		for _, exchange := range []string{"", "amq.topic"} {
			c.publish(&wire.BasicPublish{Exchange: exchange, RoutingKey: key, Mandatory: true}, streams.Message{Body: []byte("back")})
			got := want[*wire.BasicReturn](c)
			if got.ReplyCode != 312 || got.ReplyText != "NO_ROUTE" || got.Exchange != exchange || got.RoutingKey != key {
				t.Errorf("got %+v", *got)
			}
			want[*wire.BasicAck](c)
		}
	})
}

func TestMandatory_TheMessageComesBackWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		returned := ch.NotifyReturn(make(chan amqp.Return, 1))
		body := bytes.Repeat([]byte("0123456789"), 30_000)
		err := ch.PublishWithContext(t.Context(), "amq.direct", unique(t, "none"), true, false, amqp.Publishing{
			Headers: amqp.Table{"n": int32(7)}, ContentType: "text/plain", Priority: 3, Body: body,
		})
		if err != nil {
			t.Fatal(err)
		}
		got := <-returned
		if !bytes.Equal(got.Body, body) || got.Headers["n"] != int32(7) || got.ContentType != "text/plain" || got.Priority != 3 {
			t.Errorf("got %d bytes with %v, %q and priority %d", len(got.Body), got.Headers, got.ContentType, got.Priority)
		}
	})
}

// Every property and every type of a field arrives as it was sent.
func TestProperties_ArriveUnchanged(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		want := amqp.Publishing{
			Headers: amqp.Table{
				"bool": true, "i8": int8(-1), "i16": int16(-300), "i32": int32(-70000), "i64": int64(1) << 60,
				"u8": uint8(200), "f32": float32(0.5), "f64": 0.1, "text": "é", "bytes": []byte{0, 255},
				"time": time.Unix(1_000_000_000, 0), "nil": nil, "decimal": amqp.Decimal{Scale: 2, Value: 314},
				"table": amqp.Table{"k": "v"}, "array": []any{int32(1), "x"},
			},
			ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 9, CorrelationId: "c", ReplyTo: "r",
			MessageId: "m", Timestamp: time.Unix(1_764_400_000, 0), Type: "t", UserId: "guest", AppId: "a", Body: []byte("body"),
		}
		if err := ch.PublishWithContext(t.Context(), "", queue, false, false, want); err != nil {
			t.Fatal(err)
		}
		d := receive(t, consume(t, ch, queue), 1)[0]
		got := amqp.Publishing{
			Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: d.DeliveryMode, Priority: d.Priority,
			CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, UserId: d.UserId,
			AppId: d.AppId, Body: d.Body,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestProperties_OfAnotherUserAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.publish(&wire.BasicPublish{RoutingKey: "q"}, streams.Message{UserID: "alice"})
		got := want[*wire.ChannelClose](c)
		if got.ReplyCode != 406 || got.ReplyText != "PRECONDITION_FAILED - user_id property set to 'alice' but authenticated user was 'guest'" {
			t.Errorf("got %d %q", got.ReplyCode, got.ReplyText)
		}
	})
}

// Bodies of many frames, of one, and of none.
func TestPublish_Bodies(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.send(1, wire.QueueDeclare{Exclusive: true})
		queue := want[*wire.QueueDeclareOk](c).Queue
		for _, size := range []int{0, 1, 4088, 4089, 1_000_000} {
			c.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: bytes.Repeat([]byte("x"), size)})
			c.send(1, wire.BasicGet{Queue: queue, NoAck: true})
			want[*wire.BasicGetOk](c)
			got := 0
			f, err := c.frames.Next()
			for ; err == nil; f, err = c.frames.Next() {
				payload, err := c.frames.Payload()
				if err != nil {
					t.Fatal(err)
				}
				if f.Type == wire.FrameHeader {
					announced, _, err := wire.ParseHeader(payload)
					if err != nil || announced != uint64(size) {
						t.Fatalf("a body of %d bytes is announced as %d, %v", size, announced, err)
					}
				} else {
					got += len(payload)
				}
				if got == size {
					break
				}
			}
			if err != nil || got != size {
				t.Errorf("got %d bytes of %d, %v", got, size, err)
			}
		}
	})
}

// Of a message whose publisher is cut off within it the broker keeps nothing, wherever
// that is; what was published before is there.
func TestPublish_CutAnywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		octets := publishOctets(t, queue, "cut")
		for n := range octets {
			client := open(t, url)
			client.send(1, wire.ConfirmSelect{})
			want[*wire.ConfirmSelectOk](client)
			client.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte("whole")})
			want[*wire.BasicAck](client)
			client.write(octets[:n])
			client.hangUp()
		}
		client := open(t, url)
		client.send(1, wire.ConfirmSelect{})
		want[*wire.ConfirmSelectOk](client)
		client.write(octets)
		want[*wire.BasicAck](client)
		client.hangUp()

		counts := map[string]int{}
		for _, d := range receive(t, consume(t, ch, queue), len(octets)+1) {
			counts[string(d.Body)]++
		}
		if counts["whole"] != len(octets) || counts["cut"] != 1 {
			t.Errorf("got %v, want %d whole and one of those that were cut", counts, len(octets))
		}
		if q, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil); err != nil || q.Messages != 0 {
			t.Errorf("%d more wait, %v", q.Messages, err)
		}
	})
}

// publishOctets are the frames of a message with a few properties, its body in two.
func publishOctets(t *testing.T, queue, body string) string {
	t.Helper()
	octets, err := wire.AppendMethod(nil, 1, &wire.BasicPublish{RoutingKey: queue})
	if err != nil {
		t.Fatal(err)
	}
	message := &streams.Message{ContentType: "text/plain", Headers: streams.Table{"n": int64(1)}}
	if octets, err = wire.AppendHeader(octets, 1, len(body), message); err != nil {
		t.Fatal(err)
	}
	octets = wire.AppendBody(octets, 1, []byte(body[:1]), 0)
	return string(wire.AppendBody(octets, 1, []byte(body[1:]), 0))
}

func TestPublish_TooLarge(t *testing.T) {
	t.Parallel()
	ch := openChannel(t, dial(t, listen(t, amqp091.Config{})))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	body := make([]byte, 65<<20)
	if err := ch.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{Body: body}); err != nil && !errors.Is(err, amqp.ErrClosed) {
		t.Fatal(err)
	}
	if err := <-closed; err == nil || err.Code != 406 || !strings.Contains(err.Reason, "message size 68157440 is larger than configured max size") {
		t.Errorf("got %v, want 406", err)
	}
}
