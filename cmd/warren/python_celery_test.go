package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// startCelery starts a worker of Celery.
func (b *pythonBroker) startCelery(app string, args ...string) *command {
	b.Helper()
	args = append([]string{"-m", "celery", "-A", app, "worker", "-c", "2", "-l", "info", "-n", b.Name() + "@%h"}, args...)
	p := b.start("celery", args...)
	awaitLike(b.T, 1, `.* ready\.`, p)
	return p
}

// TestPython_Celery: the lecture's tasks, and all that it asks of them.
func TestPython_Celery(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		worker := b.startCelery("tasks")
		wantSaid(b.T, "the client", b.run("celery", "send.py"), []string{
			"PENDING", "False", "2", "SUCCESS", "True", "add(1, 1)", "2",
			"[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]", "64", "90",
		})
		const task = `\[.*ForkPoolWorker-\d+\] `
		awaitLike(b.T, 1, task+"TASK SUCCEEDED None: print_task", worker)
		awaitLike(b.T, 1, task+"ERROR IN TASK [-0-9a-f]+: broken_task", worker)
		said := linesLike(task+`((?:add|mul|xsum)\(.*\)|something)`, worker)
		slices.Sort(said)
		want := []string{"add(1, 1)", "add(4, 4)", "mul(8, 8)", "something", "xsum([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])"}
		for range 2 {
			for i := range 10 {
				want = append(want, fmt.Sprintf("add(%d, %d)", i, i))
			}
		}
		slices.Sort(want)
		wantSaid(b.T, "the worker", said, want)
	})
}

// TestPython_SharedQueue: workers of Celery and of Warren share a queue, and each runs
// what the other's clients send; results come back both ways.
func TestPython_SharedQueue(t *testing.T) {
	t.Parallel()
	b := onWarren(t)
	celery := b.startCelery("shared", "-Q", "celery,python")
	warren := launch(t, nil, "warren", "worker", "--server", b.nats, "-Q", "celery,go")
	warren.awaitLine(t, "Waiting for tasks")
	wantSaid(t, "the client in Python", b.run("celery", "ask.py"), []string{
		"[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38]", "128", "Exception failed FAILURE",
	})
	for _, w := range []*command{celery, warren} {
		if len(linesLike(`.*add\(\d+, \d+\)`, w)) == 0 {
			t.Errorf("%s has run none of 22 tasks", w.cmd)
		}
	}
	call := func(code int, args ...string) string {
		c := launch(t, nil, "warren", append([]string{"call", "--server", b.nats, "--wait", "--replies"}, args...)...)
		c.wantEnd(t, code)
		return c.said()
	}
	for i := range 4 { // of both workers
		if said := call(0, "add", "20", strconv.Itoa(i)); !strings.HasSuffix(said, fmt.Sprintf("\n%d", 20+i)) {
			t.Errorf("the client in Go was told %q, want %d", said, 20+i)
		}
	}
	if said := call(1, "only_python", `"k"`, "--queue", "python"); !strings.Contains(said, "KeyError: 'k'") {
		t.Errorf("of a task that fails the client in Go was told %q", said)
	}
}

// TestPython_Beat: Celery's scheduler, and a worker that runs what it sends. They go on
// after the broker was killed.
func TestPython_Beat(t *testing.T) {
	onBothBrokers(t, func(b *pythonBroker) {
		worker := b.startCelery("ticking")
		b.start("celery", "-m", "celery", "-A", "ticking", "beat", "-s", filepath.Join(b.tmp, "schedule"))
		const tick = `\[.*ForkPoolWorker-\d+\] tick`
		awaitLike(b.T, 2, tick, worker)
		if b.server == nil {
			return
		}
		b.server.kill(b.T)
		before := len(linesLike(tick, worker))
		b.server.restart(b.T)
		awaitLike(b.T, before+5, tick, worker) // some may have been on their way
	})
}
