package embeddedtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// Child is a server in a process of its own that a test can kill. It is for the
// goroutine of that test; its connections are for any.
type Child struct {
	cfg  embedded.Config
	url  string
	cmd  *exec.Cmd // nil while stopped
	in   io.Closer // closed to stop the child
	said *bytes.Buffer

	program string        // another one than this, whose clock is ahead
	clock   *Clock        // of that program
	ahead   time.Duration // at its next start
}

const (
	childVariable = "EMBEDDEDTEST_CHILD"
	readyPrefix   = "embeddedtest: ready at "
)

// Process starts a server in a process of its own, which is this test's program
// once more: the package's TestMain must call [Main]. It always listens, on a
// port of its own that it keeps, if Port names none. Without a Dir the data is
// in the test's temporary directory. TLS and Logger do not cross over and must
// be nil. When the test ends, the process is killed.
func Process(tb testing.TB, cfg embedded.Config) *Child {
	tb.Helper()
	return process(tb, &Child{cfg: cfg})
}

func process(tb testing.TB, c *Child) *Child {
	tb.Helper()
	cfg := &c.cfg
	if cfg.TLS != nil || cfg.Cluster.TLS != nil || cfg.Logger != nil {
		tb.Fatal("neither TLS nor Logger can be handed to another process: leave them out")
	}
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	if cfg.Port == 0 || cfg.Port == embedded.RandomPort {
		cfg.Port = Port(tb)
	}
	tb.Cleanup(func() { c.Kill(tb) })
	c.start(tb)
	return c
}

func (c *Child) start(tb testing.TB) {
	tb.Helper()
	order, err := json.Marshal(c.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	program := c.program
	if program == "" {
		if program, err = os.Executable(); err != nil {
			tb.Fatal(err)
		}
	}
	// Should TestMain not call Main, the child runs no test, and ends.
	cmd := exec.Command(program, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(order), raceExitsAtOnce())
	if c.clock != nil {
		c.clock.Set(tb, c.ahead)
		cmd.Env = append(cmd.Env, c.clock.Env())
	}
	c.said = new(bytes.Buffer)
	cmd.Stderr = c.said
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start process: %v", err)
	}
	c.cmd, c.in = cmd, in
	line, _ := bufio.NewReader(out).ReadString('\n') // none, if it ends before it is ready
	url, ready := strings.CutPrefix(strings.TrimSpace(line), readyPrefix)
	if ready {
		c.url = url
		return
	}
	_ = in.Close()
	if err := c.wait(); err != nil {
		tb.Fatalf("process did not start a server: %v", err)
	}
	tb.Fatalf("process did not start a server but said %q: let TestMain call embeddedtest.Main", line)
}

// raceExitsAtOnce spares a child built for the race detector the second it
// otherwise waits before it exits.
func raceExitsAtOnce() string {
	return strings.TrimSpace("GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0")
}

// wait waits for the process to end. What it complained of is the error.
func (c *Child) wait() error {
	err := c.cmd.Wait()
	c.cmd = nil
	if said := strings.TrimSpace(c.said.String()); said != "" {
		return errors.New(said)
	}
	return err
}

// Connect connects to the server by its URL. The connection comes back by itself
// after a [Child.Restart] and is closed when the test ends.
func (c *Child) Connect(tb testing.TB, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	return connect(tb, c.url, c.cfg, opts...)
}

// Name is the server's name.
func (c *Child) Name() string { return c.cfg.Name }

// URL is what a client dials.
func (c *Child) URL() string { return c.url }

// Dir is the directory the data is in.
func (c *Child) Dir() string { return c.cfg.Dir }

// Kill ends the process without notice, as kill -9 does, and waits until it is
// gone. What it had written is still with the operating system: this is a
// crash of the program and not a power cut. Killing a stopped server does
// nothing.
func (c *Child) Kill(tb testing.TB) {
	tb.Helper()
	if c.cmd == nil {
		return
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("kill process: %v", err)
	}
	_ = c.wait() // it says that it was killed
}

// Stop stops the server cleanly and waits for the process to end. Stopping a
// stopped server does nothing.
func (c *Child) Stop(tb testing.TB) {
	tb.Helper()
	if c.cmd == nil {
		return
	}
	_ = c.in.Close()
	if err := c.wait(); err != nil {
		tb.Errorf("stop process: %v", err)
	}
}

// Restart stops the server cleanly, unless it was stopped or killed, and starts
// a new process on the same data and the same port.
func (c *Child) Restart(tb testing.TB) {
	tb.Helper()
	c.Stop(tb)
	c.start(tb)
}

// runChild serves until its parent closes its standard input, or dies. It
// returns false in a process that is not a child, and the child's exit code.
func runChild() (code int, ok bool) {
	order, ok := os.LookupEnv(childVariable)
	if !ok {
		return 0, false
	}
	if err := serve(order, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

func serve(order string, in io.Reader, out io.Writer) error {
	var cfg embedded.Config
	if err := json.Unmarshal([]byte(order), &cfg); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	s, err := startPatiently(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, readyPrefix+s.URL())
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, s.Close())
}
