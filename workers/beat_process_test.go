package workers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/workers"
)

// schedulerVariable makes a scheduler of this program: see [scheduleAt].
const schedulerVariable = "WORKERS_TEST_SCHEDULER"

// seconds is an app whose entry is due every second.
func Seconds(run func(workers.Request)) (*workers.App, workers.Entry) {
	app := workers.New("seconds")
	tick := workers.Func0(app, "tick", func(ctx context.Context) (workers.None, error) {
		r, _ := workers.RequestOf(ctx)
		run(r)
		return workers.None{}, nil
	})
	return app, workers.Entry{
		Name: "tick", Schedule: workers.Every(time.Second), Call: tick.S(), Missed: workers.MissedAll,
	}
}

// secondsLease is how long the leader that was killed still counts as there.
const secondsLease = 2 * time.Second

// scheduleAt runs a scheduler until it is killed, or nobody is there to do so, and
// says when it leads.
func scheduleAt(url string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := scheduleSeconds(ctx, url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func scheduleSeconds(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer nc.Close()
	app, e := Seconds(func(workers.Request) {})
	if err := app.Connect(ctx, nc, workers.Config{Lease: secondsLease}); err != nil {
		return err
	}
	s := app.Scheduler(workers.SchedulerConfig{Entries: []workers.Entry{e}})
	go func() {
		select {
		case <-s.Leads():
			fmt.Fprintln(os.Stdout, "leads")
		case <-ctx.Done():
		}
	}()
	return s.Run(ctx)
}

// A schedulerProcess is a scheduler in a process of its own.
type schedulerProcess struct {
	cmd   *exec.Cmd
	leads chan struct{}
	kill  func()
}

func startScheduler(t *testing.T, url string) *schedulerProcess {
	t.Helper()
	p := &schedulerProcess{cmd: exec.Command(os.Args[0]), leads: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), schedulerVariable+"="+url)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		if bufio.NewScanner(out).Scan() {
			close(p.leads)
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	p.kill = sync.OnceFunc(func() {
		_ = p.cmd.Process.Kill()
		<-heard
		_ = p.cmd.Wait() // it was killed
		_ = in.Close()
	})
	t.Cleanup(p.kill)
	return p
}

// ledger notes the runs of an entry that is due every second.
type ledger struct {
	mu   sync.Mutex
	runs map[time.Time]int
	news chan struct{}
}

func (l *ledger) note(r workers.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[r.Scheduled]++
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// newest is the time of the last run so far.
func (l *ledger) newest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var newest time.Time
	for due := range l.runs {
		if due.After(newest) {
			newest = due
		}
	}
	return newest
}

// await waits until there is a run that was due after a time.
func (l *ledger) await(t *testing.T, after time.Time) {
	t.Helper()
	patience := time.After(time.Minute)
	for !l.newest().After(after) {
		select {
		case <-l.news:
		case <-patience:
			t.Fatalf("no run is due after %v; the last was at %v", after, l.newest())
		}
	}
}

// gaps says what is missing of the runs, and what ran twice.
func (l *ledger) gaps() (missing, twice []time.Time) {
	newest := l.newest()
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := newest
	for due, n := range l.runs {
		if n > 1 {
			twice = append(twice, due)
		}
		if due.Before(oldest) {
			oldest = due
		}
	}
	for due := oldest; due.Before(newest); due = due.Add(time.Second) {
		if l.runs[due] == 0 {
			missing = append(missing, due)
		}
	}
	return missing, twice
}

// Three schedulers in processes of their own, of which the one that leads is
// killed, twice, and a broker that is killed too: every second has its run, and one
// only.
func TestSchedulersAreKilled(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Process(t, embedded.Config{})
	l := &ledger{runs: make(map[time.Time]int), news: make(chan struct{}, 1)}
	app, _ := Seconds(l.note)
	if err := app.Connect(t.Context(), server.Connect(t), workers.Config{Lease: secondsLease}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close(context.Background()) })
	w := app.Worker(workers.WorkerConfig{})
	background(t, "the worker", w.Run)
	<-w.Ready()

	first := startScheduler(t, server.URL())
	<-first.leads
	second, third := startScheduler(t, server.URL()), startScheduler(t, server.URL())
	l.await(t, time.Now())
	first.kill()
	next := second
	select {
	case <-second.leads:
	case <-third.leads:
		next = third
	}
	l.await(t, time.Now())
	server.Kill(t)
	cut := l.newest() // its end may not have been recorded
	server.Restart(t)
	l.await(t, time.Now())
	next.kill()
	l.await(t, time.Now().Add(time.Second))
	// What the last leader was about to send, the next one has sent first.
	missing, twice := l.gaps()
	twice = slices.DeleteFunc(twice, func(due time.Time) bool { return due.Equal(cut) })
	if len(missing)+len(twice) > 0 {
		t.Errorf("missing are the runs of %v, twice ran those of %v", missing, twice)
	}
}
