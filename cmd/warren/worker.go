package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/workers"
)

type workerOptions struct {
	cfg  workers.WorkerConfig
	work work
}

func newWorker(b *broker) *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Run the lecture's Celery tasks",
		Long: `Worker runs the tasks of the lecture: add, mul, xsum, broken_task,
on_task_error, print_task and on_task_success. In another terminal type
'warren canvas'. Start several, and they share the tasks.

The first Ctrl-C waits for the tasks that run. The second one cancels them and
hands them back, to be run again by another worker. One that is killed hands
nothing back: another worker runs its tasks when their leases end.`,
		Example: `  warren worker
  warren worker --concurrency 1 --name celery@two
  warren worker --work 5s                     kill it in the middle of a task
  warren worker --loglevel debug
  warren worker --queues celery,io --weights celery=3`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.IntVarP(&o.cfg.Concurrency, "concurrency", "c", 8, "run so many tasks at once")
	flags.StringVarP(&o.cfg.Name, "name", "n", "", "`NAME` of this worker\n(default: celery@ and the name of the host)")
	flags.StringSliceVarP(&o.cfg.Queues, "queues", "Q", []string{lectureQueue}, "take tasks from these `QUEUES` (default: celery)")
	sayDefault(flags, "queues")
	flags.StringToIntVar(&o.cfg.Weights, "weights", nil, "`SHARES` of the worker that queues get, like a=6,b=3\n(default: all the same)")
	sayDefault(flags, "weights")
	flags.BoolVar(&o.cfg.Strict, "strict", false, "take from a queue only when those before it in\n--queues are empty")
	flags.Var(&o.work, "work", "be busy with each task for a time,\nor a random one between two")
	flags.DurationVar(&o.cfg.Grace, "grace", 0, "wait so long at most, at the end, for what runs\n(default: as long as they take)")
	flags.VarP(&b.logLevel, "loglevel", "l", "log on stderr from this `LEVEL` on: debug\n(every task), info, warning or error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.cfg.Concurrency < 1 {
			return usageError{fmt.Errorf("--concurrency is %d; use 1 or more", o.cfg.Concurrency)}
		}
		l := newLecture(cmd.OutOrStdout(), o.work)
		return b.withApp(cmd, l.app, func(ctx context.Context) error {
			return o.run(ctx, l.app, cmd.OutOrStdout(), cmd.ErrOrStderr())
		})
	}
	return cmd
}

// run runs a worker until Ctrl-C, and cancels its tasks at the second.
func (o workerOptions) run(ctx context.Context, app *workers.App, out, stderr io.Writer) error {
	w := app.Worker(o.cfg)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, ends()...)
	defer signal.Stop(signals)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-w.Ready():
			fmt.Fprintf(out, "Tasks: %s\nWaiting for tasks from %s. To exit press CTRL+C\n",
				strings.Join(app.Registered(), ", "), strings.Join(o.cfg.Queues, ", "))
		case <-over:
			return
		}
		select {
		case <-ctx.Done():
		case <-over:
			return
		}
		o.part(w, signals, over, stderr)
	}()
	return w.Run(ctx)
}

// part waits with the user for the tasks that run.
func (o workerOptions) part(w *workers.Worker, signals <-chan os.Signal, over <-chan struct{}, stderr io.Writer) {
	soon := time.NewTimer(500 * time.Millisecond)
	defer soon.Stop()
	select {
	case <-signals: // the one that ended the context
	default:
	}
	for {
		select {
		case <-soon.C:
			fmt.Fprintln(stderr, "Waiting for the tasks that run. Press CTRL+C again to hand them back.")
		case <-signals:
			w.Stop()
		case <-over:
			return
		}
	}
}
