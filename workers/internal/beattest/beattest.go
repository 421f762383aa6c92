// Package beattest is for tests of workers and of beat: what runs beside a test, and a
// scheduler in a process of its own, which tests kill.
package beattest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/workers"
	"warren/workers/beat"
)

// variable makes a scheduler of a test program: see [Main].
const variable = "WORKERS_TEST_SCHEDULER"

// Seconds is an app whose entry is due every second.
func Seconds(run func(workers.Request)) (*workers.App, beat.Entry) {
	app := workers.New("seconds")
	tick := workers.Func0(app, "tick", func(ctx context.Context) (workers.None, error) {
		r, _ := workers.RequestOf(ctx)
		run(r)
		return workers.None{}, nil
	})
	return app, beat.Entry{
		Name: "tick", Schedule: beat.Every(time.Second), Call: tick.S(), Missed: beat.MissedAll,
	}
}

// Lease is how long a scheduler in a process of its own still counts as there when it
// was killed.
const Lease = 2 * time.Second

// Main runs a scheduler of [Seconds] until it is killed, or nobody is there to do so, and
// prints when it leads. It returns false in a process that [Start] has not started. A
// TestMain calls it first.
func Main() (code int, ok bool) {
	url := os.Getenv(variable)
	if url == "" {
		return 0, false
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := schedule(ctx, url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

func schedule(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer nc.Close()
	app, e := Seconds(func(workers.Request) {})
	if err := app.Connect(ctx, nc, workers.Config{Lease: Lease}); err != nil {
		return err
	}
	s := beat.New(app, beat.Config{Entries: []beat.Entry{e}})
	go func() {
		select {
		case <-s.Leads():
			fmt.Fprintln(os.Stdout, "leads")
		case <-ctx.Done():
		}
	}()
	return s.Run(ctx)
}

// A Process is a scheduler in a process of its own.
type Process struct {
	// Leads is closed when it leads.
	Leads chan struct{}
	// Kill is kill -9.
	Kill func()
}

// Start starts the program of this test once more, as a scheduler at a broker.
func Start(t *testing.T, url string) *Process {
	t.Helper()
	p := &Process{Leads: make(chan struct{})}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		if bufio.NewScanner(out).Scan() {
			close(p.Leads)
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	p.Kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-heard
		_ = cmd.Wait() // it was killed
		_ = in.Close()
	})
	t.Cleanup(p.Kill)
	return p
}

// Background runs something until the test ends, or it is told to stop.
func Background(tb testing.TB, what string, run func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("%s ended: %v", what, err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// WorkAt connects an app to a broker, and has it work.
func WorkAt(t *testing.T, app *workers.App, nc *nats.Conn) {
	t.Helper()
	if err := app.Connect(t.Context(), nc, workers.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.Background()); err != nil {
			t.Errorf("close the app: %v", err)
		}
	})
	w := app.Worker(workers.WorkerConfig{})
	Background(t, "the worker", w.Run)
	<-w.Ready()
}
