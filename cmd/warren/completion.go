package main

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/streams"
	"warren/workers"
)

// completionTimeout is how long a shell waits for names from the broker.
const completionTimeout = 2 * time.Second

// A lister lists names that a broker has.
type lister func(context.Context, *nats.Conn, *broker) ([]string, error)

// listers are the names behind the words that stand for them in usages and helps.
var listers = map[string]lister{
	"QUEUE": listQueues, "QUEUES": listQueues, "EXCHANGE": listExchanges, "TASK": listTasks, "WORKER": listWorkers,
}

// addCompletions completes names of queues, exchanges, tasks and workers, wherever
// the usage of a command or the help of a flag says that there is one.
func addCompletions(cmd *cobra.Command, b *broker) {
	if _, args, _ := strings.Cut(cmd.Use, " "); cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil && cmd.Runnable() && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = b.completeArgs(strings.Fields(args))
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		word, _ := pflag.UnquoteUsage(flag)
		if list := listers[word]; list != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, b.completeWith(list)) // it fails for a flag that is none
		}
	})
	for _, sub := range cmd.Commands() {
		addCompletions(sub, b)
	}
}

// completeArgs completes arguments that are as these words of a usage say: QUEUE,
// [WORKER...] or one|another.
func (b *broker) completeArgs(words []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(words) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		word := words[min(len(args), len(words)-1)]
		name := strings.Trim(word, "[].")
		switch list := listers[name]; {
		case len(args) >= len(words) && !strings.Contains(word, "..."):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case list != nil:
			names, directive := b.completeWith(list)(cmd, args, begun)
			return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), directive
		case alternatives.MatchString(name):
			return strings.Split(name, "|"), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// alternatives are words of which one is to be typed as it is.
var alternatives = regexp.MustCompile(`^[a-z]+(\|[a-z]+)+$`)

// completeWith asks the broker for names. Whatever goes wrong, a shell that completes
// a line is no place to say so.
func (b *broker) completeWith(list lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		names, err := b.ask(ctx, cmd, list)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		before := begun[:strings.LastIndexByte(begun, ',')+1] // of a list in a flag
		names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(before+name, begun) })
		for i, name := range names {
			names[i] = before + name
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// ask asks a broker that is there, and changes nothing in it.
func (b *broker) ask(ctx context.Context, cmd *cobra.Command, list lister) ([]string, error) {
	at, err := b.find(false)
	if err != nil {
		return nil, err
	}
	nc, err := at.connect(ctx, nats.Name(clientName(cmd)+" (completion)"), nats.NoReconnect())
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if err := streams.CheckVHost(ctx, nc, b.vhost); err != nil {
		return nil, err
	}
	return list(ctx, nc, b)
}

// quiet is a configuration that logs nothing.
func (b *broker) quiet() streams.Config {
	return streams.Config{VHost: b.vhost, Replicas: b.replicas, Lease: b.lease, Logger: slog.New(slog.DiscardHandler)}
}

func listQueues(ctx context.Context, nc *nats.Conn, b *broker) (names []string, err error) {
	s, err := streams.Open(ctx, nc, b.quiet())
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close(ctx) }()
	queues, err := s.Queues(ctx)
	for _, q := range queues {
		names = append(names, q.Name)
	}
	return names, err
}

func listExchanges(ctx context.Context, nc *nats.Conn, b *broker) (names []string, err error) {
	s, err := streams.Open(ctx, nc, b.quiet())
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close(ctx) }()
	exchanges, err := s.Exchanges(ctx)
	for _, x := range exchanges {
		if x.Name != "" {
			names = append(names, x.Name)
		}
	}
	return names, err
}

func listTasks(ctx context.Context, nc *nats.Conn, b *broker) (names []string, err error) {
	err = b.askControl(ctx, nc, func(ctx context.Context, c workers.Control) error {
		answers, err := c.Registered(ctx)
		for _, a := range answers {
			names = append(names, a.Value...)
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func listWorkers(ctx context.Context, nc *nats.Conn, b *broker) (names []string, err error) {
	err = b.askControl(ctx, nc, func(ctx context.Context, c workers.Control) error {
		answers, err := c.Ping(ctx)
		for _, a := range answers {
			names = append(names, a.Worker)
		}
		return err
	})
	return names, err
}

// askControl asks workers, and leaves time to hand on what they said.
func (b *broker) askControl(ctx context.Context, nc *nats.Conn, ask func(context.Context, workers.Control) error) error {
	app := workers.New(programName)
	if err := app.Connect(ctx, nc, b.appConfig(io.Discard)); err != nil {
		return err
	}
	defer func() { _ = app.Close(ctx) }()
	soon, cancel := context.WithTimeout(ctx, completionTimeout/2)
	defer cancel()
	return ask(soon, app.Control())
}
