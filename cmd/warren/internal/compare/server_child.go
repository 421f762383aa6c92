package compare

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A Program is the warren program, to be run as 'serve'.
type Program struct {
	Path string
	// Env is added to this process's environment.
	Env []string
}

// startTimeout is how long a server may take to be ready or to end, on a
// machine that has other things to do.
const startTimeout = time.Minute

// child is a server in a process of its own.
type child struct {
	program Program
	fsync   bool
	dir     string
	port    string
	url     string
	amqp    string // where it listens for AMQP; empty: nowhere
	amqpURL string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended

	natsWire
}

// StartChild starts a server in a process of its own, which listens on this
// machine, on a directory of its own that Close removes. Its standard input stays
// open for as long as this process lives. With fsync it syncs before every
// confirm, else every second.
func StartChild(ctx context.Context, p Program, fsync bool) (Server, error) {
	return startChild(ctx, p, fsync, "")
}

// startAMQP is StartChild for a server that listens for AMQP clients, too.
func startAMQP(ctx context.Context, p Program, fsync bool) (*child, error) {
	return startChild(ctx, p, fsync, "127.0.0.1:0")
}

func startChild(ctx context.Context, program Program, fsync bool, amqp string) (*child, error) {
	dir, err := os.MkdirTemp("", "warren-compare-")
	if err != nil {
		return nil, err
	}
	s := &child{program: program, fsync: fsync, amqp: amqp, dir: dir, port: "0"}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *child) Label() string     { return fsyncLabel("tcp", s.fsync) }
func (s *child) Transport() string { return "TCP" }

func (s *child) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

func (s *child) Sync() (string, bool) {
	if s.fsync {
		return syncedAlways, true
	}
	return "fsync every 1s", false
}

func (s *child) syncMode() string {
	if s.fsync {
		return "always"
	}
	return "1s"
}

func (s *child) Dial(opts ...nats.Option) (*nats.Conn, error) { return s.connect(s.url, opts...) }

func (s *child) start(ctx context.Context) error {
	amqp := []string{"--no-amqp"}
	if s.amqp != "" {
		amqp = []string{"--amqp", s.amqp}
	}
	args := append([]string{"serve", "--dir", s.dir, "--port", s.port, "--sync", s.syncMode()}, amqp...)
	cmd := exec.Command(s.program.Path, args...)
	cmd.Env = append(os.Environ(), s.program.Env...)
	apart(cmd)
	said := new(strings.Builder)
	cmd.Stderr = said
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a broker in a process of its own: %w", err)
	}
	found := make(chan [2]string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		readURLs(out, found)
		_ = cmd.Wait()
	}()
	s.cmd, s.done = cmd, done
	return s.awaitURL(ctx, found, said)
}

// readURLs finds what 'serve' says of its addresses, that of NATS and then that of
// AMQP, and reads on so that it can print.
func readURLs(out io.Reader, found chan<- [2]string) {
	var urls [2]string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case fields[0] == "URL":
			urls[0] = fields[1]
		case fields[0] == "AMQP":
			urls[1] = fields[1]
			found <- urls
		}
	}
}

func (s *child) awaitURL(ctx context.Context, found <-chan [2]string, said fmt.Stringer) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case urls := <-found:
		s.url, s.amqpURL = urls[0], urls[1]
		u, err := url.Parse(s.url)
		if err != nil {
			return errors.Join(err, s.stop(true))
		}
		s.port = u.Port() // a restart takes the same one
		if s.amqp == "" {
			return nil
		}
		if u, err = url.Parse(s.amqpURL); err != nil {
			return errors.Join(err, s.stop(true))
		}
		s.amqp = u.Host
		return nil
	case <-s.done:
		return fmt.Errorf("the broker in a process of its own ended at once: %s", strings.TrimSpace(said.String()))
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the broker in a process of its own is not ready: %w", ctx.Err()), s.stop(true))
	}
}

func (s *child) stop(kill bool) error {
	signal := os.Interrupt
	if kill {
		signal = os.Kill
	}
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		if kill {
			return err
		}
		return errors.Join(fmt.Errorf("stop the broker: %w", err), s.stop(true))
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(startTimeout):
		return errors.Join(errors.New("the broker does not end"), s.cmd.Process.Kill())
	}
}

func (s *child) Usage(ctx context.Context) (Usage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return processUsage(ctx, s.cmd.Process.Pid)
}

func (s *child) Restart(ctx context.Context, kill bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(kill); err != nil {
		return err
	}
	return s.start(ctx)
}

func (s *child) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.stop(true), os.RemoveAll(s.dir))
}
