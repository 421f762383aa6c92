package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

func newCanvas(b *broker) *cobra.Command {
	return &cobra.Command{
		Use:   "canvas",
		Short: "Send the lecture's tasks, chains, groups and chords",
		Long: `Canvas is the lecture's client: it calls tasks, a group, a chain and a chord,
prints what comes back, and checks it. First type 'warren worker' in another
terminal: what the callbacks print is printed there.`,
		Example: `  warren canvas`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := newLecture(io.Discard, work{}) // what tasks print, workers print
			return b.withApp(cmd, l.app, func(ctx context.Context) error {
				c := canvas{l: l, out: cmd.OutOrStdout(), worker: call(cmd, "worker")}
				return c.run(ctx)
			})
		},
	}
}

// resultTimeout is how long the lecture waits for a result.
const resultTimeout = 3 * time.Second

// canvas is the lecture's client.
type canvas struct {
	l      *lecture
	out    io.Writer
	worker string // what starts a worker
}

func (c canvas) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{c.delay, c.call, c.group, c.chain, c.chord, c.callbacks} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// delay calls a task asynchronously, and looks at it before and after.
func (c canvas) delay(ctx context.Context) error {
	result, err := c.l.add.Delay(ctx, whole(1), whole(1)) // the same as add.S(...).Apply(ctx)
	if err != nil {
		return err
	}
	if err := c.look(ctx, result, workers.Pending, false); err != nil {
		return err
	}
	if err := c.get(ctx, result, 2); err != nil {
		return err
	}
	return c.look(ctx, result, workers.Succeeded, true)
}

func (c canvas) look(ctx context.Context, r *workers.Result[number], want workers.State, done bool) error {
	state, err := r.State(ctx)
	if err != nil {
		return err
	}
	if state == workers.Received || state == workers.Started {
		state = workers.Pending // Celery says more only if it is told to track the start of tasks
	}
	if err := c.print(state, want); err != nil {
		return err
	}
	ready, err := r.Ready(ctx)
	if err != nil {
		return err
	}
	return c.print(python(ready), python(done))
}

// call calls a task here.
func (c canvas) call(ctx context.Context) error {
	n, err := c.l.add.Call(ctx, whole(1), whole(1))
	if err != nil {
		return err
	}
	return c.print(n, 2)
}

// adds are ten calls.
func (c canvas) adds() workers.Sig[[]number] {
	var calls []workers.Sig[number]
	for i := range 10 {
		calls = append(calls, c.l.add.S(whole(i), whole(i)))
	}
	return workers.Group(calls...)
}

// group calls tasks side by side.
func (c canvas) group(ctx context.Context) error {
	result, err := c.adds().Apply(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resultTimeout)
	defer cancel()
	list, err := result.Get(ctx)
	if err != nil {
		return c.explain(ctx, err)
	}
	return c.print(pythonList(list), "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]")
}

// chain gives the result of one task to the next.
func (c canvas) chain(ctx context.Context) error {
	result, err := workers.Chain2(c.l.add.S(whole(4), whole(4)), c.l.mul.P(whole(8))).Apply(ctx)
	if err != nil {
		return err
	}
	return c.get(ctx, result, 64)
}

// chord gives the results of a group to one task.
func (c canvas) chord(ctx context.Context) error {
	result, err := workers.Chord(c.adds(), c.l.xsum.P()).Apply(ctx)
	if err != nil {
		return err
	}
	return c.get(ctx, result, 90)
}

// callbacks link one task to another, for when it fails and when it succeeds.
func (c canvas) callbacks(ctx context.Context) error {
	if _, err := c.l.brokenTask.S().LinkErrorID(c.l.onTaskError.P("broken_task")).Apply(ctx); err != nil {
		return err
	}
	_, err := c.l.printTask.S("something").Link(c.l.onTaskSuccess.P("print_task")).Apply(ctx)
	return err
}

// get waits for a result, as long as the lecture does, and prints it.
func (c canvas) get(ctx context.Context, r *workers.Result[number], want int) error {
	ctx, cancel := context.WithTimeout(ctx, resultTimeout)
	defer cancel()
	n, err := r.Get(ctx)
	if err != nil {
		return c.explain(ctx, err)
	}
	return c.print(n, want)
}

// print prints a value, and says if it is another than it should be.
func (c canvas) print(got, want any) error {
	if _, err := fmt.Fprintln(c.out, got); err != nil {
		return err
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// explain says what to do when no result comes.
func (c canvas) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no result within %v: type '%s' in another terminal", resultTimeout, c.worker)
	}
	return err
}

// python writes a truth as the lecture prints it.
func python(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
