package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"warren/workers"
)

// lecture is the lecture's tasks.py: seven tasks, which print what they do.
type lecture struct {
	app *workers.App

	add           workers.Task2[int, int, int]
	mul           workers.Task2[int, int, int]
	xsum          workers.Task1[[]int, int]
	brokenTask    workers.Task0[workers.None]
	onTaskError   workers.Task2[string, string, workers.None]
	printTask     workers.Task1[string, workers.None]
	onTaskSuccess workers.Task2[workers.None, string, workers.None]
}

// newLecture makes the tasks, with where a worker prints to.
func newLecture(out io.Writer) *lecture {
	app := workers.New("tasks")
	say := func(format string, args ...any) error {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		return err
	}
	l := &lecture{app: app}
	l.add = workers.Func2(app, "add", func(ctx context.Context, x, y int) (int, error) {
		if err := say("add(%d, %d)", x, y); err != nil {
			return 0, err
		}
		return x + y, pause(ctx, 100*time.Millisecond)
	})
	l.mul = workers.Func2(app, "mul", func(_ context.Context, x, y int) (int, error) {
		return x * y, say("mul(%d, %d)", x, y)
	})
	l.xsum = workers.Func1(app, "xsum", func(_ context.Context, list []int) (int, error) {
		sum := 0
		for _, x := range list {
			sum += x
		}
		return sum, say("xsum(%s)", pythonList(list))
	})
	l.brokenTask = workers.Func0(app, "broken_task", func(context.Context) (workers.None, error) {
		return workers.None{}, errors.New("failed")
	})
	l.onTaskError = workers.Func2(app, "on_task_error", func(_ context.Context, id, name string) (workers.None, error) {
		return workers.None{}, say("ERROR IN TASK %s: %s", id, name)
	})
	l.printTask = workers.Func1(app, "print_task", func(_ context.Context, x string) (workers.None, error) {
		return workers.None{}, say("%s", x)
	})
	l.onTaskSuccess = workers.Func2(app, "on_task_success", func(_ context.Context, r workers.None, name string) (workers.None, error) {
		return workers.None{}, say("TASK SUCCEEDED %v: %s", r, name)
	})
	return l
}

// pythonList writes a list as the lecture's programs print it.
func pythonList(list []int) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = strconv.Itoa(x)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
