package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"warren/workers"
)

// worker starts a worker of the lecture's tasks, and waits until it takes some.
func (st *stage) worker(p *program) *program {
	st.await(p, "Waiting for tasks", 1)
	return p
}

func playCanvas(st *stage) {
	worker := st.worker(st.start("worker", "in one terminal", "worker"))
	client := st.run("canvas")
	st.show(client)
	printed, _ := client.lines.with("")
	st.check("the client prints what the lecture prints", slices.DeleteFunc(printed, isBlank), []string{
		"PENDING", "False", "2", "SUCCESS", "True", "2", "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]", "64", "90",
	})
	for _, said := range []string{"ERROR IN TASK ", "something", "TASK SUCCEEDED None: print_task"} {
		st.await(worker, said, 1)
		for _, rest := range bodiesOf(worker, said) {
			st.tell.output(worker.label, said+rest)
		}
	}
	st.check("the callbacks of the task that fails, and of the one that succeeds, ran", st.trouble == nil, true)
}

func isBlank(line string) bool { return line == "" }

func playWorkerKill(st *stage) {
	const calls = 6
	args := []string{"worker", "--concurrency", "1"}
	st.tell.command(st.line(args), "")
	victim := st.worker(st.child("victim", st.options(args)))
	st.tell.command(st.line([]string{"call", "add", "0", "1"}), "and so on, six times")
	var ids []string
	for i := range calls {
		ids = append(ids, st.quietly("call", "add", fmt.Sprint(i), "1")...)
	}
	st.await(victim, "add(", 2)
	st.kill(victim)
	heir := st.worker(st.start("heir", "start another one", "worker"))
	var results []string
	for _, id := range ids {
		results = append(results, strings.Join(st.quietly("result", id, "--timeout", "15s"), " "))
	}
	for _, rest := range bodiesOf(heir, "add(") {
		st.tell.output(heir.label, "add("+rest)
	}
	want := []string{"SUCCESS 1", "SUCCESS 2", "SUCCESS 3", "SUCCESS 4", "SUCCESS 5", "SUCCESS 6"}
	st.check("every task has its result, also the one the victim was at", results, want)
}

// quietly runs a command to its end and gives what it printed, without telling of
// it.
func (st *stage) quietly(args ...string) []string {
	if st.trouble != nil {
		return nil
	}
	p := newInside(st.ctx, st.called, args[0], st.options(args))
	<-p.done
	list, _ := p.lines.with("")
	if p.code != exitOK {
		st.blame(p, fmt.Errorf("'%s' ended with %d", st.line(args), p.code))
	}
	return slices.DeleteFunc(list, isBlank)
}

// playRetry is in Go: none of the lecture's tasks is retried.
func playRetry(st *stage) {
	app := workers.New("demo")
	var mu sync.Mutex
	var attempts []string
	flaky := workers.Func1(app, "flaky", func(ctx context.Context, n int) (int, error) {
		r, _ := workers.RequestOf(ctx)
		mu.Lock()
		defer mu.Unlock()
		if r.Retries < 2 {
			attempts = append(attempts, "failed")
			return 0, errors.New("not yet")
		}
		attempts = append(attempts, "succeeded")
		return n, nil
	}, workers.Retry(workers.RetryPolicy{Max: 3, Delay: 100 * time.Millisecond, Backoff: 2}))
	st.tell.text(indent, "", "", "In Go: workers.Retry(workers.RetryPolicy{Max: 3, Delay: 100 * time.Millisecond, Backoff: 2})")
	got, err := st.runTask(app, func(ctx context.Context) (int, error) { return flaky.S(42).Run(ctx) })
	if err != nil {
		st.fail(err)
		return
	}
	mu.Lock()
	defer mu.Unlock()
	st.tell.output("worker", strings.Join(attempts, ", "))
	st.check("it was run until it succeeded", attempts, []string{"failed", "failed", "succeeded"})
	st.check("and its result came", got, 42)
}

// runTask connects an app, and calls while a worker of it runs.
func (st *stage) runTask(app *workers.App, call func(context.Context) (int, error)) (result int, err error) {
	nc, err := nats.Connect(st.url)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	if err := app.Connect(st.ctx, nc, workers.Config{VHost: st.vhost, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, app.Close(context.WithoutCancel(st.ctx))) }()
	ctx, stop := context.WithCancel(st.ctx)
	ended := make(chan error, 1)
	go func() { ended <- app.Worker(workers.WorkerConfig{}).Run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	return call(st.ctx)
}

func playWeather(st *stage) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		st.fail(err)
		return
	}
	source := &http.Server{Handler: http.HandlerFunc(calm), ReadHeaderTimeout: time.Second}
	go func() { _ = source.Serve(listener) }()
	defer func() { _ = source.Close() }()
	began := time.Now()
	weather := st.start("weather", "from a source in this process", "weather", "Kyiv", "--every", "1s", "--source", "http://"+listener.Addr().String())
	st.await(weather, "Kyiv, Ukraine: 3.4 °C", 3)
	took := time.Since(began)
	st.show(weather)
	st.check("it ran at once and then every second, three times", st.trouble == nil && took > time.Second, true)
}

// calm speaks Open-Meteo's API. It knows one place, with one weather.
func calm(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/search" {
		fmt.Fprint(w, `{"results":[{"name":"Kyiv","country":"Ukraine","latitude":50.45,"longitude":30.52}]}`)
		return
	}
	now := time.Now().UTC().Add(2 * time.Hour).Format("2006-01-02T15:04")
	fmt.Fprintf(w, `{"utc_offset_seconds":7200,"current_units":{"temperature_2m":"°C"},"current":{"time":%q,
		"temperature_2m":3.4,"apparent_temperature":0.1,"relative_humidity_2m":87,"weather_code":3,"wind_speed_10m":14}}`, now)
}
