package amqp091_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		if err := serveAlone(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	embeddedtest.Main(m)
}

// listen starts a server on a free port and returns its URL. It ends with the test.
func listen(tb testing.TB, cfg amqp091.Config) string {
	tb.Helper()
	url, _ := listenAndStop(tb, cfg)
	return url
}

// listenAndStop is listen, and a function that stops the server before.
func listenAndStop(tb testing.TB, cfg amqp091.Config) (url string, stop func()) {
	tb.Helper()
	return serveAndStop(tb, cfg, func(l net.Listener) net.Listener { return l })
}

// serveAndStop is listenAndStop on a listener that is made of one of the system.
func serveAndStop(tb testing.TB, cfg amqp091.Config, on func(net.Listener) net.Listener) (url string, stop func()) {
	tb.Helper()
	return serveOn(tb, embeddedtest.Connect(tb), cfg, on)
}

// serveOn is serveAndStop in front of a broker.
func serveOn(tb testing.TB, nc *nats.Conn, cfg amqp091.Config, on func(net.Listener) net.Listener) (url string, stop func()) {
	tb.Helper()
	server, err := amqp091.New(nc, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, on(l)) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-served; err != nil {
			tb.Error(err)
		}
	}
	tb.Cleanup(stop)
	return "amqp://guest:guest@" + l.Addr().String() + "/", stop
}

// onBoth runs a test against Warren and against RabbitMQ, 3.10 and 4.3, where there are
// any: what the test asks for is what RabbitMQ does. Names of queues and exchanges are
// made with unique.
func onBoth(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	onEach(t, f, f, f)
}

// onBothBut43 is onBoth for what Warren does as RabbitMQ 3.10; 4.3 does what on43 asks
// for.
func onBothBut43(t *testing.T, f, on43 func(t *testing.T, url string)) {
	t.Helper()
	onEach(t, f, f, on43)
}

// onEach runs a test of its own against each of the three brokers; nil is none.
func onEach(t *testing.T, onWarren, on310, on43 func(t *testing.T, url string)) {
	t.Helper()
	t.Parallel()
	t.Run("warren", func(t *testing.T) {
		t.Parallel()
		onWarren(t, listen(t, amqp091.Config{}))
	})
	for _, rabbit := range []struct {
		name, url string
		test      func(t *testing.T, url string)
	}{
		{"rabbitmq 3.10", os.Getenv("WARREN_AMQP_URL"), on310},
		{"rabbitmq 4.3", os.Getenv("WARREN_AMQP4_URL"), on43},
	} {
		if rabbit.url == "" || rabbit.test == nil {
			continue
		}
		t.Run(rabbit.name, func(t *testing.T) {
			t.Parallel()
			rabbit.test(t, rabbit.url)
		})
	}
}

// unique is a name that no other run of a test uses on the same broker.
func unique(tb testing.TB, name string) string {
	tb.Helper()
	return fmt.Sprintf("%s.%s.%d", strings.ReplaceAll(tb.Name(), "/", "."), name, time.Now().UnixNano())
}

// dial connects a client, which is closed with the test.
func dial(tb testing.TB, url string) *amqp.Connection {
	tb.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

func openChannel(tb testing.TB, conn *amqp.Connection) *amqp.Channel {
	tb.Helper()
	ch, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return ch
}

// declareShared declares a queue for all clients, which goes with its last consumer.
func declareShared(t *testing.T, ch *amqp.Channel) string {
	t.Helper()
	q, err := ch.QueueDeclare(unique(t, "q"), false, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q.Name
}

// declare declares a queue that goes with the client.
func declare(tb testing.TB, ch *amqp.Channel) string {
	tb.Helper()
	q, err := ch.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return q.Name
}

// publish publishes messages to a queue and waits until they are there.
func publish(t *testing.T, ch *amqp.Channel, queue string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
}

// consume starts a consumer that acknowledges by itself.
func consume(tb testing.TB, ch *amqp.Channel, queue string) <-chan amqp.Delivery {
	tb.Helper()
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return deliveries
}

// receive takes the next that a client is sent: deliveries, or what else it listens to.
func receive[T any](t *testing.T, from <-chan T, n int) []T {
	t.Helper()
	var got []T
	for len(got) < n {
		select {
		case v, ok := <-from:
			if !ok {
				t.Fatalf("the channel was closed after %d of %d", len(got), n)
			}
			got = append(got, v)
		case <-time.After(time.Minute):
			t.Fatalf("got %d of %d", len(got), n)
		}
	}
	return got
}

// bodies are the bodies of deliveries, and a ! behind those that come again.
func bodies(deliveries []amqp.Delivery) string {
	var all []string
	for _, d := range deliveries {
		text := string(d.Body)
		if d.Redelivered {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// A raw client says what it is told to.
type raw struct {
	t      testing.TB
	conn   net.Conn
	frames *wire.Reader
}

// connect connects a raw client that has said nothing.
func connect(tb testing.TB, address string) *raw {
	tb.Helper()
	at, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{tb, conn, wire.NewReader(bufio.NewReader(conn), 0)}
}

// open is connect and the handshake, and a channel 1.
func open(tb testing.TB, url string) *raw {
	tb.Helper()
	c := openBare(tb, url)
	c.send(1, wire.ChannelOpen{})
	want[*wire.ChannelOpenOk](c)
	return c
}

// openBare is open without a channel.
func openBare(tb testing.TB, url string) *raw {
	tb.Helper()
	c := connect(tb, url)
	c.start("guest", streams.Table{})
	want[*wire.ConnectionTune](c)
	c.send(0, wire.ConnectionTuneOk{ChannelMax: 100, FrameMax: 131072})
	c.send(0, wire.ConnectionOpen{VirtualHost: "/"})
	want[*wire.ConnectionOpenOk](c)
	return c
}

// start sends the protocol header and logs in as guest.
func (c *raw) start(password string, properties streams.Table) {
	c.t.Helper()
	c.write(wire.ProtocolHeader)
	want[*wire.ConnectionStart](c)
	c.send(0, wire.ConnectionStartOk{
		ClientProperties: properties, Mechanism: "PLAIN", Locale: "en_US",
		Response: wire.LongStr("\x00guest\x00" + password),
	})
}

func (c *raw) write(octets string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(octets)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) send(channel uint16, m wire.Method) {
	c.t.Helper()
	frame, err := wire.AppendMethod(nil, channel, m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(string(frame))
}

// publish sends a message on channel 1.
func (c *raw) publish(m *wire.BasicPublish, message streams.Message) {
	c.t.Helper()
	c.send(1, m)
	frames, err := wire.AppendHeader(nil, 1, len(message.Body), &message)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(string(wire.AppendBody(frames, 1, message.Body, 4096)))
}

// next reads the next method; nil says that the server has hung up.
func (c *raw) next() wire.Method {
	c.t.Helper()
	for {
		f, err := c.frames.Next()
		if err != nil {
			return nil
		}
		payload, err := c.frames.Payload()
		if err != nil {
			return nil
		}
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.ParseMethod(payload)
		if err != nil {
			c.t.Fatal(err)
		}
		return m
	}
}

// hangUp says that no more comes, and returns when the server has hung up, too.
func (c *raw) hangUp() {
	c.t.Helper()
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	if f, err := c.frames.Next(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("got a frame of type %d, %v; want the end", f.Type, err)
	}
	_ = c.conn.Close()
}

// want reads the next method, which is to be of a type.
func want[M wire.Method](c *raw) M {
	c.t.Helper()
	m := c.next()
	wanted, ok := m.(M)
	if !ok {
		c.t.Fatalf("got %s %+v, want %s", wire.Name(m), m, wire.Name(wanted))
	}
	return wanted
}
