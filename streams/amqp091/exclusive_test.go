package amqp091_test

import (
	"testing"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// refused asks for a consumer of a queue and reports whether it is refused as the queue
// is in exclusive use. The channel of one that is refused is open again.
func (c *raw) refused(m wire.BasicConsume) bool {
	c.t.Helper()
	c.send(1, m)
	switch got := c.next().(type) {
	case *wire.BasicConsumeOk:
		return false
	case *wire.ChannelClose:
		text := "ACCESS_REFUSED - queue '" + m.Queue + "' in vhost '/' in exclusive use"
		if got.ReplyCode != 403 || got.ReplyText != text || got.ClassID != 60 || got.MethodID != 20 {
			c.t.Errorf("got %+v, want 403 %q", *got, text)
		}
	default:
		c.t.Fatalf("got %s", wire.Name(got))
	}
	c.send(1, wire.ChannelCloseOk{})
	c.send(1, wire.ChannelOpen{})
	want[*wire.ChannelOpenOk](c)
	return true
}

// wantRefused checks whether a consumer is refused.
func (c *raw) wantRefused(what string, refused bool, m wire.BasicConsume) {
	c.t.Helper()
	if got := c.refused(m); got != refused {
		c.t.Errorf("%s: refused %t, want %t", what, got, refused)
	}
}

func TestExclusive_KeepsOthersOut(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		queue := unique(t, "q")
		owner, other := open(t, url), open(t, url)
		owner.send(1, wire.QueueDeclare{Queue: queue, AutoDelete: true})
		want[*wire.QueueDeclareOk](owner)
		owner.wantRefused("the first, exclusive", false, wire.BasicConsume{Queue: queue, ConsumerTag: "a", Exclusive: true})
		other.wantRefused("another one", true, wire.BasicConsume{Queue: queue})
		other.wantRefused("another exclusive one", true, wire.BasicConsume{Queue: queue, Exclusive: true})
		other.wantRefused("another one without acks", true, wire.BasicConsume{Queue: queue, NoAck: true})
		owner.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte("1")})
		if got := want[*wire.BasicDeliver](owner); got.ConsumerTag != "a" {
			t.Errorf("got %+v", *got)
		}
		other.send(1, wire.QueueDeclare{Queue: queue, Passive: true})
		if got := want[*wire.QueueDeclareOk](other); got.ConsumerCount != 1 || got.MessageCount != 0 {
			t.Errorf("got %+v, want one consumer and no message", *got)
		}
	})
}

func TestExclusive_NeedsAQueueWithoutConsumers(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		queue := unique(t, "q")
		owner, other := open(t, url), open(t, url)
		owner.send(1, wire.QueueDeclare{Queue: queue})
		want[*wire.QueueDeclareOk](owner)
		owner.wantRefused("the first", false, wire.BasicConsume{Queue: queue, ConsumerTag: "a"})
		other.wantRefused("an exclusive one of another client", true, wire.BasicConsume{Queue: queue, Exclusive: true})
		owner.wantRefused("one more", false, wire.BasicConsume{Queue: queue, ConsumerTag: "b"})
		owner.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte("1")})
		tag := want[*wire.BasicDeliver](owner).DeliveryTag
		for _, tag := range []string{"a", "b"} {
			owner.send(1, wire.BasicCancel{ConsumerTag: tag})
			want[*wire.BasicCancelOk](owner)
		}
		// What a cancelled consumer holds keeps nobody out.
		other.wantRefused("an exclusive one, when the others are cancelled", false, wire.BasicConsume{Queue: queue, ConsumerTag: "c", Exclusive: true})
		owner.send(1, wire.BasicNack{DeliveryTag: tag, Requeue: true})
		want[*wire.BasicDeliver](other)
		other.send(1, wire.QueueDelete{Queue: queue})
	})
}

// A get takes what is there beside an exclusive consumer.
func TestExclusive_GetsAreLetIn(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		queue := unique(t, "q")
		owner, other := open(t, url), open(t, url)
		owner.send(1, wire.QueueDeclare{Queue: queue, AutoDelete: true})
		want[*wire.QueueDeclareOk](owner)
		owner.send(1, wire.BasicQos{PrefetchCount: 1})
		want[*wire.BasicQosOk](owner)
		owner.wantRefused("an exclusive one", false, wire.BasicConsume{Queue: queue, Exclusive: true})
		for _, body := range []string{"1", "2", "3"} {
			other.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte(body)})
		}
		want[*wire.BasicDeliver](owner)
		other.send(1, wire.BasicGet{Queue: queue})
		if got := want[*wire.BasicGetOk](other); got.MessageCount != 1 {
			t.Errorf("got %+v, want one message behind it", *got)
		}
		owner.send(1, wire.BasicGet{Queue: queue})
		want[*wire.BasicGetOk](owner)
	})
}

// A queue is free again when its exclusive consumer is cancelled, and when its channel or
// its client is gone.
func TestExclusive_EndsWithItsConsumer(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		queue := unique(t, "q")
		owner, other := open(t, url), open(t, url)
		other.send(1, wire.QueueDeclare{Queue: queue})
		want[*wire.QueueDeclareOk](other)
		consume := wire.BasicConsume{Queue: queue, ConsumerTag: "a", Exclusive: true}
		next := func(what string) {
			t.Helper()
			other.wantRefused("an exclusive one after "+what, false, consume)
			other.send(1, wire.BasicCancel{ConsumerTag: "a"})
			want[*wire.BasicCancelOk](other)
		}
		owner.wantRefused("the first", false, consume)
		owner.send(1, wire.BasicCancel{ConsumerTag: "a"})
		want[*wire.BasicCancelOk](owner)
		next("a cancel")
		owner.wantRefused("one after a cancel", false, consume)
		owner.send(1, wire.ChannelClose{})
		want[*wire.ChannelCloseOk](owner)
		next("the end of a channel")
		owner.send(1, wire.ChannelOpen{})
		want[*wire.ChannelOpenOk](owner)
		owner.wantRefused("one of a new channel", false, consume)
		owner.send(0, wire.ConnectionClose{})
		want[*wire.ConnectionCloseOk](owner)
		next("the end of a connection")
		other.send(1, wire.QueueDelete{Queue: queue})
		want[*wire.QueueDeleteOk](other)
	})
}
