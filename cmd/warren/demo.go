package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"warren/embedded"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play all exercises at once, and check each",
		Long: `Demo plays every exercise in this process on a broker of its own, kills
receivers and a broker for good measure, and checks what was sent, who got it
and what came back. It needs nothing, leaves nothing behind and takes less than
15 seconds. It exits with 1 and says what differed if anything did.`,
		Example: "  warren demo",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.Root().DisplayName(), cmd.OutOrStdout())
		},
	}
	without(cmd, otherFlags()...)
	return cmd
}

// A step is an exercise the demo plays.
type step struct {
	title  string
	proves string
	play   func(*stage)
}

// script is the steps in order; a variable of it would depend on itself, as
// steps run commands, and this is one.
func script() []step {
	return []step{
		{"Hello", "A message waits in a queue until somebody receives it.", playHello},
		{"Several receivers", "Receivers of one queue take turns.", playTurns},
		{"A receiver is killed, without acknowledgements", "What it had been sent is lost with it.", playKillWithoutAck},
		{"A receiver is killed, with acknowledgements", "What it had not done comes back, and nothing is lost.", playKillWithAck},
		{"The broker is killed and started again", "Durable queues and their persistent messages come back.", playBrokerKill},
		{"A queue is declared otherwise", "It must be declared as it is: 406 says so.", playRedeclare},
		{"Fair dispatch", "With --prefetch 1 the next message goes to whoever is free.", playFairDispatch},
		{"Fanout", "Everybody who is bound gets everything.", playFanout},
		{"Direct", "A queue gets the severities it is bound with.", playDirect},
		{"Topic", "A queue gets the keys that match its mask.", playTopic},
		{"Exercise 1: two types of messages, two log files", "Each subscriber logs its own type, and all of it.", playLogs},
		{"Looking in", "Queues can be listed, purged and deleted.", playListing},
		{"Tasks and canvas", "Results come back; chains, groups, chords and callbacks are made of tasks.", playCanvas},
		{"A worker is killed in the middle of a task", "Another one runs it again.", playWorkerKill},
		{"A task fails, and is retried", "It waits in the broker, a little longer each time.", playRetry},
		{"A periodic task, and the weather", "It is sent by the clock.", playWeather},
	}
}

// demo is one performance: how its program is called, where it is told, its
// broker and its directory.
type demo struct {
	called string
	tell   narrator
	url    string
	dir    string
}

func runDemo(ctx context.Context, called string, out io.Writer) (err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "warren-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := embedded.Start(embedded.Config{Port: embedded.RandomPort, Dir: filepath.Join(dir, "broker")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	d := &demo{called: called, tell: newNarrator(out), url: server.URL(), dir: dir}
	d.tell.say("A broker runs in this process at %s (%s).", server.URL(), server.Durability())
	d.tell.say("What you could type yourself stands behind a $.")
	differs, err := d.playAll(ctx)
	if err != nil {
		return err
	}
	return d.sum(differs, time.Since(began))
}

// playAll plays every step, and gives the titles of those that differed.
func (d *demo) playAll(ctx context.Context) (differs []string, err error) {
	for i, s := range script() {
		d.tell.title(i+1, s)
		if !d.play(ctx, i+1, s) {
			differs = append(differs, fmt.Sprintf("%d. %s", i+1, s.title))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return differs, nil
}

// stepTimeout is how long a step may take before something is wrong.
const stepTimeout = 20 * time.Second

func (d *demo) play(ctx context.Context, number int, s step) bool {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	st := newStage(ctx, d, fmt.Sprintf("demo-%d", number))
	defer st.clear()
	s.play(st)
	return st.agrees()
}

func (d *demo) sum(differs []string, took time.Duration) error {
	all := len(script())
	if len(differs) == 0 {
		d.tell.verdict(true, "All %d steps are as they should be, in %.1f seconds.", all, took.Seconds())
		return nil
	}
	d.tell.verdict(false, "%d of %d steps differ:", len(differs), all)
	for _, title := range differs {
		d.tell.text("  ", "", "", title)
	}
	return fmt.Errorf("the demo differs in %d of %d steps", len(differs), all)
}
