//go:build unix

// Package exercises_test plays the exercises with the programs in this directory.
package exercises_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func TestExercises(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	// Nobody debugs them, and without what a debugger needs they are linked in half the time.
	if said, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", programs, "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for name, play := range map[string]func(terminal){
		"hello": hello, "work": work, "logs": logs, "direct": direct, "topic": topic,
		"exercise 1": exercise1, "tasks": tasks, "exercise 2": exercise2, "usage": usage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := embeddedtest.Start(t, embedded.Config{Port: embedded.RandomPort})
			play(terminal{t, programs, append(os.Environ(), "NATS_URL="+broker.URL())})
		})
	}
}

// A terminal runs programs on a broker of its own.
type terminal struct {
	*testing.T
	programs string // where they are
	env      []string
}

// A process is a program that runs, and the lines that it has printed.
type process struct {
	terminal
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended, then

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed with the next line
}

// start starts a program, which is killed with the test.
func (t terminal) start(name string, args ...string) *process {
	t.Helper()
	p := &process{
		terminal: t, cmd: exec.Command(filepath.Join(t.programs, name), args...),
		ended: make(chan struct{}), more: make(chan struct{}),
	}
	p.cmd.Env = t.env
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	go func() {
		defer close(p.ended)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, scanner.Text())
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
		}
		p.err = p.cmd.Wait()
	}()
	return p
}

// await waits until the program has printed a line with a text, so many times.
func (p *process) await(text string, times int) {
	p.Helper()
	late := time.After(time.Minute)
	for {
		lines, more := p.printed()
		if len(slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, text) })) >= times {
			return
		}
		select {
		case <-more:
		case <-p.ended:
			lines, _ := p.printed()
			p.Fatalf("%s ended, %v, and printed %q; want %q", p.cmd.Args, p.err, lines, text)
		case <-late:
			lines, _ := p.printed()
			p.Fatalf("%s has printed %q; want %q", p.cmd.Args, lines, text)
		}
	}
}

func (p *process) printed() (lines []string, more chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines), p.more
}

// stop presses Ctrl-C. The program ends well.
func (p *process) stop() {
	p.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.Fatal(err)
	}
	p.wait()
}

// wait waits for the end of the program, and gives what it has printed.
func (p *process) wait() []string {
	p.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.Fatalf("%s has not ended", p.cmd.Args)
	}
	lines, _ := p.printed()
	if p.err != nil {
		p.Errorf("%s ended with %v and printed %q", p.cmd.Args, p.err, lines)
	}
	return lines
}

const waiting = "To exit press CTRL+C"

// wantLines compares what a program has printed in all.
func wantLines(t terminal, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("it printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func hello(t terminal) {
	wantLines(t, t.start("send").wait(), "Sent 'Hello World!'") // it waits in the queue
	receiver := t.start("receive")
	receiver.await("Received 'Hello World!'", 1)
	t.start("send").wait()
	receiver.await("Received 'Hello World!'", 2)
	receiver.stop()
}

// What a receiver held that was killed, another one gets.
func work(t terminal) {
	t.start("new_task").wait()
	victim := t.start("work")
	victim.await("Start processing Hello World 0", 1)
	if err := victim.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	heir := t.start("work")
	for i := range 5 {
		heir.await(fmt.Sprint("Start processing Hello World ", i), 1)
	}
	heir.await("Processed for", 5)
	heir.stop()
}

func logs(t terminal) {
	loggers := []*process{t.start("receive_logs"), t.start("receive_logs")}
	for _, l := range loggers {
		l.await(waiting, 1)
	}
	t.start("emit_log").wait()
	for _, l := range loggers {
		for i := range 5 {
			l.await(fmt.Sprint(": Hello World ", i), 1)
		}
		l.stop()
	}
}

func direct(t terminal) {
	t.routes("direct", []string{"error", "warning"}, []string{"info", "error", "warning"},
		[]string{"info", "warning", "error"}, []string{"warning", "error"})
}

func topic(t terminal) {
	t.routes("topic", []string{"kern.*", "*.critical"}, []string{"#"},
		[]string{"cron.info", "kern.info", "cron.critical"}, []string{"kern.info", "cron.critical"})
}

// routes publishes a message with each of some keys to two receivers, of which one wants
// all of them, and the other one some.
func (t terminal) routes(kind string, some, all, published, wanted []string) {
	t.Helper()
	one, other := t.start("receive_logs_"+kind, some...), t.start("receive_logs_"+kind, all...)
	one.await(waiting, 1)
	other.await(waiting, 1)
	for _, key := range published {
		wantLines(t, t.start("emit_log_"+kind, key, "A", "message").wait(), "Sent "+key+":A message")
	}
	other.await(":A message", len(published))
	one.await(":A message", len(wanted))
	got, _ := one.printed()
	want := []string{"Waiting for messages. To exit press CTRL+C"}
	for _, key := range wanted {
		want = append(want, key+":A message")
	}
	wantLines(t, got, want...)
	one.stop()
	other.stop()
}

// Exercise 1: a generator of two types of messages, and a client of each.
func exercise1(t terminal) {
	files := make(map[string]string)
	var clients []*process
	for _, kind := range []string{"news", "weather"} {
		files[kind] = filepath.Join(t.TempDir(), "log")
		client := t.start("subscribe", kind, files[kind])
		client.await(waiting, 1)
		clients = append(clients, client)
	}
	generator := t.start("generate", "-every", "20ms")
	generator.await("Sent 'weather", 3)
	generator.stop()
	for kind, path := range files {
		eventually(t, func() error {
			log, err := os.ReadFile(path)
			if lines := strings.Count(string(log), kind); err == nil && (lines < 3 || lines != strings.Count(string(log), "\n")) {
				err = fmt.Errorf("the log of %s has\n%s", kind, log)
			}
			return err
		})
	}
	for _, client := range clients {
		client.stop()
	}
}

// eventually asks again until there is no error.
func eventually(t terminal, f func() error) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatal(err)
		}
	}
}

func tasks(t terminal) {
	worker := t.start("tasks_worker")
	worker.await(waiting, 1)
	printed := t.start("tasks_client").wait()
	if len(printed) == 0 || !slices.Contains([]string{"PENDING", "STARTED", "SUCCESS"}, printed[0]) {
		t.Fatalf("got %q, want first how far the worker was then", printed)
	}
	wantLines(t, printed[1:], "2", "SUCCESS", "add(1, 1)", "2", "[0 2 4 6 8 10 12 14 16 18]", "64", "90")
	for _, line := range []string{"add(4, 4)", "mul(8, 8)", "xsum([0 2 4 6 8 10 12 14 16 18])", "ERROR IN TASK", "something", "TASK SUCCEEDED"} {
		worker.await(line, 1)
	}
	worker.stop()
}

// Exercise 2: the weather, again and again.
func exercise2(t terminal) {
	source := http.NewServeMux()
	source.HandleFunc("/v1/search", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"results":[{"name":"Kyiv","country":"Ukraine","latitude":50.45,"longitude":30.52}]}`)
	})
	source.HandleFunc("/v1/forecast", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"current_units":{"temperature_2m":"°C"},"current":{"temperature_2m":3.4}}`)
	})
	server := httptest.NewServer(source)
	t.Cleanup(server.Close)
	t.env = append(t.env, "WEATHER="+server.URL)
	weather := t.start("weather", "-every", "1s", "Kyiv")
	weather.await("Kyiv, Ukraine: 3.4 °C", 3)
	weather.stop()
}

// A program is short enough to be read beside that of the lecture, and whole.
func TestExercises_FitOnAScreen(t *testing.T) {
	t.Parallel()
	const least, most = 15, 40
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) == 0 {
		t.Fatalf("found the programs %q, %v; want some", programs, err)
	}
	for _, path := range programs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines < least || lines > most {
			t.Errorf("%s has %d lines, want %d to %d", path, lines, least, most)
		}
	}
}

// A program that is called in a wrong way says how it is called.
func usage(t terminal) {
	for _, name := range []string{"receive_logs_direct", "receive_logs_topic", "emit_log_direct", "emit_log_topic", "subscribe", "weather"} {
		p := t.start(name)
		<-p.ended
		lines, _ := p.printed()
		var exit *exec.ExitError
		if !errors.As(p.err, &exit) || len(lines) != 1 || !strings.Contains(lines[0], "usage: "+name) {
			t.Errorf("%s ended with %v and printed %q", name, p.err, lines)
		}
	}
}
