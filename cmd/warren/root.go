package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// programName begins what the program says of itself, however it was called.
const programName = "warren"

// run runs one command line and gives its exit code. What it says to type next
// begins as the program was called.
func run(ctx context.Context, called string, args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &output{to: onScreen(stdout), stop: cancel}
	stderr = onScreen(stderr)
	root := newRoot(called)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	// What fails before a command begins is the command line's fault.
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !began {
		err = usageError{err}
	}
	if lost := out.failure(); lost != nil {
		err = lost // whatever else went wrong came of it
	}
	return report(stderr, cmd, err)
}

const rootHelp = `Warren is RabbitMQ's and Celery's exercises, and a broker to run them on, in one
program.

Begin with the broker in one terminal and an exercise in two others:

  warren serve
  warren receive
  warren send

or, of Celery,

  warren worker
  warren canvas

or watch them all at once:

  warren demo

On a terminal control characters in messages, names and results are shown, as
\x1b or \r, and not obeyed.

A broker that runs already, with users or TLS, is reached with flags that
'warren help connecting' explains.

In names of commands and flags, _ is the same as -: emit_log is emit-log.

Exit codes: 0 done, or a receiver stopped by Ctrl-C; 1 failure; 2 a command line
that makes no sense; 130 interrupted before it was done. The first Ctrl-C hands
back what is not finished, the second waits for that no longer than three
seconds, the third not at all.`

func newRoot(called string) *cobra.Command {
	root := &cobra.Command{
		Use:           programName,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: called},
		Short:         "RabbitMQ's and Celery's exercises, and a broker to run them on",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          showHelp,
	}
	root.Version = buildVersion()
	root.SetVersionTemplate(programName + " {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	b := newBroker(root.PersistentFlags())
	root.SetGlobalNormalizationFunc(dashed)
	root.AddGroup(
		&cobra.Group{ID: groupExercises, Title: "Exercises of RabbitMQ:"},
		&cobra.Group{ID: groupTasks, Title: "Exercises of Celery:"},
		&cobra.Group{ID: groupBroker, Title: "The broker:"},
	)
	addGroup(root, groupExercises,
		newReceive(b), newSend(b),
		newReceiveLogs(b), newEmitLog(b),
		newReceiveLogsDirect(b), newEmitLogDirect(b),
		newReceiveLogsTopic(b), newEmitLogTopic(b),
		newGenerate(b), newSubscribe(b))
	addGroup(root, groupTasks,
		newWorker(b), newCanvas(b), newWeather(b), newBeat(b), newCall(b), newResult(b), newRevoke(b), newPurge(b),
		newStatus(b), newInspect(b), newControl(b), newEvents(b), newDead(b))
	addGroup(root, groupBroker,
		newServe(b), newList(b), newQueue(b), newExchange(b), newCompare(b), newBench(b), newDemo(), newMan(), newVersion())
	root.AddCommand(newConnectingHelp(), newHoldMessages())
	addCompletions(root, b)
	aliasUnderscores(root)
	sayCalledAs(root, called)
	checkHelpTopics(root)
	return root
}

const (
	groupExercises = "exercises"
	groupTasks     = "tasks"
	groupBroker    = "broker"
)

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// subcommand refuses the names of commands that a command does not have.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0])
	cmd.SuggestionsMinimumDistance = 2
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(similar, " or "))
	}
	return err
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// checkHelpTopics lets 'help' refuse what is no command.
func checkHelpTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, topic []string) error {
		cmd, rest, err := root.Find(topic)
		if err != nil {
			return err
		}
		return subcommand(cmd, rest)
	}
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q is one argument too many: '%s' takes none", args[0], cmd.CommandPath())
}

// dashed makes a flag's _ a -.
func dashed(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

// aliasUnderscores lets every command be called with _ for -, as the programs
// of the tutorials are.
func aliasUnderscores(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if alias := strings.ReplaceAll(sub.Name(), "-", "_"); alias != sub.Name() {
			sub.Aliases = append(sub.Aliases, alias)
		}
		aliasUnderscores(sub)
	}
}
