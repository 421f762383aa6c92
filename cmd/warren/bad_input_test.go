package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
)

// TestBadInput: what makes no sense is refused with one line that says what to
// do, and nothing on stdout.
func TestBadInput(t *testing.T) {
	t.Parallel()
	broker := embeddedtest.Listen(t).URL()
	long := strings.Repeat("q", 256)
	tests := []struct {
		name   string
		args   string
		code   int
		stderr string
	}{
		{"no such command", "sned", exitUsage, `there is no command "warren sned"; did you mean send?`},
		{"no such subcommand", "list messages", exitUsage, `there is no command "warren list messages"`},
		{"no such flag", "receive --loudly", exitUsage, "unknown flag: --loudly"},
		{"no such command, with a flag", "sned --count 1", exitUsage, `there is no command "warren sned"; did you mean send?`},
		{"no such subcommand, with a flag", "list qeues --json", exitUsage, `there is no command "warren list qeues"; did you mean queues?`},
		{"no such topic of help", "help sned", exitUsage, `there is no command "warren sned"; did you mean send?`},
		{"mistyped flag", "receive --cuont 1", exitUsage, "unknown flag: --cuont; did you mean --count?"},
		{"flag with one dash", "receive -count 1", exitUsage, "in -count; did you mean --count?"},
		{"no such short flag", "send -x", exitUsage, "unknown shorthand flag: 'x'"},
		{"flag without a value", "send --queue", exitUsage, "flag needs an argument: --queue"},
		{"number that is none", "send --count five", exitUsage, `invalid argument "five" for "--count" flag: use a whole number`},
		{"number that is too large", "send --count 99999999999999999999", exitUsage, `for "--count" flag: it is too large`},
		{"rate that is no number at all", "generate --rate fast", exitUsage, `for "--rate" flag: use a number`},
		{"no city", "weather", exitUsage, "the city is missing"},
		{"city that is none", "weather ...", exitUsage, `"..." is no city: give its name, as in "Kyiv"`},
		{"source that is none", "weather Kyiv --source bbc", exitUsage, `unknown weather source "bbc": give open-meteo, wttr, or the http://`},
		{"units that are none", "weather Kyiv --units kelvin", exitUsage, `unknown units "kelvin": give metric or imperial`},
		{"interval that is none", "weather Kyiv --every 0s", exitUsage, "--every is 0s; use a second or more"},
		{"interval that is no time", "weather Kyiv --every often", exitUsage, `for "--every" flag: use a time like 10s`},
		{"once, every hour", "weather Kyiv --once --every 1h", exitUsage, "--once tells one reading: leave out --every"},
		{"lease that is no time", "send --lease soon", exitUsage, `for "--lease" flag: use a time like 10s`},
		{"neither true nor false", "send --durable=maybe", exitUsage, `for "--durable" flag: use true or false`},
		{"negative count", "send --count -1", exitUsage, "--count is -1; use 1 or more"},
		{"count of nothing", "send --count 0", exitUsage, "--count is 0; use 1 or more"},
		{"negative count of a receiver", "receive --count -1", exitUsage, "not negative"},
		{"negative prefetch", "receive --prefetch -1", exitUsage, "not negative"},
		{"work that is no time", "receive --work hard", exitUsage, "use a time like 2s"},
		{"work backwards", "receive --work 5s-1s", exitUsage, "the shorter first"},
		{"rate that is no number", "generate --rate NaN", exitUsage, "--rate is NaN; use"},
		{"rate of one in an age", "generate --rate 1e-300", exitUsage, "--rate is 1e-300; use"},
		{"rate of nothing", "generate --rate 0", exitUsage, "--rate is 0; use 0.000001 to 1000000"},
		{"too many arguments", "receive hello", exitUsage, `"hello" is one argument too many: 'warren receive' takes none`},
		{"missing severity", "receive-logs-direct", exitUsage, "requires at least 1 arg(s)"},
		{"missing text", "emit-log-topic kern.critical", exitUsage, "requires at least 2 arg(s)"},
		{"missing queue", "queue purge", exitUsage, "accepts 1 arg(s), received 0"},
		{"unknown type", "subscribe refund --log x.log", exitUsage, `unknown type "refund"`},
		{"missing log", "subscribe order", exitUsage, "--log FILE is missing"},
		{"unknown column", "list queues size", exitUsage, `unknown column "size"`},
		{"directory without embedded", "send --dir data", exitUsage, "--dir goes with --embedded"},
		{"demo on another broker", "demo", exitUsage, "--server is for the other commands"},
		{"lease too short", "send --lease 1ms", exitFailure, "lease is 1ms; use at least 100ms"},
		{"too many replicas", "send --replicas 6", exitFailure, "replicas is 6; use 1 to 5"},
		{"replicas without a cluster", "send --replicas 3", exitFailure, "replicas"},
		{"vhost with a dot", "send --vhost a.b", exitFailure, `vhost 'a.b' has a '.' in it`},
		{"queue name too long", "send --queue " + long, exitFailure, "the name of the queue is 256 bytes long"},
		{"queue without a name", "send --queue=", exitUsage, "--queue is empty"},
		{"queue without a name to receive from", "receive --queue=", exitUsage, "--queue is empty"},
		{"reserved queue name", "send --queue amq.mine", exitFailure, "403 ACCESS_REFUSED"},
		{"routing key too long", "emit-log-topic " + long + " text", exitFailure, "255"},
		{"binding key too long", "receive-logs-direct " + long, exitFailure, "255"},
		{"too many wildcards", "receive-logs-topic #.a.#.b.#", exitFailure, "406 PRECONDITION_FAILED"},
		{"no such queue", "queue purge nowhere", exitFailure, "404 NOT_FOUND - no queue 'nowhere'"},
		{"no such exchange", "exchange delete nowhere", exitFailure, "404 NOT_FOUND - no exchange 'nowhere'"},
		{"the default exchange", "exchange delete amq.direct", exitFailure, "403 ACCESS_REFUSED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused(t, append([]string{"--server", broker}, strings.Fields(test.args)...), test.code, test.stderr)
		})
	}
}

// TestBench_NumbersWithoutEnd: a run that never ends, or a body that no broker takes,
// is refused before anything is measured.
func TestBench_NumbersWithoutEnd(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, stderr string }{
		{"--for 2562047h", "--for is 2562047h0m0s and --repeats 3; use at most 1h0m0s and 1000"},
		{"--repeats 9223372036854775807", "--for is 1s and --repeats 9223372036854775807; use at most 1h0m0s and 1000"},
		{"--size 9223372036854775807", "--size is 9223372036854775807; use at most 67108864"},
	}
	for _, test := range tests {
		refused(t, append([]string{"bench"}, strings.Fields(test.args)...), exitUsage, test.stderr)
	}
}

// TestBadServer: whatever answers, or does not, one line says what to do.
func TestBadServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		server string
		code   int
		stderr string
	}{
		{"nobody there", "nats://127.0.0.1:1", exitFailure, "no broker at nats://127.0.0.1:1: type 'warren serve' in another terminal, or add --embedded"},
		{"no address", "nats://", exitUsage, "write it like nats://127.0.0.1:4222"},
		{"bad port", "nats://127.0.0.1:port", exitUsage, "write it like nats://127.0.0.1:4222"},
		{"no such port", "nats://127.0.0.1:65536", exitUsage, "write it like nats://127.0.0.1:4222"},
		{"a web address", "http://127.0.0.1:8222", exitUsage, "write it like nats://127.0.0.1:4222"},
		{"a RabbitMQ's", "amqp://guest:guest@127.0.0.1:5672", exitUsage, "is a RabbitMQ's address"},
		{"an old server", fake(t, `{"version":"2.9.25","headers":true,"jetstream":true,"max_payload":1048576}`), exitFailure, "is version 2.9.25; Warren needs 2.11 or newer"},
		{"a server without JetStream", fake(t, `{"version":"2.15.2","headers":true,"max_payload":1048576}`), exitFailure, "the NATS server has no JetStream; start it with JetStream enabled"},
		{"not a NATS server", banner(t, "SSH-2.0-OpenSSH_9.6\r\n"), exitFailure, "what answers at"},
		{"one that hangs up", banner(t, ""), exitFailure, "what answers at"},
		{"half a NATS server", banner(t, "INFO {no}\r\n"), exitFailure, "what answers at"},
		{"one that says nothing", listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), exitFailure, "no NATS server answers at"},
		{"no WebSocket", "ws" + strings.TrimPrefix(fake(t, "{}"), "nats"), exitFailure, "what answers at"},
		{"no TLS", "tls" + strings.TrimPrefix(fake(t, "{}"), "nats"), exitFailure, "speaks no TLS: write its address as nats://HOST:PORT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused(t, []string{"send", "--server", test.server}, test.code, test.stderr)
		})
	}
}

// refused runs a command line that must fail.
func refused(t *testing.T, args []string, code int, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if got := run(t.Context(), programName, args, &out, &errs); got != code {
		t.Errorf("exit code: got %d, want %d", got, code)
	}
	if out.Len() > 0 {
		t.Errorf("stdout: got %q, want nothing", out.String())
	}
	first, _, _ := strings.Cut(errs.String(), "\n")
	if !strings.HasPrefix(first, "warren: ") || !strings.Contains(first, stderr) {
		t.Errorf("stderr: got %q, want a line with %q", errs.String(), stderr)
	}
	if strings.Contains(errs.String(), "guest@") {
		t.Errorf("stderr shows a password: %q", errs.String())
	}
}

// fake is a server that says of itself what it is told to, and has nobody
// behind any subject.
func fake(t *testing.T, info string) string {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		fmt.Fprintf(conn, "INFO %s\r\n", info)
		answer(conn)
	})
}

// banner is a server that says something else.
func banner(t *testing.T, text string) string {
	t.Helper()
	return listen(t, func(conn net.Conn) { fmt.Fprint(conn, text) })
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return "nats://" + listener.Addr().String()
}

// answer speaks as much NATS as a client needs to hear that there is nobody.
func answer(conn net.Conn) {
	sids := make(map[string]string) // by subject, without the last token
	for in := bufio.NewScanner(conn); in.Scan(); {
		words := strings.Fields(in.Text())
		switch {
		case len(words) == 0:
		case words[0] == "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case words[0] == "SUB":
			sids[upToLast(words[1])] = words[len(words)-1]
		case (words[0] == "PUB" || words[0] == "HPUB") && sids[upToLast(words[2])] != "":
			const none = "NATS/1.0 503\r\n\r\n"
			fmt.Fprintf(conn, "HMSG %s %s %d %d\r\n%s\r\n", words[2], sids[upToLast(words[2])], len(none), len(none), none)
		}
	}
}

func upToLast(subject string) string {
	return subject[:strings.LastIndexByte(subject, '.')+1]
}
