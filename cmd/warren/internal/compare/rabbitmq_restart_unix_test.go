//go:build unix

package compare

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestRestartOfRabbitMQ runs the commands of who runs a RabbitMQ.
func TestRestartOfRabbitMQ(t *testing.T) {
	t.Parallel()
	fake := startFakeRabbit(t)
	fake.restartOn(t, syscall.SIGUSR1)
	restart := fmt.Sprintf("kill -USR1 %d", os.Getpid())
	tests := []struct {
		name, command string
		kill          bool
		want          error
		says          string
	}{
		{"restarts", restart, false, nil, ""},
		{"none", "", false, ErrNotOffered, "--rabbitmq-restart"},
		{"kill", restart, true, ErrNotOffered, "killing"},
		{"fails", "echo of the unit; echo no such unit >&2; exit 5", false, errNotRun, "failed: exit status 5: no such unit"},
		{"does nothing", "true", false, errNotRun, "has not stopped"},
	}
	for _, test := range tests {
		target, err := NewRabbitMQ(fake.url(), Classic, test.command)
		if err != nil {
			t.Fatal(err)
		}
		before := fake.restarts()
		err = target.Restart(t.Context(), test.kill)
		if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.says) {
			t.Errorf("%s: got %v, want %v with %q", test.name, err, test.want, test.says)
		}
		if got := fake.restarts() - before; (got == 1) != (test.want == nil) {
			t.Errorf("%s: the broker was restarted %d times", test.name, got)
		}
		if err == nil && fake.greeted() == 0 {
			t.Errorf("%s: nobody waited until the broker was back", test.name)
		}
	}
}

// TestScenarioThatCannotBeRun: it is told why, and is nobody's failure.
func TestScenarioThatCannotBeRun(t *testing.T) {
	t.Parallel()
	target, err := NewRabbitMQ(startFakeRabbit(t).url(), Classic, "exit 7")
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{name: "restart", alone: true, restarts: true, why: restartCleanly().why,
		play: func(ctx context.Context, t *trial) (found, error) { return found{}, t.target.Restart(ctx, false) }}
	p := newProgramme([]scenario{s}, []Target{target}, nil)
	p.playAlone(t.Context())
	o := p.behaviours()[0].Outcomes[0]
	if want := "not run: the command that restarts RabbitMQ failed: exit status 7"; !o.NotOffered || o.Failed != "" || o.Did != want {
		t.Errorf("got %+v, want %q", o, want)
	}
	page := writePage(t, Report{Behaviours: p.behaviours()})
	if !strings.Contains(page, "<dd><i>"+o.Did+"</i></dd>") {
		t.Errorf("the page does not say that it was not run")
	}
}

// TestChoice_SeveralRabbitMQs: each is called by what it says it is, and by its address
// where that says nothing or is said by another, too.
func TestChoice_SeveralRabbitMQs(t *testing.T) {
	t.Parallel()
	older, newer, same := startFakeRabbit(t), startFakeRabbit(t), startFakeRabbit(t)
	newer.setVersion("4.3.6")
	same.setVersion("4.3.6")
	const nobody = "amqp://guest:guest@127.0.0.1:1/"
	c := Choice{RabbitMQ: []string{older.url(), newer.url(), same.url(), nobody}}
	c.Names = []string{
		"rabbitmq 3.10.8 classic", "rabbitmq 4.3.6 quorum", "rabbitmq 4.3.6 " + same.address + " classic", "rabbitmq 127.0.0.1:1 classic",
	}
	targets, missing, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, target := range targets {
		closeLater(t, target)
		names = append(names, target.Name())
	}
	if !slices.Equal(names, c.Names[:3]) || len(missing) != 1 || missing[0].What != c.Names[3] {
		t.Errorf("got %q, missing %v; want %q and the last missing", names, missing, c.Names)
	}
	if _, ok := targets[0].Features().Classes[D2]; !ok {
		t.Errorf("3.10.8 has the classes %v", targets[0].Features().Classes)
	}
	c = Choice{RabbitMQ: []string{older.url()}, Names: []string{"rabbitmq classic"}}
	if err := c.Check(); err != nil {
		t.Errorf("of one: %v", err)
	}
	c.Names = []string{"rabbitmq"}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "there are warren embedded, ") || !strings.Contains(err.Error(), ", warren amqp, ") {
		t.Errorf("a name that there is none of: %v", err)
	}
}

// fakeRabbit greets as a RabbitMQ does, and takes nothing.
type fakeRabbit struct {
	address string
	serving sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	starts   int
	hellos   int // since the last start
	version  string
}

func (f *fakeRabbit) setVersion(version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version = version
}

func startFakeRabbit(t *testing.T) *fakeRabbit {
	t.Helper()
	f := &fakeRabbit{address: "127.0.0.1:0", version: "3.10.8", conns: map[net.Conn]bool{}}
	if err := f.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.stop)
	return f
}

// restartOn has a signal restart it, until the test is over.
func (f *fakeRabbit) restartOn(t *testing.T, s os.Signal) {
	t.Helper()
	signals, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, s)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-signals:
				f.stop()
				if err := f.start(); err != nil {
					t.Error(err)
				}
			case <-over:
				return
			}
		}
	})
	t.Cleanup(func() {
		signal.Stop(signals)
		close(over)
		watching.Wait()
	})
}

func (f *fakeRabbit) url() string { return "amqp://guest:guest@" + f.address + "/" }

func (f *fakeRabbit) restarts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts - 1
}

func (f *fakeRabbit) greeted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hellos
}

func (f *fakeRabbit) start() error {
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener, f.address, f.hellos = l, l.Addr().String(), 0
	f.starts++
	f.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			if f.listener != l { // it came as the broker went
				_ = conn.Close()
			}
			f.conns[conn] = true
			f.mu.Unlock()
			f.serving.Go(func() {
				defer func() { _ = conn.Close() }()
				f.serve(conn)
			})
		}
	})
	return nil
}

func (f *fakeRabbit) stop() {
	f.mu.Lock()
	_ = f.listener.Close()
	f.listener = nil
	for conn := range f.conns {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.serving.Wait()
}

// serve opens and closes a connection of AMQP 0-9-1.
func (f *fakeRabbit) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	if _, err := in.Discard(len("AMQP") + 4); err != nil {
		return
	}
	field := func(name, value string) string { return short(name) + "S" + long(value) }
	f.mu.Lock()
	properties := field("product", "RabbitMQ") + field("version", f.version)
	f.mu.Unlock()
	method(conn, 10, "\x00\x09"+long(properties)+long("PLAIN")+long("en_US"))
	for {
		class, id, err := readMethod(in)
		switch {
		case err != nil:
			return
		case class == 10 && id == 11: // start-ok
			method(conn, 30, "\x00\x00"+"\x00\x02\x00\x00"+"\x00\x00") // tune
		case class == 10 && id == 40: // open
			method(conn, 41, short(""))
			f.mu.Lock()
			f.hellos++
			f.mu.Unlock()
		case class == 10 && id == 50: // close
			method(conn, 51, "")
			return
		}
	}
}

func short(text string) string { return string(rune(len(text))) + text }

func long(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// method writes a frame with a method of connections, which are on channel 0.
func method(w io.Writer, id uint16, args string) {
	const class = 10
	payload := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), id)
	payload = append(payload, args...)
	fmt.Fprintf(w, "\x01\x00\x00%s\xce", long(string(payload)))
}

func readMethod(in io.Reader) (class, id uint16, err error) {
	head := make([]byte, 7)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0, 0, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
	if _, err := io.ReadFull(in, payload); err != nil {
		return 0, 0, err
	}
	if len(payload) < 5 {
		return 0, 0, nil // a heartbeat
	}
	return binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]), nil
}
