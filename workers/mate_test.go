package workers_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/workers"
)

// A mate is a worker of a crew in a process of its own.
type mate struct {
	testing.TB
	name string
	cmd  *exec.Cmd
	in   io.Closer
	said bytes.Buffer
	dead chan struct{}
	err  error
}

// An order is what a mate is told.
type order struct {
	URL, Name   string
	Concurrency int
	Lease       time.Duration
	Replicas    int
	// Sends is how many members the chords have that it sends, one after another,
	// instead of working; Queues are where the members go, by turns.
	Sends  int
	Queues []string
	// Point is where it dies, when it is there for the Nth time.
	Point string
	Nth   int32
}

const (
	mateVariable = "WORKERS_TEST_MATE"
	mateReady    = "ready"
	pointRunning = "in the run"
)

// hire starts a worker in a process of its own; it has begun when hire returns.
func (y *yard) hire(o order) *mate {
	y.Helper()
	o.URL, o.Lease, o.Replicas = y.url, y.cfg.Lease, y.cfg.Replicas
	text, err := json.Marshal(o)
	if err != nil {
		y.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		y.Fatal(err)
	}
	m := &mate{TB: y.TB, name: o.Name, cmd: exec.Command(program, "-test.run=^$"), dead: make(chan struct{})}
	m.cmd.Env = append(os.Environ(), mateVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	m.cmd.Stderr = &m.said
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		y.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		y.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		y.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	go func() {
		m.err = m.cmd.Wait()
		close(m.dead)
	}()
	y.Cleanup(m.kill)
	if strings.TrimSpace(line) != mateReady {
		m.kill()
		y.Fatalf("worker %s did not begin: %s", o.Name, m.said.String())
	}
	return m
}

// await waits until the process has died.
func (m *mate) await(ctx context.Context) {
	m.Helper()
	select {
	case <-m.dead:
	case <-ctx.Done():
		m.Fatalf("worker %s lives, want it dead: %s", m.name, m.said.String())
	}
}

// kill is kill -9.
func (m *mate) kill() {
	_ = m.cmd.Process.Kill() // it may be dead
	<-m.dead
}

// stop ends the worker as a worker ends, and waits for it.
func (m *mate) stop() {
	m.Helper()
	_ = m.in.Close()
	<-m.dead
	if m.err != nil {
		m.Errorf("worker %s ended: %v\n%s", m.name, m.err, m.said.String())
	}
}

// runMate works until its parent closes its standard input, or dies. It returns
// false in a process that is no mate.
func runMate() (code int, ok bool) {
	text, ok := os.LookupEnv(mateVariable)
	if !ok {
		return 0, false
	}
	if err := work(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

func work(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	nc, err := nats.Connect(o.URL, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer nc.Close()
	c, err := newCrew(nc, o.Name)
	if err != nil {
		return err
	}
	o.arm(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := c.Connect(ctx, nc, workers.Config{Lease: o.Lease, Replicas: o.Replicas}); err != nil {
		return err
	}
	if o.Sends > 0 {
		return o.send(ctx, c)
	}
	w := c.Worker(workers.WorkerConfig{Name: o.Name, Concurrency: o.Concurrency})
	go func() {
		<-w.Ready()
		fmt.Fprintln(os.Stdout, mateReady)
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := w.Run(ctx); err != nil {
		return err
	}
	return c.Close(context.Background())
}

// send sends chords until it is killed, or dies. Their results have the ids
// chord-1, chord-2 and so on.
func (o order) send(ctx context.Context, c *crew) error {
	members := make([]workers.Sig[int], o.Sends)
	for i := range members {
		members[i] = c.count.S("member", 1).With(workers.Queue(o.Queues[i%len(o.Queues)]))
	}
	fmt.Fprintln(os.Stdout, mateReady)
	for n := 1; ; n++ {
		id := workers.ID(fmt.Sprint("chord-", n))
		if _, err := workers.Chord(workers.Group(members...), c.sum.P()).Apply(ctx, id); err != nil {
			return err
		}
	}
}

// arm has the process die where it should.
func (o order) arm(c *crew) {
	var passed atomic.Int32
	pass := func() {
		if passed.Add(1) == max(o.Nth, 1) {
			kill()
		}
	}
	if o.Point == pointRunning {
		c.die = pass
		return
	}
	workers.OnPoint(func(point string) {
		if point == o.Point {
			pass()
		}
	})
}
