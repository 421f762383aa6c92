package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"warren/workers"
)

// lecture is the lecture's tasks.py: seven tasks, which print what they do.
type lecture struct {
	app *workers.App

	add           workers.Task2[number, number, number]
	mul           workers.Task2[number, number, number]
	xsum          workers.Task1[[]number, number]
	brokenTask    workers.Task0[workers.None]
	onTaskError   workers.Task2[string, string, workers.None]
	printTask     workers.Task1[string, workers.None]
	onTaskSuccess workers.Task2[workers.None, string, workers.None]
}

// newLecture makes the tasks, with where a worker prints to, and how long it is busy with
// each.
func newLecture(out io.Writer, busy work) *lecture {
	app := workers.New("tasks")
	app.RegisterError("ValueError", errValue)
	app.RegisterError("OverflowError", errOverflow)
	say := func(ctx context.Context, format string, args ...any) error {
		if _, err := fmt.Fprintf(out, format+"\n", args...); err != nil {
			return err
		}
		return busy.showOn(ctx, out)
	}
	l := &lecture{app: app}
	l.addNumbers(say)
	l.brokenTask = workers.Func0(app, "broken_task", func(ctx context.Context) (workers.None, error) {
		return workers.None{}, cmp.Or(busy.showOn(ctx, out), errors.New("failed"))
	})
	l.onTaskError = workers.Func2(app, "on_task_error", func(ctx context.Context, id, name string) (workers.None, error) {
		return workers.None{}, say(ctx, "ERROR IN TASK %s: %s", id, name)
	})
	l.printTask = workers.Func1(app, "print_task", func(ctx context.Context, x string) (workers.None, error) {
		return workers.None{}, say(ctx, "%s", x)
	})
	l.onTaskSuccess = workers.Func2(app, "on_task_success", func(ctx context.Context, r workers.None, name string) (workers.None, error) {
		return workers.None{}, say(ctx, "TASK SUCCEEDED %v: %s", r, name)
	})
	return l
}

// addNumbers registers the tasks that reckon.
func (l *lecture) addNumbers(say func(ctx context.Context, format string, args ...any) error) {
	l.add = workers.Func2(l.app, "add", func(ctx context.Context, x, y number) (number, error) {
		if err := say(ctx, "add(%v, %v)", x, y); err != nil {
			return number{}, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return number{}, err
		}
		return inJSON(x.plus(y))
	})
	l.mul = workers.Func2(l.app, "mul", func(ctx context.Context, x, y number) (number, error) {
		if err := say(ctx, "mul(%v, %v)", x, y); err != nil {
			return number{}, err
		}
		return inJSON(x.times(y))
	})
	l.xsum = workers.Func1(l.app, "xsum", func(ctx context.Context, list []number) (sum number, err error) {
		if err := say(ctx, "xsum(%s)", pythonList(list)); err != nil {
			return number{}, err
		}
		for _, x := range list {
			if sum, err = sum.plus(x); err != nil {
				return number{}, err
			}
		}
		return inJSON(sum, nil)
	})
}

// inJSON is the result of a task, if it can be written.
func inJSON(n number, err error) (number, error) {
	if err == nil {
		err = n.check()
	}
	return n, err
}

// pythonList writes a list as the lecture's programs print it.
func pythonList(list []number) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = x.String()
	}
	return "[" + strings.Join(words, ", ") + "]"
}
