package amqp091_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/streams/amqp091"
)

func TestServer_HelloWorld(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ch := openChannel(t, dial(t, url))
		queue := declare(t, ch)
		publish(t, ch, queue, "Hello World!")
		d := receive(t, consume(t, ch, queue), 1)[0]
		if string(d.Body) != "Hello World!" || d.RoutingKey != queue || d.Exchange != "" || d.Redelivered {
			t.Errorf("got %q from %q with key %q, redelivered %v", d.Body, d.Exchange, d.RoutingKey, d.Redelivered)
		}
	})
}

func TestServer_StopTellsItsClients(t *testing.T) {
	t.Parallel()
	url, stop := listenAndStop(t, amqp091.Config{})
	conn := dial(t, url)
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	stop()
	if err := <-closed; err == nil || err.Code != 320 || !strings.HasPrefix(err.Reason, "CONNECTION_FORCED - ") {
		t.Errorf("got %v, want 320 CONNECTION_FORCED", err)
	}
	if _, err := amqp.Dial(url); err == nil {
		t.Error("a client connected to a server that has stopped")
	}
}

func TestServer_ConfigIsChecked(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	for name, cfg := range map[string]amqp091.Config{
		"a frame of 4095 bytes":   {FrameMax: 4095},
		"half a second":           {Heartbeat: 500_000_000},
		"a negative timeout":      {CloseTimeout: -1},
		"a negative handshake":    {HandshakeTimeout: -1},
		"no users":                {Users: map[string]amqp091.User{}},
		"a heartbeat of a day":    {Heartbeat: 24 * 3600 * 1e9},
		"seconds and a fraction":  {Heartbeat: 1_500_000_000},
		"a vhost without a name":  {VHosts: map[string]string{"/": "no name"}},
		"a lease of a nanosecond": {Session: streams.Config{Lease: 1}},
		"no password":             {Users: map[string]amqp091.User{"alice": {}}},
		"half a hash":             {Users: map[string]amqp091.User{"alice": {PasswordHash: make([]byte, 20)}}},
		"a password and a hash":   {Users: map[string]amqp091.User{"alice": {Password: "secret", PasswordHash: make([]byte, 36)}}},
		"a user of no vhost":      {Users: map[string]amqp091.User{"alice": {Password: "secret", VHosts: []string{"nowhere"}}}},
	} {
		if _, err := amqp091.New(nc, cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestServer_Logins(t *testing.T) {
	t.Parallel()
	url := listen(t, amqp091.Config{
		Users: map[string]amqp091.User{
			"alice": {Password: "secret"},
			"bob":   {PasswordHash: hashOfTest12(t), VHosts: []string{"two"}},
		},
		VHosts: map[string]string{"/": "one", "two": "two"},
	})
	as := func(login, vhost string) string {
		return strings.TrimSuffix(strings.Replace(url, "guest:guest", login, 1), "/") + "/" + vhost
	}
	for _, to := range [][2]string{{"alice:secret", ""}, {"alice:secret", "two"}, {"bob:test12", "two"}} {
		if conn, err := amqp.Dial(as(to[0], to[1])); err != nil {
			t.Errorf("%s to %q: %v", to[0], to[1], err)
		} else {
			_ = conn.Close()
		}
	}
	for _, login := range []string{"alice:wrong", "guest:guest", "alice:", "bob:wrong", "bob:"} {
		var refused *amqp.Error
		if _, err := amqp.Dial(as(login, "two")); !errors.As(err, &refused) || refused.Code != 403 {
			t.Errorf("%s: %v, want 403", login, err)
		}
	}
	if _, err := amqp.Dial(as("bob:test12", "")); err == nil || !strings.Contains(err.Error(), "access to vhost '/' refused for user 'bob'") {
		t.Errorf("another user's vhost: %v, want 530", err)
	}
	if _, err := amqp.Dial(as("alice:secret", "three")); err == nil || !strings.Contains(err.Error(), "530") {
		t.Errorf("an unknown vhost: %v, want 530", err)
	}
	conn, err := amqp.DialConfig(as("alice:secret", ""), amqp.Config{SASL: []amqp.Authentication{&amqp.AMQPlainAuth{Username: "alice", Password: "secret"}}})
	if err != nil {
		t.Errorf("AMQPLAIN: %v", err)
	} else {
		_ = conn.Close()
	}
}

// hashOfTest12 is the example of a hash of a password, test12, in RabbitMQ's manual.
func hashOfTest12(t *testing.T) []byte {
	t.Helper()
	hash, err := base64.StdEncoding.DecodeString("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// A farListener has clients on another machine.
type farListener struct{ net.Listener }

func (l farListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return farConn{conn}, err
}

type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000} }

func TestServer_GuestFromElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		users   map[string]amqp091.User
		refused bool
	}{
		"by default":   {nil, true},
		"given a user": {map[string]amqp091.User{"guest": {Password: "guest"}}, false},
	} {
		var log strings.Builder
		cfg := amqp091.Config{Users: c.users, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		url, stop := serveAndStop(t, cfg, func(l net.Listener) net.Listener { return farListener{l} })
		conn, err := amqp.Dial(url)
		var refused *amqp.Error
		if is := errors.As(err, &refused) && refused.Code == 403; is != c.refused {
			t.Errorf("%s: got %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
		stop()
		if told := strings.Contains(log.String(), "guest may connect from this machine only"); told != c.refused {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
}

// A fullListener has no room for the first client.
type fullListener struct {
	net.Listener
	refused bool
}

func (l *fullListener) Accept() (net.Conn, error) {
	if !l.refused {
		l.refused = true
		return nil, os.NewSyscallError("accept4", syscall.EMFILE)
	}
	return l.Listener.Accept()
}

func TestServer_OutlivesAFullFileTable(t *testing.T) {
	t.Parallel()
	url, _ := serveAndStop(t, amqp091.Config{}, func(l net.Listener) net.Listener { return &fullListener{Listener: l} })
	dial(t, url)
}

// TestIdle_OneGoroutineAConnection: it reads from the client. All else is the node's. The
// test is not parallel, as it counts the goroutines of the process.
func TestIdle_OneGoroutineAConnection(t *testing.T) {
	const n = 30
	url := listen(t, amqp091.Config{})
	open(t, url)
	before := runtime.NumGoroutine()
	for range n {
		open(t, url)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		more := runtime.NumGoroutine() - before
		if more <= n+n/2 { // a few may have a round to do
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d connections that do nothing have %d goroutines, want %d", n, more, n)
		}
		runtime.Gosched()
	}
}

// TestConnect_AsksNothingOfTheBroker: what a client needs, the node of its virtual host has.
func TestConnect_AsksNothingOfTheBroker(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	url, _ := serveOn(t, nc, amqp091.Config{}, func(l net.Listener) net.Listener { return l })
	open(t, url) // which may have to wait for the node
	var messages atomic.Int64
	_, err := nc.Subscribe(">", func(*nats.Msg) { messages.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	const clients = 50
	for range clients {
		open(t, url)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := messages.Load(); n >= clients { // the node has something to say each second
		t.Errorf("%d messages while %d clients connected, want none of theirs", n, clients)
	}
}
