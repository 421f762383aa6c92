package main

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded/embeddedtest"
)

// The lecture's own programs, in Python, run unchanged but for what today's pika and
// Celery need with any broker: against Warren, and against RabbitMQ 3.10 and 4.3 where
// WARREN_AMQP_URL and WARREN_AMQP4_URL name one. What they print is the same.

// pythonPath is the interpreter that has pika and Celery.
func pythonPath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("WARREN_PYTHON")
	if path == "" {
		t.Skip("WARREN_PYTHON names no Python with pika and Celery: install Debian's python3-pika and celery, and set it to /usr/bin/python3")
	}
	return path
}

// onWarren is a broker as the README starts it, for programs in Python.
func onWarren(t *testing.T) *pythonBroker {
	t.Helper()
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(embeddedtest.Port(t)))
	interpreter := pythonPath(t)
	server := serveProcess(t, "--amqp", at)
	return &pythonBroker{t, interpreter, "amqp://guest:guest@" + at, server.url, server, t.TempDir()}
}

// onBothBrokers runs a test of Python programs on Warren and on RabbitMQ. Those on
// RabbitMQ run one after another, as their queues have the same names.
func onBothBrokers(t *testing.T, test func(b *pythonBroker)) {
	t.Helper()
	t.Parallel()
	interpreter := pythonPath(t)
	t.Run("Warren", func(t *testing.T) {
		t.Parallel()
		test(onWarren(t))
	})
	onRabbit := func(name, at string, turn *sync.Mutex) {
		if at == "" {
			return
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turn.Lock()
			t.Cleanup(turn.Unlock)
			b := &pythonBroker{T: t, python: interpreter, amqp: at, tmp: t.TempDir()}
			b.clear()
			t.Cleanup(b.clear)
			test(b)
		})
	}
	onRabbit("RabbitMQ", os.Getenv("WARREN_AMQP_URL"), &rabbitTurn)
	onRabbit("RabbitMQ 4.3", os.Getenv("WARREN_AMQP4_URL"), &rabbit4Turn)
}

var rabbitTurn, rabbit4Turn sync.Mutex

// A pythonBroker is a broker that programs in Python connect to.
type pythonBroker struct {
	*testing.T
	python string
	amqp   string         // its URL for AMQP clients
	nats   string         // and for NATS clients; "" is a RabbitMQ
	server *brokerProcess // nil is a RabbitMQ
	tmp    string         // where results are, of Celery's backend of files
}

// clear deletes what the programs declare.
func (b *pythonBroker) clear() {
	b.Helper()
	conn, err := amqp.Dial(b.amqp)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	for _, queue := range []string{"hello", "celery"} {
		if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
			b.Fatal(err)
		}
	}
	if err := ch.ExchangeDelete("logs", false, false); err != nil {
		b.Fatal(err)
	}
}

// start starts a program of a directory of testdata/python. Ctrl-C ends it with the
// test.
func (b *pythonBroker) start(dir string, args ...string) *command {
	b.Helper()
	where, err := filepath.Abs("testdata/python")
	if err != nil {
		b.Fatal(err)
	}
	c, err := newCommand(b.python, append([]string{"-u", "-B"}, args...)...)
	if err != nil {
		b.Fatal(err)
	}
	c.cmd.Dir = filepath.Join(where, dir)
	c.cmd.Env = append(c.cmd.Env, "AMQP_PORT="+portOf(b.T, b.amqp), "PYTHONPATH="+where, "TMPDIR="+b.tmp, "PYTHONDONTWRITEBYTECODE=1")
	if err := c.start(nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.cmd.Process.Signal(os.Interrupt) // it may have ended
		c.wait(b.T)
		if b.Failed() {
			b.Logf("%s said:\n%s", strings.Join(args, " "), c.said())
		}
	})
	return c
}

func portOf(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// run runs a program to its end, and gives what it said.
func (b *pythonBroker) run(dir string, args ...string) []string {
	b.Helper()
	c := b.start(dir, args...)
	c.wantEnd(b.T, 0)
	return strings.Split(c.said(), "\n")
}

// linesLike are the lines that programs have said, one after the other, that match;
// or what the match has in brackets.
func linesLike(match string, programs ...*command) []string {
	var found []string
	for _, c := range programs {
		for _, m := range regexp.MustCompile(`(?m)^`+match+`$`).FindAllStringSubmatch(c.said(), -1) {
			found = append(found, m[len(m)-1])
		}
	}
	return found
}

// awaitLike waits until programs have said so many lines, together, that match.
func awaitLike(t *testing.T, n int, match string, programs ...*command) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		var news []<-chan struct{}
		for _, c := range programs {
			_, more := c.out.with("")
			news = append(news, more)
		}
		lines := linesLike(match, programs...)
		if len(lines) >= n {
			return lines
		}
		select {
		case <-news[0]:
		case <-news[len(news)-1]:
		case <-programs[0].done:
			t.Fatalf("%s has ended", programs[0].cmd)
		case <-deadline:
			t.Fatalf("%d lines match %q, want %d", len(lines), match, n)
		}
	}
}

func wantSaid(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// receiving is what the lecture's receivers print when they have a queue.
const receiving = "Waiting for messages. To exit press CTRL\\+C"

// TestPython_Hello: the lecture's first two programs.
func TestPython_Hello(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		receiver := b.start("hello", "receive.py")
		awaitLike(b.T, 1, receiving, receiver)
		for range 2 {
			wantSaid(b.T, "the sender", b.run("hello", "send.py"), []string{"Sent 'Hello World!'"})
		}
		got := awaitLike(b.T, 2, "Received (.*)", receiver)
		wantSaid(b.T, "the receiver", got, []string{"b'Hello World!'", "b'Hello World!'"})
	})
}

// TestPython_SeveralReceivers: they take turns.
func TestPython_SeveralReceivers(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		one, two := b.start("queue", "receive.py"), b.start("queue", "receive.py")
		awaitLike(b.T, 2, receiving, one, two)
		b.run("queue", "send.py")
		awaitLike(b.T, 5, `Processed for \d+\.\d{32} sec\.`, one, two)
		const started = "Start processing (.*)"
		first, second := linesLike(started, one), linesLike(started, two)
		if len(first) < len(second) {
			first, second = second, first
		}
		wantSaid(b.T, "who was first", first, []string{"Hello World 0", "Hello World 2", "Hello World 4"})
		wantSaid(b.T, "who was second", second, []string{"Hello World 1", "Hello World 3"})
	})
}

// TestPython_Acknowledgements: what a receiver held that was killed comes to the next
// one, in its order.
func TestPython_Acknowledgements(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		killed := b.start("acknowledged", "receive.py")
		awaitLike(b.T, 1, receiving, killed)
		b.run("acknowledged", "send.py")
		awaitLike(b.T, 1, "Start processing Hello World 0", killed)
		killed.kill(b.T)
		done := len(linesLike("Processed for .*", killed))
		next := b.start("acknowledged", "receive.py")
		awaitLike(b.T, 5-done, `Processed for \d+\.\d\d sec\.`, next)
		wantSaid(b.T, "the next receiver", linesLike("Start processing (.*)", next), helloWorlds(done, 5))
	})
}

// TestPython_FairDispatch: with a prefetch of one, each message goes to who is free.
func TestPython_FairDispatch(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		one, two := b.start("fair", "receive.py"), b.start("fair", "receive.py")
		awaitLike(b.T, 2, receiving, one, two)
		b.run("fair", "send.py")
		awaitLike(b.T, 5, `Processed for .* sec\.`, one, two)
		got := awaitLike(b.T, 5, "Start processing (.*)", one, two)
		slices.Sort(got)
		wantSaid(b.T, "the receivers", got, helloWorlds(0, 5))
	})
}

// TestPython_Logs: every subscriber gets every message.
func TestPython_Logs(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		one, two := b.start("logs", "subscribe.py"), b.start("logs", "subscribe.py")
		awaitLike(b.T, 2, receiving, one, two)
		wantSaid(b.T, "the publisher", b.run("logs", "publish.py"), []string{"Sent 'Hello World!'"})
		for _, p := range []*command{one, two} {
			wantSaid(b.T, "a subscriber", awaitLike(b.T, 5, `Processing msg by (.*): Logger \d+`, p), helloWorlds(0, 5))
		}
	})
}
