package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/workers"
)

type callOptions struct {
	kwargs       string
	countdown    time.Duration
	eta          string
	expires      time.Duration
	queue, id    string
	priority     string
	softLimit    time.Duration
	hardLimit    time.Duration
	ignoreResult bool
	wait         bool
	replies      bool
	timeout      time.Duration
}

func newCall(b *broker) *cobra.Command {
	var o callOptions
	cmd := &cobra.Command{
		Use:   "call TASK [ARG...]",
		Short: "Send a task to the workers by its name",
		Long: `Call sends a task by its name, and prints its id. Arguments that are JSON are
sent as they are, others as strings. In front of negative numbers put --.
Whether the worker knows the task, and takes such arguments, its result tells:
ask with --wait, or 'warren result ID'.`,
		Example: `  warren call add 1 1 --wait
  warren call print_task "some text" --countdown 10s
  warren call -- add 1 -1`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&o.kwargs, "kwargs", "", "arguments by name, as a `JSON` object")
	flags.DurationVar(&o.countdown, "countdown", 0, "begin so long from now")
	flags.StringVar(&o.eta, "eta", "", "begin at this `TIME`, like 2027-01-31T12:00:00Z")
	flags.DurationVar(&o.expires, "expires", 0, "revoke it unless it has begun so long from\nnow")
	flags.DurationVar(&o.softLimit, "soft-time-limit", 0, "tell it to end when it has run so long")
	flags.DurationVar(&o.hardLimit, "time-limit", 0, "give it up when it has run so long")
	flags.StringVar(&o.queue, "queue", "", "send it to this `QUEUE` (default: celery)")
	flags.StringVar(&o.priority, "priority", "normal", "`LEVEL`: low, normal or high")
	flags.StringVar(&o.id, "id", "", "give it this `ID` (default: one is made)")
	flags.BoolVar(&o.ignoreResult, "ignore-result", false, "keep no result of it")
	flags.BoolVar(&o.wait, "wait", false, "wait for the result, and print it")
	flags.BoolVar(&o.replies, "replies", false, "take it from a worker of Celery too, whose\nbackend is rpc://")
	flags.DurationVar(&o.timeout, "timeout", 0, "wait so long at most (default: for ever)")
	cmd.SetFlagErrorFunc(negativeNumber)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts, err := o.options()
		if err != nil {
			return usageError{err}
		}
		sig, err := o.signature(args[0], args[1:])
		if err != nil {
			return usageError{err}
		}
		app := workers.New(programName)
		b.replies = o.replies
		return b.withApp(cmd, app, func(ctx context.Context) error { return o.run(ctx, cmd, app, sig, opts) })
	}
	return cmd
}

// negativeNumber says of a number that was taken for a flag how to write it.
func negativeNumber(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && json.Valid([]byte(unknown.GetSpecifiedShortnames())) {
		return fmt.Errorf("-%s was read as a flag; put -- in front: '%s'", unknown.GetSpecifiedShortnames(), call(cmd, "call -- TASK ARG..."))
	}
	return flagError(cmd, err)
}

func (o callOptions) signature(task string, args []string) (workers.Signature, error) {
	sig := workers.Signature{Task: task}
	for _, arg := range args {
		text := json.RawMessage(arg)
		if !json.Valid(text) {
			var err error
			if text, err = json.Marshal(arg); err != nil {
				return sig, err
			}
		}
		sig.Args = append(sig.Args, text)
	}
	if o.kwargs != "" {
		if err := json.Unmarshal([]byte(o.kwargs), &sig.Kwargs); err != nil {
			return sig, errors.New(`--kwargs is no JSON object; write it like '{"x": 1}'`)
		}
	}
	return sig, nil
}

func (o callOptions) options() ([]workers.Option, error) {
	var opts []workers.Option
	if o.timeout != 0 && !o.wait {
		return nil, errors.New("--timeout goes with --wait")
	}
	if o.replies && !o.wait {
		return nil, errors.New("--replies goes with --wait")
	}
	if o.wait && o.ignoreResult {
		return nil, errors.New("with --ignore-result there is nothing to wait for")
	}
	if o.countdown != 0 {
		opts = append(opts, workers.Countdown(o.countdown))
	}
	if o.eta != "" {
		at, err := time.Parse(time.RFC3339, o.eta)
		if err != nil {
			return nil, fmt.Errorf("--eta %q is no time; write it like 2027-01-31T12:00:00Z", o.eta)
		}
		opts = append(opts, workers.ETA(at))
	}
	if o.expires != 0 {
		opts = append(opts, workers.Expires(o.expires))
	}
	if o.softLimit != 0 {
		opts = append(opts, workers.SoftLimit(o.softLimit))
	}
	if o.hardLimit != 0 {
		opts = append(opts, workers.HardLimit(o.hardLimit))
	}
	if o.queue != "" {
		opts = append(opts, workers.Queue(o.queue))
	}
	level, err := parseLevel(o.priority)
	if err != nil {
		return nil, err
	}
	if level != workers.Normal {
		opts = append(opts, workers.Priority(level))
	}
	if o.id != "" {
		opts = append(opts, workers.ID(o.id))
	}
	if o.ignoreResult {
		opts = append(opts, workers.IgnoreResult())
	}
	return opts, nil
}

func parseLevel(name string) (workers.Level, error) {
	for _, l := range []workers.Level{workers.Low, workers.Normal, workers.High} {
		if name == l.String() {
			return l, nil
		}
	}
	return 0, fmt.Errorf("--priority is %q; use low, normal or high", name)
}

func (o callOptions) run(ctx context.Context, cmd *cobra.Command, app *workers.App, sig workers.Signature, opts []workers.Option) error {
	r, err := app.Canvas(sig).Apply(ctx, opts...)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), r.ID())
	if !o.wait {
		return nil
	}
	return printResult(ctx, cmd, r, o.timeout)
}

// printResult waits for a result, for so long at most unless that is 0, and prints
// it.
func printResult(ctx context.Context, cmd *cobra.Command, r *workers.Result[json.RawMessage], timeout time.Duration) error {
	soon := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		soon, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	stop := showWaiting(soon, cmd.ErrOrStderr(), timeout, standingOf(r))
	value, err := r.Get(soon)
	stop()
	if err != nil {
		if ctx.Err() == nil && soon.Err() != nil {
			return fmt.Errorf("no result of task %s within %v: see '%s'", r.ID(), timeout, call(cmd, "status"))
		}
		printTraceback(cmd.OutOrStdout(), err)
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\n", value)
	return nil
}

func printTraceback(out io.Writer, err error) {
	var f *workers.Failure
	if errors.As(err, &f) && f.Traceback != "" {
		fmt.Fprintln(out, f.Traceback)
	}
}
