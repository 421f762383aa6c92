//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/workers"
)

// TestFaults_SoakIsFlat: a broker under an hour of ordinary work, with sessions,
// queues, bindings and tasks that come and go, needs no more of anything at the end
// than it did when the first results had expired.
//
// In an ordinary run it takes some seconds, and looks at what has no memory.
func TestFaults_SoakIsFlat(t *testing.T) {
	t.Parallel()
	total := 6 * time.Second
	if *faults == "soak" {
		total = *soakTime
	}
	profile := strconv.Itoa(embeddedtest.Port(t))
	port := strconv.Itoa(embeddedtest.Port(t))
	dir := t.TempDir()
	broker := launch(t, nil, "profiled", profile, "serve", "--dir", dir, "--port", port)
	broker.awaitLine(t, "Warren is ready")
	url := "nats://127.0.0.1:" + port
	ctx, cancel := context.WithTimeout(t.Context(), total)
	defer cancel()
	var work sync.WaitGroup
	soakQueues(ctx, t, url, &work)
	soakSessions(ctx, t, url, &work)
	soakTasks(ctx, t, url, &work)

	js := soakJetStream(t, url)
	probe := soakProbe{
		pid: broker.cmd.Process.Pid, profile: "http://127.0.0.1:" + profile, dir: dir,
		js: js, made: countMade(t, js.Conn()),
	}
	series := probe.watch(ctx, t, total)
	work.Wait()
	wantFlat(t, series)
}

// soakQueues publishes to queues through exchanges, and consumes.
func soakQueues(ctx context.Context, t *testing.T, url string, work *sync.WaitGroup) {
	t.Helper()
	c := openClient(t, url, streams.Config{})
	for i := range 3 {
		name := "soak" + strconv.Itoa(i)
		c.queue(streams.Queue{Name: name, Durable: i > 0})
		if err := c.Bind(t.Context(), streams.Binding{Exchange: "amq.topic", Queue: name, Key: "soak.#"}); err != nil {
			t.Fatal(err)
		}
		consumer, err := c.Consume(t.Context(), name, streams.ConsumeOptions{Prefetch: 20})
		if err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			_ = consumer.Run(ctx, func(d *streams.Delivery) { _ = d.Ack() })
		})
	}
	work.Go(func() {
		each(ctx, t, 5*time.Millisecond, func(i int) error {
			m := streams.Message{Body: make([]byte, 500), DeliveryMode: streams.Persistent}
			if i%2 == 0 {
				return c.Publish(ctx, "", "soak"+strconv.Itoa(i/2%3), m)
			}
			return c.Publish(ctx, "amq.topic", "soak."+strconv.Itoa(i%100), m)
		})
	})
}

// soakSessions opens sessions that leave again, with queues of their own.
func soakSessions(ctx context.Context, t *testing.T, url string, work *sync.WaitGroup) {
	t.Helper()
	work.Go(func() {
		each(ctx, t, 300*time.Millisecond, func(i int) error { return visit(ctx, url, i) })
	})
}

func visit(ctx context.Context, url string, i int) (err error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	s, err := streams.Open(ctx, nc, streams.Config{})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close(context.Background()) }()
	q, err := s.DeclareQueue(ctx, streams.Queue{Exclusive: i%2 == 0, Name: []string{"", "visit" + strconv.Itoa(i)}[i%2]})
	if err != nil {
		return err
	}
	if err := s.Bind(ctx, streams.Binding{Exchange: "amq.topic", Queue: q.Name, Key: "visit." + strconv.Itoa(i)}); err != nil {
		return err
	}
	if err := s.Publish(ctx, "amq.topic", "visit."+strconv.Itoa(i), streams.Message{Body: []byte("hello")}, streams.Mandatory); err != nil {
		return err
	}
	if _, _, err := s.Get(ctx, q.Name, streams.AutoAck); err != nil {
		return err
	}
	_, err = s.DeleteQueue(ctx, q.Name)
	return err
}

// soakTasks sends tasks, and chains and chords of them, whose results expire soon.
func soakTasks(ctx context.Context, t *testing.T, url string, work *sync.WaitGroup) {
	t.Helper()
	app := workers.New("soak")
	add := workers.Func2(app, "add", func(_ context.Context, x, y int) (int, error) { return x + y, nil })
	sum := workers.Func1(app, "sum", func(_ context.Context, all []int) (int, error) { return len(all), nil })
	if err := app.Connect(t.Context(), dial(t, url), workers.Config{ResultExpires: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close(context.Background()) })
	work.Go(func() { _ = app.Worker(workers.WorkerConfig{}).Run(ctx) })
	work.Go(func() {
		each(ctx, t, 100*time.Millisecond, func(i int) error {
			if i%10 == 0 {
				_, err := workers.Chord(workers.Group(add.S(i, 1), add.S(i, 2)), sum.P()).Apply(ctx)
				return err
			}
			result, err := add.Delay(ctx, i, 1)
			if err != nil {
				return err
			}
			_, err = result.Get(ctx)
			return err
		})
	})
}

// each does something at a steady pace until the context ends.
func each(ctx context.Context, t *testing.T, pace time.Duration, do func(i int) error) {
	t.Helper()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := do(i); err != nil && ctx.Err() == nil {
			t.Errorf("round %d: %v", i, err)
			return
		}
	}
}

func soakJetStream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(dial(t, url))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// countMade counts the streams that are made from now on.
func countMade(t *testing.T, nc *nats.Conn) *atomic.Int64 {
	t.Helper()
	made := new(atomic.Int64)
	_, err := nc.Subscribe("$JS.EVENT.ADVISORY.STREAM.CREATED.>", func(*nats.Msg) { made.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// What nats-server 2.15.3 keeps of a stream that was deleted: its queue of direct reads.
const (
	keptObjects = 10
	keptBytes   = 700
)

// A soakSample is what a broker needs at a moment.
type soakSample struct {
	at                               time.Duration
	resident, heap, objects          int // KiB, KiB, thousands
	goroutines, files, open          int
	streams, consumers, messages, kb int
	made                             int // streams since the beginning
}

func (s soakSample) String() string {
	return fmt.Sprintf("%8v | resident %6d KiB | heap %6d KiB | objects %5d | goroutines %4d | open %4d | files %4d | streams %3d | consumers %3d | messages %5d | stored %6d KiB | made %6d",
		s.at.Round(time.Second), s.resident, s.heap, s.objects, s.goroutines, s.open, s.files, s.streams, s.consumers, s.messages, s.kb, s.made)
}

// A soakProbe looks at a broker's process.
type soakProbe struct {
	pid     int
	profile string
	dir     string
	js      jetstream.JetStream
	made    *atomic.Int64 // streams
}

// watch takes samples until the context ends, or nearly: the last one is taken under
// work, too.
func (p soakProbe) watch(ctx context.Context, t *testing.T, total time.Duration) (series []soakSample) {
	t.Helper()
	pace := max(total/60, 250*time.Millisecond)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return series
		}
		s, err := p.sample(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("take a sample: %v", err)
			}
			return series
		}
		s.at = time.Since(began)
		if *faults == "soak" {
			fmt.Fprintln(os.Stderr, s) // somebody may watch
		}
		series = append(series, s)
	}
}

var (
	vmRSS      = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	heapAlloc  = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	heapObject = regexp.MustCompile(`# HeapObjects = (\d+)`)
	goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)
)

func (p soakProbe) sample(ctx context.Context) (s soakSample, err error) {
	heap, err := p.fetch("/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return s, err
	}
	all, err := p.fetch("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return s, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return s, err
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		return s, err
	}
	s.made = int(p.made.Load())
	s.resident, s.open = readNumber(vmRSS, string(status)), len(fds)
	s.heap, s.objects, s.goroutines = readNumber(heapAlloc, heap)/1024, readNumber(heapObject, heap)/1000, readNumber(goroutines, all)
	_ = filepath.Walk(p.dir, func(_ string, _ os.FileInfo, err error) error {
		if err == nil {
			s.files++
		}
		return nil
	})
	list := p.js.ListStreams(ctx)
	for info := range list.Info() {
		s.streams++
		s.consumers += info.State.Consumers
		s.messages += int(info.State.Msgs)
		s.kb += int(info.State.Bytes) / 1024
	}
	return s, list.Err()
}

func (p soakProbe) fetch(path string) (string, error) {
	response, err := http.Get(p.profile + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func readNumber(pattern *regexp.Regexp, text string) int {
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(found[1]))
	return n
}

// wantFlat compares the end with what there was after a sixth of the time.
func wantFlat(t *testing.T, series []soakSample) {
	t.Helper()
	if len(series) < 12 {
		t.Fatalf("there are %d samples; give it more time", len(series))
	}
	sixth := len(series) / 6
	early, late := series[sixth:2*sixth], series[len(series)-sixth:]
	for _, what := range needs() {
		before, after := median(early, what.of), median(late, what.of)
		if after > before+before/10+what.slack {
			t.Errorf("%s: %d at the end, %d after a sixth of the time", what.name, after, before)
		}
	}
}

// A need is something that a broker must not need more and more of.
type need struct {
	name  string
	of    func(soakSample) int
	slack int
}

// needs are those that can be judged in the time there is: memory and what is
// stored grow until the first results expire.
func needs() []need {
	list := []need{
		{"goroutines", func(s soakSample) int { return s.goroutines }, 12},
		{"open files", func(s soakSample) int { return s.open }, 10},
		{"streams", func(s soakSample) int { return s.streams }, 2},
		{"consumers", func(s soakSample) int { return s.consumers }, 4},
	}
	if *faults != "soak" {
		return list
	}
	return append(list, []need{
		{"resident KiB", func(s soakSample) int { return s.resident }, 8 << 10},
		{"heap KiB", func(s soakSample) int { return s.heap - s.made*keptBytes/1024 }, 2 << 10},
		{"thousands of objects", func(s soakSample) int { return s.objects - s.made*keptObjects/1000 }, 20},
		{"files", func(s soakSample) int { return s.files }, 20},
		{"messages", func(s soakSample) int { return s.messages }, 200},
	}...)
}

func median(samples []soakSample, of func(soakSample) int) int {
	var values []int
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
