package amqp091_test

import (
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/streams/amqp091"
)

// A client whose messages the broker has no room for is told, and waits. When others
// have made room, everything it has published is in the queue, once.
func TestBlocked_PublishersWaitForRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		confirm bool
		server  embedded.Config
		mode    uint8
	}{
		"memory":                         {false, embedded.Config{MaxMemory: 4 << 20}, amqp.Transient},
		"memory, with confirms":          {true, embedded.Config{MaxMemory: 4 << 20}, amqp.Transient},
		"store, with confirms":           {true, embedded.Config{MaxStore: 4 << 20}, amqp.Persistent},
		"store, each synced, in batches": {true, embedded.Config{MaxStore: 4 << 20, SyncAlways: true}, amqp.Persistent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := embeddedtest.Start(t, c.server)
			url, _ := serveOn(t, broker.Connect(t), amqp091.Config{
				// A broker that syncs each of a thousand messages may take long.
				Session: streams.Config{Lease: time.Minute, Timeout: time.Minute},
				Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
			}, func(l net.Listener) net.Listener { return l })
			blockAndDrain(t, url, c.confirm, c.mode)
		})
	}
}

const (
	blockedMessage = 16 << 10 // bytes
	moreMessages   = 100      // are published to a broker that has no room
	lastMessage    = 1 << 31  // is added to the last number
)

func blockAndDrain(t *testing.T, url string, confirm bool, mode uint8) {
	t.Helper()
	publisher := dial(t, url)
	blocked := notifyBlocked(publisher)
	out := openChannel(t, publisher)
	if _, err := out.QueueDeclare("full", mode == amqp.Persistent, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if confirm {
		if err := out.Confirm(false); err != nil {
			t.Fatal(err)
		}
	}
	full := make(chan struct{})
	published := make(chan []*amqp.DeferredConfirmation, 1)
	go func() { published <- publishNumbers(out, full, mode) }()
	if b := receive(t, blocked, 1)[0]; !b.Active || !strings.Contains(b.Reason, "limit is reached") {
		t.Errorf("the client was told %+v", b)
	}
	close(full)

	in := openChannel(t, dial(t, url))
	deliveries := consume(t, in, "full")
	seen := make(map[uint32]bool)
	for total := ^uint32(0); uint32(len(seen)) < total; {
		d := receive(t, deliveries, 1)[0]
		n := binary.BigEndian.Uint32(d.Body)
		if n >= lastMessage {
			n -= lastMessage
			total = n + 1
		}
		if n >= total || seen[n] {
			t.Fatalf("message %d came again", n)
		}
		seen[n] = true
		if err := d.Ack(false); err != nil {
			t.Fatal(err)
		}
	}
	confirms := <-published
	if len(confirms) != len(seen) {
		t.Errorf("%d messages came of %d that were published", len(seen), len(confirms))
	}
	for _, c := range confirms {
		if c != nil && !c.Wait() {
			t.Fatalf("message %d was refused", c.DeliveryTag)
		}
	}
	for receive(t, blocked, 1)[0].Active {
	}
}

// notifyBlocked has room for all that a client may be told.
func notifyBlocked(conn *amqp.Connection) chan amqp.Blocking {
	return conn.NotifyBlocked(make(chan amqp.Blocking, 1000))
}

// publishNumbers publishes until the broker is full, and some more then, or until the
// connection is lost.
func publishNumbers(ch *amqp.Channel, full <-chan struct{}, mode uint8) (confirms []*amqp.DeferredConfirmation) {
	body := make([]byte, blockedMessage)
	for i, more := uint32(0), moreMessages; more > 0; i++ {
		select {
		case <-full:
			more--
		default:
		}
		n := i
		if more == 0 {
			n += lastMessage
		}
		binary.BigEndian.PutUint32(body, n)
		c, err := ch.PublishWithDeferredConfirm("", "full", false, false, amqp.Publishing{DeliveryMode: mode, Body: body})
		if err != nil {
			return confirms
		}
		confirms = append(confirms, c)
	}
	return confirms
}

// A client that is lost while its connection is not read is noticed by its heartbeats:
// what it held is back.
func TestBlocked_AClientThatIsLostIsNoticed(t *testing.T) {
	t.Parallel()
	broker := embeddedtest.Start(t, embedded.Config{MaxMemory: 4 << 20})
	url, _ := serveOn(t, broker.Connect(t), amqp091.Config{}, func(l net.Listener) net.Listener { return l })
	other := openChannel(t, dial(t, url))
	for _, queue := range []string{"full", "held"} {
		if _, err := other.QueueDeclare(queue, false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.PublishWithContext(t.Context(), "", "held", false, false, amqp.Publishing{Body: []byte("held")}); err != nil {
		t.Fatal(err)
	}

	var socket net.Conn
	lost, err := amqp.DialConfig(url, amqp.Config{Heartbeat: 3 * time.Second, Dial: func(network, address string) (net.Conn, error) {
		var err error
		socket, err = net.Dial(network, address)
		return socket, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	blocked := notifyBlocked(lost)
	receive(t, consume(t, openChannel(t, lost), "held"), 1)
	published := make(chan struct{})
	ch := openChannel(t, lost)
	go func() {
		defer close(published)
		publishNumbers(ch, nil, amqp.Transient)
	}()
	receive(t, blocked, 1)
	_ = socket.Close()
	<-published

	if d := receive(t, consume(t, other, "held"), 1)[0]; !d.Redelivered {
		t.Error("what the lost client held came for the first time")
	}
}
