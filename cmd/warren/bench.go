package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/cmd/warren/internal/compare"
)

type benchOptions struct {
	rabbitmq  []string
	nats      string
	targets   []string
	workloads []string
	classes   []string
	sizes     []int
	run       time.Duration
	repeats   int
	format    reportFormat
}

// What bench measures at most: a run counts messages in advance.
const (
	longestRun  = time.Hour
	mostRepeats = 1000
	largestSize = 64 << 20
)

func newBench(b *broker) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast one broker is",
		Long: `Bench measures workloads on a target; 'warren compare' does so on several.
Targets are warren and jetstream, which is JetStream without Warren, each on a
broker in this process (embedded) or in one of its own (tcp), and with fsync
behind it if that syncs before every confirm; 'warren amqp', which is Warren's
port for RabbitMQ's programs; and those of the brokers that --nats or --context
and --rabbitmq name: 'rabbitmq quorum', or 'rabbitmq 4.3.6 quorum' of several.

Workloads are ` + wrapIDs() + `.`,
		Example: `  warren bench
  warren bench --workload one-to-one --class D1 --size 1024
  warren bench --target 'jetstream tcp fsync' --workload publish --class D2`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.rabbitmq, "rabbitmq", nil, "a RabbitMQ, by its `URL`; may be given again:\namqp://USER@HOST:PORT/,\nwith the password in $"+rabbitPasswordVariable)
	flags.StringVar(&o.nats, "nats", "", "a NATS with JetStream, by its `ADDRESS`;\nfurther flags say who connects to it")
	flags.StringSliceVar(&o.targets, "target", nil, "measure these `TARGETS` (default: warren embedded)")
	flags.StringSliceVar(&o.workloads, "workload", nil, "run these `WORKLOADS` (default: all)")
	flags.StringSliceVar(&o.classes, "class", nil, "in these `CLASSES` of durability: D0, D1, D2\n(default: all)")
	flags.IntSliceVar(&o.sizes, "size", nil, "so many `BYTES` a body, like 128,1024\n(default: the workload's)")
	flags.DurationVar(&o.run, "for", time.Second, "how long a run takes, 500ms or more")
	flags.IntVar(&o.repeats, "repeats", 3, "how often each is measured")
	o.format.addTo(flags)
	withoutBroker(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return o.bench(cmd, b)
	}
	return cmd
}

// wrapIDs are the workloads, on two lines.
func wrapIDs() string {
	ids := compare.WorkloadIDs()
	half := len(ids) / 2
	return strings.Join(ids[:half], ", ") + ",\n" + strings.Join(ids[half:], ", ")
}

func (o benchOptions) bench(cmd *cobra.Command, b *broker) error {
	if len(o.targets) == 0 {
		o.targets = []string{"warren embedded"}
	}
	workloads, err := o.chosen()
	if err != nil {
		return usageError{err}
	}
	if o.run < compare.ShortestRun {
		return usageError{fmt.Errorf("--for is %v; use at least %v: a shorter run says nothing of how fast a broker is", o.run, compare.ShortestRun)}
	}
	if o.repeats < 1 {
		return usageError{fmt.Errorf("--repeats is %d; use 1 or more, and 3 for ratios", o.repeats)}
	}
	if o.run > longestRun || o.repeats > mostRepeats {
		return usageError{fmt.Errorf("--for is %v and --repeats %d; use at most %v and %d", o.run, o.repeats, longestRun, mostRepeats)}
	}
	program, err := thisProgram()
	if err != nil {
		return err
	}
	rabbitmq, nats, err := otherBrokers(cmd, b, o.rabbitmq, o.nats)
	if err != nil {
		return err
	}
	choice := compare.Choice{Program: program, RabbitMQ: rabbitmq, NATS: nats, Replicas: b.replicas, Names: o.targets}
	if err := choice.Check(); err != nil {
		return usageError{err}
	}
	c := comparison{choice: choice, plan: compare.Plan{Workloads: workloads, For: o.run, Repeats: o.repeats}, format: o.format}
	return c.run(cmd)
}

// chosen are the workloads that were asked for, as they were.
func (o benchOptions) chosen() (list []compare.Workload, err error) {
	for _, id := range o.workloads {
		if !slices.Contains(compare.WorkloadIDs(), id) {
			return nil, fmt.Errorf("there is no workload %q; there are %s", id, strings.Join(compare.WorkloadIDs(), ", "))
		}
	}
	var classes []compare.Class
	for _, text := range o.classes {
		c := compare.Class(strings.ToUpper(text))
		if !slices.Contains([]compare.Class{compare.D0, compare.D1, compare.D2}, c) {
			return nil, fmt.Errorf("there is no class %q; use D0, D1 or D2", text)
		}
		classes = append(classes, c)
	}
	for _, size := range o.sizes {
		if size < compare.MinSize {
			return nil, fmt.Errorf("--size is %d; use at least %d, for what is written in a body to count it", size, compare.MinSize)
		}
		if size > largestSize {
			return nil, fmt.Errorf("--size is %d; use at most %d, which is the most that NATS sends", size, largestSize)
		}
	}
	for _, w := range compare.Full() {
		if len(o.workloads) > 0 && !slices.Contains(o.workloads, w.ID) {
			continue
		}
		if classes != nil {
			w.Classes = classes
		}
		if o.sizes != nil {
			w.Sizes = o.sizes
		}
		list = append(list, w)
	}
	return list, nil
}
