package amqp091_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

func TestQos_IsOfConsumersToCome(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		a, b := declare(t, ch), declare(t, ch)
		for _, queue := range []string{a, b} {
			publish(t, ch, queue, "1", "2", "3", "4", "5", "6", "7", "8")
		}
		if err := ch.Qos(2, 0, false); err != nil {
			t.Fatal(err)
		}
		first := consume(t, ch, a)
		if err := ch.Qos(5, 0, false); err != nil {
			t.Fatal(err)
		}
		second := consume(t, ch, b)
		if got := bodies(receive(t, first, 2)); got != "1 2" {
			t.Errorf("the first consumer got %q", got)
		}
		if got := bodies(receive(t, second, 5)); got != "1 2 3 4 5" {
			t.Errorf("the second consumer got %q", got)
		}
		// A method with an answer comes behind whatever else would have come.
		if left := ready(t, ch, a); left != 6 {
			t.Errorf("%d of 8 wait with a prefetch of 2", left)
		}
		if left := ready(t, ch, b); left != 3 {
			t.Errorf("%d of 8 wait with a prefetch of 5", left)
		}
	})
}

// ready counts what waits in a queue.
func ready(t *testing.T, ch *amqp.Channel, queue string) int {
	t.Helper()
	q, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Messages
}

func TestQos_GlobalIsShared(t *testing.T) {
	onBothBut43(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		a, b := declare(t, ch), declare(t, ch)
		publish(t, ch, a, "1", "2", "3", "4")
		if err := ch.Qos(3, 0, true); err != nil {
			t.Fatal(err)
		}
		first, second := consume(t, ch, a), consume(t, ch, b)
		got := receive(t, first, 3)
		publish(t, ch, b, "5")
		if left := ready(t, ch, a) + ready(t, ch, b); left != 2 {
			t.Errorf("%d messages wait, want 2", left)
		}
		if err := got[2].Ack(true); err != nil {
			t.Fatal(err)
		}
		receive(t, first, 1)
		receive(t, second, 1)
	}, globalIsOfConsumersToCome)
}

// globalIsOfConsumersToCome is what RabbitMQ 4.3 makes of a global prefetch: as if it
// were none.
func globalIsOfConsumersToCome(t *testing.T, url string) {
	ch := openChannel(t, dial(t, url))
	running, a, b := declare(t, ch), declare(t, ch), declare(t, ch)
	first := consume(t, ch, running)
	if err := errors.Join(ch.Qos(2, 0, false), ch.Qos(3, 0, true)); err != nil {
		t.Fatal(err)
	}
	second, third := consume(t, ch, a), consume(t, ch, b)
	for _, queue := range []string{running, a, b} {
		publish(t, ch, queue, "1", "2", "3", "4")
	}
	receive(t, first, 4)
	receive(t, second, 3)
	receive(t, third, 3)
	if left := ready(t, ch, a) + ready(t, ch, b); left != 2 {
		t.Errorf("%d of 8 wait, want one for each of two consumers", left)
	}
}

// A consumer keeps to its own prefetch and to that of its channel.
func TestQos_BothLimitsHold(t *testing.T) {
	onBothBut43(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		a, b := declare(t, ch), declare(t, ch)
		for _, queue := range []string{a, b} {
			publish(t, ch, queue, "1", "2", "3", "4")
		}
		if err := errors.Join(ch.Qos(2, 0, false), ch.Qos(3, 0, true)); err != nil {
			t.Fatal(err)
		}
		first := consume(t, ch, a)
		got := receive(t, first, 2)
		second := consume(t, ch, b)
		receive(t, second, 1)
		if left := ready(t, ch, a) + ready(t, ch, b); left != 5 {
			t.Errorf("%d of 8 wait with prefetches of 2 and a global one of 3", left)
		}
		if err := got[1].Ack(true); err != nil { // which gives the channel room for two
			t.Fatal(err)
		}
		for held := 0; held < 2; held++ {
			select {
			case <-first:
			case <-second:
			case <-time.After(time.Minute):
				t.Fatalf("got %d of 2", held)
			}
		}
		if left := ready(t, ch, a) + ready(t, ch, b); left != 3 {
			t.Errorf("%d of 8 wait after two were acknowledged", left)
		}
	}, globalIsOfConsumersToCome)
}

// A prefetch of each consumer ends one that is global, and not the other way round.
func TestQos_OwnEndsGlobal(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		a, b := declare(t, ch), declare(t, ch)
		for _, queue := range []string{a, b} {
			publish(t, ch, queue, "1", "2", "3", "4")
		}
		if err := errors.Join(ch.Qos(3, 0, true), ch.Qos(2, 0, false)); err != nil {
			t.Fatal(err)
		}
		for _, queue := range []string{a, b} {
			receive(t, consume(t, ch, queue), 2)
		}
		if left := ready(t, ch, a) + ready(t, ch, b); left != 4 {
			t.Errorf("%d of 8 wait with a prefetch of 2 for each", left)
		}
	})
}

// A consumer that began under a global prefetch has no limit when that has ended: it was
// never its own.
func TestQos_OwnEndsGlobalOfRunningConsumers(t *testing.T) {
	held := func(want int) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			ch := openChannel(t, dial(t, url))
			queue := declare(t, ch)
			publish(t, ch, queue, "1", "2", "3", "4", "5")
			if err := ch.Qos(3, 0, true); err != nil {
				t.Fatal(err)
			}
			deliveries := consume(t, ch, queue)
			receive(t, deliveries, 3)
			if err := ch.Qos(2, 0, false); err != nil {
				t.Fatal(err)
			}
			receive(t, deliveries, want-3)
			if left := ready(t, ch, queue); left != 5-want {
				t.Errorf("%d of 5 wait, want %d", left, 5-want)
			}
		}
	}
	onBothBut43(t, held(5), held(3))
}

// A global prefetch is that of the consumers that run, too, with what they hold.
func TestQos_GlobalIsOfRunningConsumers(t *testing.T) {
	onBothBut43(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		a, b := declare(t, ch), declare(t, ch)
		first, second := consume(t, ch, a), consume(t, ch, b)
		publish(t, ch, a, "1", "2")
		got := receive(t, first, 2)
		if err := ch.Qos(3, 0, true); err != nil {
			t.Fatal(err)
		}
		publish(t, ch, b, "3", "4", "5")
		receive(t, second, 1)
		if left := ready(t, ch, b); left != 2 {
			t.Errorf("%d of 3 wait, want 2", left)
		}
		if err := got[1].Ack(true); err != nil {
			t.Fatal(err)
		}
		receive(t, second, 2)
		publish(t, ch, a, "6")
		if left := ready(t, ch, a); left != 1 {
			t.Errorf("%d messages wait for the first consumer, want 1", left)
		}
		if err := ch.Qos(0, 0, true); err != nil {
			t.Fatal(err)
		}
		receive(t, first, 1)
	}, globalIsOfConsumersToCome)
}

// kombu changes the prefetch of consumers that run, and to a server that is not called
// RabbitMQ does not say so.
func TestQos_OfCeleryChangesRunningConsumers(t *testing.T) {
	t.Parallel()
	conn, err := amqp.DialConfig(listen(t, amqp091.Config{}), amqp.Config{Properties: amqp.Table{"product": "py-amqp"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch := openChannel(t, conn)
	queue := declare(t, ch)
	if err := ch.Qos(1, 0, false); err != nil {
		t.Fatal(err)
	}
	deliveries := consume(t, ch, queue)
	publish(t, ch, queue, "1", "2", "3", "4")
	receive(t, deliveries, 1)
	if left := ready(t, ch, queue); left != 3 {
		t.Errorf("%d of 4 wait with a prefetch of 1", left)
	}
	if err := ch.Qos(3, 0, false); err != nil {
		t.Fatal(err)
	}
	if got := bodies(receive(t, deliveries, 2)); got != "2 3" {
		t.Errorf("a prefetch of 3 brought %q", got)
	}
}

func TestGet_SaysHowManyWait(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		if _, ok, err := ch.Get(queue, false); ok || err != nil {
			t.Errorf("an empty queue gave something: %v, %v", ok, err)
		}
		publish(t, ch, queue, "1", "2", "3")
		for i := range 3 {
			d, ok, err := ch.Get(queue, i == 0)
			if err != nil || !ok || string(d.Body) != strconv.Itoa(i+1) || int(d.MessageCount) != 2-i || d.DeliveryTag != uint64(i+1) {
				t.Errorf("get %d: %q, %d behind it, tag %d, %v, %v", i+1, d.Body, d.MessageCount, d.DeliveryTag, ok, err)
			}
		}
	})
}

func TestSettle_AckMultiple(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		publish(t, ch, queue, "1", "2", "3", "4", "5")
		deliveries := consume(t, ch, queue)
		receive(t, deliveries, 5)
		if err := ch.Ack(2, false); err != nil {
			t.Fatal(err)
		}
		if err := ch.Ack(4, true); err != nil {
			t.Fatal(err)
		}
		if err := ch.Nack(0, true, true); err != nil {
			t.Fatal(err)
		}
		if got := bodies(receive(t, deliveries, 1)); got != "5!" {
			t.Errorf("%q came back, want 5 alone", got)
		}
		// With nothing left, all of it is nothing, and no error.
		if err := ch.Ack(0, true); err != nil {
			t.Fatal(err)
		}
		if err := ch.Ack(0, true); err != nil {
			t.Fatal(err)
		}
		if left := ready(t, ch, queue); left != 0 {
			t.Errorf("%d messages are left", left)
		}
	})
}

func TestSettle_RequeuedTogetherKeepTheirOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		publish(t, ch, queue, "1", "2", "3", "4", "5")
		if err := ch.Qos(3, 0, false); err != nil {
			t.Fatal(err)
		}
		deliveries := consume(t, ch, queue)
		receive(t, deliveries, 3)
		if err := ch.Nack(3, true, true); err != nil {
			t.Fatal(err)
		}
		if got := bodies(receive(t, deliveries, 3)); got != "1! 2! 3!" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRecover_RequeuesWhatTheChannelHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.send(1, wire.QueueDeclare{Exclusive: true})
		queue := want[*wire.QueueDeclareOk](c).Queue
		for _, body := range []string{"1", "2", "3"} {
			c.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{Body: []byte(body)})
		}
		c.send(1, wire.BasicConsume{Queue: queue})
		want[*wire.BasicConsumeOk](c)
		for range 3 {
			want[*wire.BasicDeliver](c)
		}
		c.send(1, wire.BasicRecover{Requeue: true})
		redelivered, recovered := 0, false
		for redelivered < 3 || !recovered {
			switch m := c.next().(type) {
			case *wire.BasicDeliver:
				if !m.Redelivered || m.DeliveryTag != uint64(4+redelivered) {
					t.Errorf("got %+v", *m)
				}
				redelivered++
			case *wire.BasicRecoverOk:
				recovered = true
			default:
				t.Fatalf("got %s after %d deliveries", wire.Name(m), redelivered)
			}
		}
	})
}

// consume-ok is there before the first delivery, and both name the consumer.
func TestConsume_OkComesFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := open(t, url)
		c.send(1, wire.QueueDeclare{Exclusive: true})
		queue := want[*wire.QueueDeclareOk](c).Queue
		for range 50 {
			c.publish(&wire.BasicPublish{RoutingKey: queue}, streams.Message{})
		}
		c.send(1, wire.BasicConsume{Queue: queue, NoAck: true})
		tag := want[*wire.BasicConsumeOk](c).ConsumerTag
		for i := range uint64(50) {
			if got := want[*wire.BasicDeliver](c); got.ConsumerTag != tag || got.DeliveryTag != i+1 {
				t.Fatalf("got %+v, want tag %d of %q", *got, i+1, tag)
			}
		}
		c.send(1, wire.BasicConsume{Queue: queue, ConsumerTag: tag})
		if got := want[*wire.ConnectionClose](c); got.ReplyCode != 530 || got.ReplyText != "NOT_ALLOWED - attempt to reuse consumer tag '"+tag+"'" {
			t.Errorf("got %d %q", got.ReplyCode, got.ReplyText)
		}
	})
}

// A consumer that is cancelled keeps what it has, until the channel closes.
func TestCancel_KeepsWhatWasDelivered(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		ch, other := openChannel(t, conn), openChannel(t, conn)
		queue := declare(t, ch)
		publish(t, ch, queue, "1", "2", "3")
		deliveries, err := ch.Consume(queue, "c", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := receive(t, deliveries, 3)
		if err := ch.Cancel("c", false); err != nil {
			t.Fatal(err)
		}
		if err := got[1].Ack(false); err != nil {
			t.Fatal(err)
		}
		if left := ready(t, other, queue); left != 0 {
			t.Errorf("%d messages wait after the consumer was cancelled", left)
		}
		if err := ch.Close(); err != nil {
			t.Fatal(err)
		}
		if got := bodies(receive(t, consume(t, other, queue), 2)); got != "1! 3!" {
			t.Errorf("got %q after the channel was closed", got)
		}
	})
}

func TestCancel_OfADeletedQueueIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		ch := openChannel(t, conn)
		queue := declare(t, ch)
		if _, err := ch.Consume(queue, "mine", false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		cancelled := ch.NotifyCancel(make(chan string, 1))
		if _, err := openChannel(t, conn).QueueDelete(queue, false, false, false); err != nil {
			t.Fatal(err)
		}
		if tag := <-cancelled; tag != "mine" {
			t.Errorf("the consumer %q was cancelled", tag)
		}
	})
}

// What a client held that is gone without a word is back at once, in its place.
func TestDisconnect_HandsBackAtOnceAndInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := unique(t, "q")
		if _, err := ch.QueueDeclare(queue, false, true, false, false, nil); err != nil {
			t.Fatal(err)
		}
		publish(t, ch, queue, "1", "2", "3", "4", "5")
		victim := open(t, url)
		victim.send(1, wire.BasicQos{PrefetchCount: 3})
		want[*wire.BasicQosOk](victim)
		victim.send(1, wire.BasicConsume{Queue: queue})
		want[*wire.BasicConsumeOk](victim)
		for range 3 {
			want[*wire.BasicDeliver](victim)
		}
		deliveries := consume(t, ch, queue)
		if got := bodies(receive(t, deliveries, 2)); got != "4 5" {
			t.Errorf("got %q beside the other client", got)
		}
		_ = victim.conn.Close()
		began := time.Now()
		if got := bodies(receive(t, deliveries, 3)); got != "1! 2! 3!" {
			t.Errorf("got %q after the other client was gone", got)
		}
		t.Logf("back after %v", time.Since(began))
	})
}

func TestDisconnect_ExclusiveQueuesGo(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn, other := dial(t, url), dial(t, url)
		queue := unique(t, "q")
		if _, err := openChannel(t, conn).QueueDeclare(queue, false, false, true, false, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := openChannel(t, other).QueueDeclarePassive(queue, false, false, true, false, nil); err == nil {
			t.Error("an exclusive queue is another connection's, too")
		}
		if err := conn.Close(); err != nil { // it returns after close-ok
			t.Fatal(err)
		}
		var e *amqp.Error
		_, err := openChannel(t, other).QueueDeclarePassive(queue, false, false, true, false, nil)
		if !errors.As(err, &e) || e.Code != 404 {
			t.Errorf("after its connection was closed: %v, want 404", err)
		}
	})
}

// A client that does not read holds up nobody else, and takes no more of a queue than
// fits between it and the broker. One that reads beside it gets the rest, and all of it
// when the first is gone.
func TestSlowClient_HoldsUpNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		const total, share = 1200, 720 // if each took its turn, both would have 600
		ch := openChannel(t, dial(t, url))
		queue, other := declareShared(t, ch), declare(t, ch)
		lazy := open(t, url)
		if err := lazy.conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		lazy.send(1, wire.BasicConsume{Queue: queue})
		want[*wire.BasicConsumeOk](lazy)
		deliveries := consume(t, ch, queue)

		padding := make([]byte, 16<<10)
		for i := range total {
			body := append([]byte(strconv.Itoa(i)+" "), padding...)
			if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]bool{}
		take := func(n int) {
			for len(got) < n {
				d := receive(t, deliveries, 1)[0]
				number, _, _ := strings.Cut(string(d.Body), " ")
				if got[number] || d.Redelivered && n == share {
					t.Fatalf("message %s comes again", number)
				}
				got[number] = true
				if err := d.Ack(false); err != nil {
					t.Fatal(err)
				}
			}
		}
		take(share)
		publish(t, ch, other, "hello")
		if got := bodies(receive(t, consume(t, ch, other), 1)); got != "hello" {
			t.Errorf("got %q", got)
		}
		_ = lazy.conn.Close()
		take(total)
	})
}
