package amqp091_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declareWith declares a queue with arguments that goes with the client.
func declareWith(t *testing.T, ch *amqp.Channel, args amqp.Table) string {
	t.Helper()
	q, err := ch.QueueDeclare("", false, false, true, false, args)
	if err != nil {
		t.Fatal(err)
	}
	return q.Name
}

// send publishes a message with an expiration to a queue.
func send(t *testing.T, ch *amqp.Channel, queue, expiration, body string) {
	t.Helper()
	m := amqp.Publishing{Expiration: expiration, Body: []byte(body)}
	if err := ch.PublishWithContext(t.Context(), "", queue, false, false, m); err != nil {
		t.Fatal(err)
	}
}

// get takes a message, or "" if there is none.
func get(t *testing.T, ch *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	d, _, err := ch.Get(queue, false)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantReady checks how many messages wait. RabbitMQ may count before it has done what it
// was told just before.
func wantReady(t *testing.T, ch *amqp.Channel, queue string, want int, when string) {
	t.Helper()
	var got int
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(2 * time.Millisecond) {
		if got = ready(t, ch, queue); got == want {
			return
		}
	}
	t.Errorf("%s: %d messages wait, want %d", when, got, want)
}

// wantGet checks what is taken next, with a ! behind what comes again, and that so many
// are behind it.
func wantGet(t *testing.T, ch *amqp.Channel, queue, body string, behind int) amqp.Delivery {
	t.Helper()
	d := get(t, ch, queue)
	if got := bodies([]amqp.Delivery{d}); got != body || int(d.MessageCount) != behind {
		t.Errorf("got %q with %d behind it, want %q with %d", got, d.MessageCount, body, behind)
	}
	return d
}

const (
	short = 500 * time.Millisecond
	after = 600 * time.Millisecond // which a short time is over
)

func TestMessageTTL_DropsWhatHasWaited(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(short.Milliseconds())})
		publish(t, ch, queue, "1", "2")
		wantReady(t, ch, queue, 2, "at once")
		time.Sleep(after)
		wantReady(t, ch, queue, 0, "when their time is over")
		publish(t, ch, queue, "3")
		wantGet(t, ch, queue, "3", 0)
		send(t, ch, queue, "", "4")
		time.Sleep(after)
		wantGet(t, ch, queue, "", 0)
	})
}

func TestMessageTTL_TheSmallerCounts(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		long := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(60000)})
		soon := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(short.Milliseconds())})
		send(t, ch, long, "500", "own")
		send(t, ch, soon, "60000", "queue's")
		wantReady(t, ch, long, 1, "at once")
		time.Sleep(after)
		wantReady(t, ch, long, 0, "its own")
		wantReady(t, ch, soon, 0, "the queue's")
	})
}

func TestExpiration_CountsInEachQueue(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		soon := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(short.Milliseconds())})
		long := declareWith(t, ch, nil)
		for _, queue := range []string{soon, long} {
			if err := ch.QueueBind(queue, queue, "amq.fanout", false, nil); err != nil {
				t.Fatal(err)
			}
		}
		body := unique(t, "m")
		m := amqp.Publishing{Body: []byte(body)}
		if err := ch.PublishWithContext(t.Context(), "amq.fanout", "", false, false, m); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		if d := get(t, ch, soon); string(d.Body) == body {
			t.Error("the message is in the queue with a TTL")
		}
		for {
			d := get(t, ch, long)
			if d.Acknowledger == nil {
				t.Error("the message is not in the other queue")
			}
			if d.Acknowledger == nil || string(d.Body) == body {
				break
			}
		}
	})
}

// TestExpiration_OnlyAtTheFront: what waits behind a message that lives is counted, and
// goes unseen when that one leaves.
func TestExpiration_OnlyAtTheFront(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		send(t, ch, queue, "60000", "1")
		send(t, ch, queue, "100", "2")
		send(t, ch, queue, "100", "3")
		send(t, ch, queue, "60000", "4")
		time.Sleep(after)
		wantReady(t, ch, queue, 4, "behind the one that lives")
		d := wantGet(t, ch, queue, "1", 1)
		wantReady(t, ch, queue, 1, "when it is held")
		if err := d.Nack(false, true); err != nil {
			t.Fatal(err)
		}
		wantReady(t, ch, queue, 2, "when it is back")
		wantGet(t, ch, queue, "1!", 1)
		wantGet(t, ch, queue, "4", 0)
	})
}

func TestExpiration_NotWhileHeld(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(short.Milliseconds())})
		publish(t, ch, queue, "1", "2")
		first, second := wantGet(t, ch, queue, "1", 1), wantGet(t, ch, queue, "2", 0)
		time.Sleep(after)
		wantReady(t, ch, queue, 0, "while they are held")
		// It may be acknowledged still; handed back, it has ended.
		if err := first.Ack(false); err != nil {
			t.Fatal(err)
		}
		if err := second.Nack(false, true); err != nil {
			t.Fatal(err)
		}
		wantReady(t, ch, queue, 0, "when one is handed back")
		wantGet(t, ch, queue, "", 0)
	})
}

// TestExpiration_RequeueKeepsIt: the time does not begin anew.
func TestExpiration_RequeueKeepsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		send(t, ch, queue, "600", "1")
		began := time.Now()
		if err := wantGet(t, ch, queue, "1", 0).Nack(false, true); err != nil {
			t.Fatal(err)
		}
		if err := wantGet(t, ch, queue, "1!", 0).Nack(false, true); err != nil {
			t.Fatal(err)
		}
		wantReady(t, ch, queue, 1, "before its time is over")
		time.Sleep(time.Until(began.Add(650 * time.Millisecond)))
		wantReady(t, ch, queue, 0, "when its time is over")
	})
}

// TestExpiration_Requeued: what comes back behind what lives stays, and a consumer
// that waits does not get what has ended.
func TestExpiration_Requeued(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		send(t, ch, queue, "60000", "1")
		send(t, ch, queue, "500", "2")
		send(t, ch, queue, "60000", "3")
		wantGet(t, ch, queue, "1", 2)
		wantGet(t, ch, queue, "2", 1)
		last := wantGet(t, ch, queue, "3", 0)
		time.Sleep(after)
		if err := ch.Nack(last.DeliveryTag, true, true); err != nil {
			t.Fatal(err)
		}
		wantReady(t, ch, queue, 3, "when all are back")
		deliveries := consume(t, ch, queue)
		got := receive(t, deliveries, 2)
		if text := bodies(got); text != "1! 3!" {
			t.Errorf("got %q, want 1 and 3 again", text)
		}
		wantReady(t, ch, queue, 0, "when they are held")
	})
}

func TestTTL0_IsForWhoWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		ch := openChannel(t, conn)
		queues := map[string]string{
			"the queue's": declareWith(t, ch, amqp.Table{"x-message-ttl": int32(0)}),
			"its own":     declareWith(t, ch, nil),
		}
		for what, queue := range queues {
			t.Log(what)
			send(t, ch, queue, "0", "nobody waits")
			wantReady(t, ch, queue, 0, "nobody waits")
			wantGet(t, ch, queue, "", 0)
			consumers := openChannel(t, conn)
			if err := consumers.Qos(2, 0, false); err != nil {
				t.Fatal(err)
			}
			deliveries := consume(t, consumers, queue)
			for i := range 3 {
				send(t, ch, queue, "0", fmt.Sprint(i))
			}
			got := receive(t, deliveries, 2)
			if text := bodies(got); text != "0 1" {
				t.Errorf("got %q, want the two for which there was room", text)
			}
			wantReady(t, ch, queue, 0, "no room was left")
			if err := got[1].Ack(true); err != nil {
				t.Fatal(err)
			}
			wantReady(t, consumers, queue, 0, "acknowledged") // room was given back
			send(t, ch, queue, "0", "3")
			d := receive(t, deliveries, 1)[0]
			if string(d.Body) != "3" {
				t.Errorf("got %q, want 3", d.Body)
			}
			// Handed back, it is for nobody any more.
			if err := d.Nack(false, true); err != nil {
				t.Fatal(err)
			}
			wantReady(t, consumers, queue, 0, "handed back")
			send(t, ch, queue, "0", "4")
			if d := receive(t, deliveries, 1)[0]; string(d.Body) != "4" {
				t.Errorf("got %q, want 4", d.Body)
			}
		}
	})
}

// TestTTL0_IsRouted: a mandatory message that ends at once does not come back.
func TestTTL0_IsRouted(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declareWith(t, ch, amqp.Table{"x-message-ttl": int32(0)})
		returned := ch.NotifyReturn(make(chan amqp.Return, 1))
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false, amqp.Publishing{Body: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := confirm.WaitContext(t.Context()); !ok || err != nil {
			t.Errorf("confirmed: %t, %v", ok, err)
		}
		wantReady(t, ch, queue, 0, "published")
		select {
		case r := <-returned:
			t.Errorf("%q came back", r.Body)
		default:
		}
	})
}

// TestExpiration_ConsumersWithoutRoom: what ends while a consumer's prefetch is used up
// does not come.
func TestExpiration_ConsumersWithoutRoom(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		ch, consumers := openChannel(t, conn), openChannel(t, conn)
		queue := declare(t, ch)
		if err := consumers.Qos(1, 0, false); err != nil {
			t.Fatal(err)
		}
		deliveries := consume(t, consumers, queue)
		send(t, ch, queue, "100", "1")
		first := receive(t, deliveries, 1)[0]
		send(t, ch, queue, "500", "2")
		send(t, ch, queue, "", "3")
		wantReady(t, ch, queue, 2, "at once")
		time.Sleep(after)
		wantReady(t, ch, queue, 1, "when one has ended")
		if err := first.Ack(false); err != nil {
			t.Fatal(err)
		}
		if d := receive(t, deliveries, 1)[0]; string(d.Body) != "3" {
			t.Errorf("got %q, want 3", d.Body)
		}
	})
}

// TestExpiration_IsKept: the property arrives as it was sent. RabbitMQ 4.3 writes the
// number anew.
func TestExpiration_IsKept(t *testing.T) {
	arrives := func(want map[string]string) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			ch := openChannel(t, dial(t, url))
			queue := declare(t, ch)
			for sent, want := range want {
				send(t, ch, queue, sent, "1")
				if d := wantGet(t, ch, queue, "1", 0); d.Expiration != want {
					t.Errorf("sent with expiration %q, got %q, want %q", sent, d.Expiration, want)
				}
			}
		}
	}
	onBothBut43(t,
		arrives(map[string]string{"60000": "60000", "007000": "007000", "+9000": "+9000", "315360000000": "315360000000"}),
		arrives(map[string]string{"60000": "60000", "007000": "7000", "+9000": "9000", "315360000000": "315360000000"}))
}

func TestExpiration_PurgeAndDeleteDoNotCountIt(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		purged, deleted := declare(t, ch), declare(t, ch)
		for _, queue := range []string{purged, deleted} {
			send(t, ch, queue, "100", "1")
			send(t, ch, queue, "60000", "2")
			send(t, ch, queue, "100", "3")
		}
		time.Sleep(after)
		if n, err := ch.QueuePurge(purged, false); n != 2 || err != nil {
			t.Errorf("purged %d, %v; want 2", n, err)
		}
		if n, err := ch.QueueDelete(deleted, false, false, false); n != 2 || err != nil {
			t.Errorf("deleted with %d, %v; want 2", n, err)
		}
		empty := declare(t, ch)
		send(t, ch, empty, "100", "1")
		time.Sleep(after)
		if _, err := ch.QueueDelete(empty, false, true, false); err != nil {
			t.Errorf("delete if empty: %v", err)
		}
	})
}

func TestExpiration_Refused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		for expiration, why := range map[string]string{
			"-1": "{value_negative,-1}", " 5": "no_integer", "5 ": `{leftover_string," "}`, "1.5": `{leftover_string,".5"}`,
			"x": "no_integer", "5x": `{leftover_string,"x"}`, "+": "no_integer", "-": "no_integer", "315360000001": "{value_too_large,315360000001}",
		} {
			ch := openChannel(t, conn)
			queue := declare(t, ch)
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			send(t, ch, queue, expiration, "1")
			want := "PRECONDITION_FAILED - invalid expiration '" + expiration + "': " + why
			if e := <-closed; e == nil || e.Code != 406 || e.Reason != want {
				t.Errorf("expiration %q: got %v, want %s", expiration, e, want)
			}
		}
	})
}

func TestMessageTTL_Refused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) { refusedArguments(t, dial(t, url), "x-message-ttl", nil) })
}

// refusedArguments declares queues with a time that is none, and with some that are.
func refusedArguments(t *testing.T, conn *amqp.Connection, arg string, more map[any]string) {
	t.Helper()
	wrong := map[any]string{
		int32(-1): "{value_negative,-1}", int64(315360000001): "{value_too_large,315360000001}",
		"100": `"expected integer, got longstr"`, 1.0: `"expected integer, got double"`, float32(1): `"expected integer, got float"`,
		true: `"expected integer, got bool"`, nil: `"expected integer, got void"`, time.Unix(5, 0): `"expected integer, got timestamp"`,
		amqp.Decimal{Scale: 1, Value: 10}: `"expected integer, got decimal"`,
	}
	for value, why := range more {
		wrong[value] = why
	}
	for value, why := range wrong {
		name := unique(t, "q")
		_, err := openChannel(t, conn).QueueDeclare(name, false, false, true, false, amqp.Table{arg: value})
		want := fmt.Sprintf("PRECONDITION_FAILED - invalid arg '%s' for queue '%s' in vhost '/': %s", arg, name, why)
		if e := new(amqp.Error); !errors.As(err, &e) || e.Code != 406 || e.Reason != want {
			t.Errorf("%s %T %v: got %v, want %s", arg, value, value, err, want)
		}
	}
	for _, value := range []any{int8(5), uint8(200), int16(300), uint16(300), int32(70000), uint32(70000), int64(315360000000)} {
		if _, err := openChannel(t, conn).QueueDeclare("", false, false, true, false, amqp.Table{arg: value}); err != nil {
			t.Errorf("%s %T %v: %v", arg, value, value, err)
		}
	}
}

func TestMessageTTL_Equivalence(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) { equivalentArguments(t, dial(t, url), "x-message-ttl") })
}

// equivalentArguments declares queues twice.
func equivalentArguments(t *testing.T, conn *amqp.Connection, arg string) {
	t.Helper()
	for _, twice := range []struct {
		first, second any
		why           string // after the name of the queue; empty if they are the same
	}{
		{int32(100_000), int64(100_000), ""},
		{int8(100), uint16(100), ""},
		{int32(100_000), int32(200_000), "received '200000' but current is '100000'"},
		{int32(100_000), nil, "received none but current is the value '100000' of type 'signedint'"},
		{int64(100_000), nil, "received none but current is the value '100000' of type 'long'"},
		{int16(1000), nil, "received none but current is the value '1000' of type 'short'"},
		{nil, uint8(200), "received the value '200' of type 'unsignedbyte' but current is none"},
	} {
		ch := openChannel(t, conn)
		name := unique(t, "q")
		table := func(value any) amqp.Table {
			if value == nil {
				return nil
			}
			return amqp.Table{arg: value}
		}
		if _, err := ch.QueueDeclare(name, false, false, true, false, table(twice.first)); err != nil {
			t.Fatal(err)
		}
		_, err := ch.QueueDeclare(name, false, false, true, false, table(twice.second))
		want := ""
		if twice.why != "" {
			want = fmt.Sprintf("Exception (406) Reason: %q",
				fmt.Sprintf("PRECONDITION_FAILED - inequivalent arg '%s' for queue '%s' in vhost '/': %s", arg, name, twice.why))
		}
		if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != want {
			t.Errorf("%v, then %v: got %q, want %q", twice.first, twice.second, got, want)
		}
	}
}

const expires = time.Second

// wantExpired checks that a queue has gone.
func wantExpired(t *testing.T, ch *amqp.Channel, queue, when string) {
	t.Helper()
	_, err := ch.QueueDeclarePassive(queue, false, false, true, false, nil)
	e := new(amqp.Error)
	if !errors.As(err, &e) || e.Code != 404 || e.Reason != "NOT_FOUND - no queue '"+queue+"' in vhost '/'" {
		t.Errorf("%s: got %v, want 404", when, err)
	}
}

func TestQueueTTL_BeginsAnew(t *testing.T) {
	args := amqp.Table{"x-expires": int32(expires.Milliseconds())}
	for what, use := range map[string]struct {
		do      func(ch *amqp.Channel, queue string) error
		expires bool
	}{
		"nothing": {func(*amqp.Channel, string) error { return nil }, true},
		"declare": {func(ch *amqp.Channel, queue string) error {
			_, err := ch.QueueDeclare(queue, false, false, true, false, args)
			return err
		}, false},
		"passive declare": {func(ch *amqp.Channel, queue string) error {
			_, err := ch.QueueDeclarePassive(queue, false, false, true, false, args)
			return err
		}, false},
		"get": {func(ch *amqp.Channel, queue string) error {
			_, _, err := ch.Get(queue, false)
			return err
		}, false},
		"the end of a consumer": {func(ch *amqp.Channel, queue string) error {
			if _, err := ch.Consume(queue, "tag", false, false, false, false, nil); err != nil {
				return err
			}
			return ch.Cancel("tag", false)
		}, false},
		"publish": {func(ch *amqp.Channel, queue string) error {
			return ch.Publish("", queue, false, false, amqp.Publishing{})
		}, true},
		"bind and unbind": {func(ch *amqp.Channel, queue string) error {
			return errors.Join(ch.QueueBind(queue, "k", "amq.direct", false, nil), ch.QueueUnbind(queue, "k", "amq.direct", nil))
		}, true},
		"purge": {func(ch *amqp.Channel, queue string) error {
			_, err := ch.QueuePurge(queue, false)
			return err
		}, true},
	} {
		t.Run(what, func(t *testing.T) {
			onBoth(t, func(t *testing.T, url string) {
				anew, sure := false, false
				for try := 0; !sure && try < 5; try++ {
					anew, sure = beginsAnew(t, url, args, use.do)
				}
				if !sure || anew == use.expires {
					t.Errorf("begins anew: got %v, sure %v; want %v", anew, sure, !use.expires)
				}
			})
		})
	}
}

// beginsAnew uses a queue before it expires, and reports whether it is kept longer for that.
// It is not sure when all of that took too long to tell.
func beginsAnew(t *testing.T, url string, args amqp.Table, use func(ch *amqp.Channel, queue string) error) (anew, sure bool) {
	t.Helper()
	conn := dial(t, url)
	ch, looks := openChannel(t, conn), openChannel(t, conn)
	queue := unique(t, "q")
	began := time.Now()
	if _, err := ch.QueueDeclare(queue, false, false, true, false, args); err != nil {
		t.Fatal(err)
	}
	time.Sleep(expires * 6 / 10)
	used := time.Now()
	err := use(ch, queue)
	if time.Since(began) > expires*9/10 {
		return false, false
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		looked := time.Now()
		_, err := looks.QueuePurge(queue, false) // which is no use
		switch e := new(amqp.Error); {
		case err == nil && looked.Sub(used) > expires*9/10:
			return true, true
		case err == nil:
			time.Sleep(20 * time.Millisecond)
		case !errors.As(err, &e) || e.Code != amqp.NotFound:
			t.Fatal(err)
		default: // it went between the look before and this one
			return false, time.Since(used) < expires
		}
	}
}

// TestQueueTTL_ConsumersKeepIt, and what was taken and is not settled does not.
func TestQueueTTL_ConsumersKeepIt(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn := dial(t, url)
		ch, consumers := openChannel(t, conn), openChannel(t, conn)
		args := amqp.Table{"x-expires": int32(expires.Milliseconds())}
		consumed, held := declareWith(t, ch, args), declareWith(t, ch, args)
		deliveries := consume(t, consumers, consumed)
		publish(t, ch, held, "1")
		d := wantGet(t, ch, held, "1", 0)
		time.Sleep(expires * 25 / 10)
		publish(t, ch, consumed, "kept")
		receive(t, deliveries, 1)
		wantExpired(t, openChannel(t, conn), held, "held")
		if err := d.Ack(false); err != nil { // it went with its queue
			t.Error(err)
		}
		if err := consumers.Close(); err != nil { // which ends the consumer
			t.Fatal(err)
		}
		time.Sleep(expires * 6 / 10)
		if n, err := ch.QueuePurge(consumed, false); n != 1 || err != nil {
			t.Errorf("purged %d, %v; want the one that was not settled", n, err)
		}
		time.Sleep(expires * 7 / 10)
		wantExpired(t, openChannel(t, conn), consumed, "without consumers")
	})
}

// TestQueueTTL_OfAClientThatGoes: a shared queue goes on without it.
func TestQueueTTL_OfAClientThatGoes(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		conn, other := dial(t, url), dial(t, url)
		args := amqp.Table{"x-expires": int32(expires.Milliseconds())}
		ch := openChannel(t, conn)
		q, err := ch.QueueDeclare(unique(t, "q"), true, false, false, false, args)
		if err != nil {
			t.Fatal(err)
		}
		consume(t, ch, q.Name)
		time.Sleep(expires * 15 / 10)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(expires * 6 / 10)
		probe := openChannel(t, other)
		if _, err := probe.QueuePurge(q.Name, false); err != nil { // no use of it
			t.Errorf("the queue has gone early: %v", err)
		}
		time.Sleep(expires * 7 / 10)
		wantExpired(t, openChannel(t, other), q.Name, "after its client")
	})
}

func TestQueueTTL_Refused(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		refusedArguments(t, dial(t, url), "x-expires", map[any]string{int32(0): "{value_zero,0}"})
	})
}

func TestQueueTTL_Equivalence(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) { equivalentArguments(t, dial(t, url), "x-expires") })
}
