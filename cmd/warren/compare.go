package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/cmd/warren/internal/compare"
)

type compareOptions struct {
	rabbitmq    []string
	nats        string
	restart     string
	quick, full bool
	format      reportFormat
}

func newCompare(b *broker) *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Compare Warren, JetStream and RabbitMQ on this machine",
		Long: `Compare does the same on each broker: exercises, to see what it does, and
workloads, to see how fast. Warren and JetStream without it are there by
themselves, in this process and over TCP; RabbitMQ, and a NATS that runs
already, if you say where they are. With --rabbitmq-restart it is also seen what
survives a restart of RabbitMQ; all who use it are disconnected by that. Brokers
are only compared in one class of durability:

  D0  a message survives nothing: it is in memory
  D1  it survives that the broker's process is killed: it was written
  D2  it survives a power cut: it was synced before it was confirmed

Ctrl-C ends it early and still prints what there is.`,
		Example: `  warren compare
  warren compare --rabbitmq amqp://guest:guest@127.0.0.1:5672/
  warren compare --rabbitmq amqp://guest:guest@127.0.0.1:5672/ \
      --rabbitmq-restart 'systemctl restart rabbitmq-server'
  warren compare --full --json > report.json`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.rabbitmq, "rabbitmq", nil, "a RabbitMQ, by its `URL`; may be given again:\namqp://USER@HOST:PORT/,\nwith the password in $"+rabbitPasswordVariable)
	flags.StringVar(&o.restart, "rabbitmq-restart", "", "shell `COMMAND` that restarts the RabbitMQ\n(default: it is not restarted)")
	flags.StringVar(&o.nats, "nats", "", "a NATS with JetStream, by its `ADDRESS`;\nfurther flags say who connects to it")
	flags.BoolVar(&o.quick, "quick", false, "a first look, in some minutes (default)")
	flags.BoolVar(&o.full, "full", false, "all workloads, sizes and classes; takes long")
	o.format.addTo(flags)
	withoutBroker(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.quick && o.full {
			return usageError{errors.New("--quick and --full exclude each other")}
		}
		if o.restart != "" && len(o.rabbitmq) != 1 {
			return usageError{errors.New("--rabbitmq-restart goes with one --rabbitmq, which it restarts")}
		}
		return o.run(cmd, b)
	}
	return cmd
}

func (o compareOptions) run(cmd *cobra.Command, b *broker) error {
	program, err := thisProgram()
	if err != nil {
		return err
	}
	plan := compare.Plan{Workloads: compare.Quick(), For: compare.ShortestRun}
	if o.full {
		plan = compare.Plan{Workloads: compare.Full(), Repeats: 5}
	}
	rabbitmq, nats, err := otherBrokers(cmd, b, o.rabbitmq, o.nats)
	if err != nil {
		return err
	}
	choice := compare.Choice{Program: program, RabbitMQ: rabbitmq, RabbitMQRestart: o.restart, NATS: nats, Replicas: b.replicas}
	c := comparison{choice: choice, plan: plan, behave: true, format: o.format}
	return c.run(cmd)
}

// thisProgram is this program, as a child that ends with it.
func thisProgram() (compare.Program, error) {
	path, err := os.Executable()
	return compare.Program{Path: path, Env: []string{childVariable + "=1"}}, err
}

// A comparison is what 'compare' and 'bench' do.
type comparison struct {
	choice compare.Choice
	plan   compare.Plan
	behave bool // look at what targets do, too
	format reportFormat
}

func (c comparison) run(cmd *cobra.Command) (err error) {
	report := compare.Report{
		Command: strings.Join(append([]string{programName}, flagsOf(cmd)...), " "),
		Version: buildVersion(), Started: time.Now(),
	}
	if err := c.format.check(); err != nil {
		return err
	}
	targets, missing, err := c.choice.Open(cmd.Context())
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, t.Close())
		}
	}()
	if err != nil {
		return err
	}
	report.Missing = missing
	for _, t := range targets {
		report.Targets = append(report.Targets, compare.TargetInfo{Name: t.Name(), Features: t.Features()})
	}
	if report.Machine, err = compare.ThisMachine(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "Measuring. Ctrl-C ends it early and prints what there is.")
	stopped := c.fill(cmd, &report, targets)
	report.Took = time.Since(report.Started)
	report.Interrupted = errors.Is(stopped, context.Canceled)
	return errors.Join(c.format.write(cmd, report), stopped)
}

// fill does what is to be done, until the command is told to stop.
func (c comparison) fill(cmd *cobra.Command, report *compare.Report, targets []compare.Target) error {
	progress := newBar(cmd.ErrOrStderr())
	defer progress.end()
	if c.behave {
		behaviours, err := compare.Behave(cmd.Context(), behaving(targets), progress.tell)
		report.Behaviours = behaviours
		if err != nil {
			return err
		}
	}
	c.plan.Targets, c.plan.Progress = targets, progress.tell
	measured, missing, err := c.plan.Measure(cmd.Context())
	report.Measurements = measured
	report.Missing = append(report.Missing, missing...)
	return err
}

// behaving leaves out servers that differ only in where they run or when they
// sync, which changes nothing in what they do.
func behaving(targets []compare.Target) (list []compare.Target) {
	for _, t := range targets {
		if _, always := t.Features().Classes[compare.D2]; t.Features().Broker != "RabbitMQ" &&
			(always || t.Features().Transport == "in process") {
			continue
		}
		list = append(list, t)
	}
	return list
}
