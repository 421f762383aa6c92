package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warren/embedded"
	"warren/streams"
	"warren/workers"
)

// broker is how a command finds its broker: the flags that all commands share.
type broker struct {
	connection
	vhost    string
	embedded bool
	dir      string
	replicas int
	lease    time.Duration
	explain  bool
	logLevel logLevel // of what apps log
	replies  bool     // of workers of Celery, which apps take
}

func newBroker(flags *pflag.FlagSet) *broker {
	b := &broker{logLevel: logLevel{slog.LevelWarn}}
	b.addConnection(flags)
	flags.StringVar(&b.vhost, "vhost", streams.DefaultVHost, "virtual host by this `NAME`")
	flags.BoolVar(&b.embedded, "embedded", false, "run a broker in this command, at --server")
	flags.StringVar(&b.dir, "dir", "", "`DIRECTORY` of an embedded broker's data\n(default: a temporary directory)")
	flags.IntVar(&b.replicas, "replicas", 1, "on how many servers of a cluster to keep new queues\nand exchanges")
	flags.DurationVar(&b.lease, "lease", 10*time.Second, "after how long the messages of a killed receiver\ncome back, in new queues")
	flags.BoolVar(&b.explain, "explain", false, "print what each step of AMQP and of Celery becomes\non NATS, on stderr")
	return b
}

// otherFlags are the names of the shared flags, without some of them.
func otherFlags(except ...string) (names []string) {
	shared := pflag.NewFlagSet("", pflag.ContinueOnError)
	newBroker(shared)
	shared.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(except, flag.Name) {
			names = append(names, flag.Name)
		}
	})
	return names
}

// with opens a session for a command, and closes it, after which everything
// the command held is handed back.
func (b *broker) with(cmd *cobra.Command, use func(context.Context, *streams.Session) error) error {
	return b.withChecked(cmd, func(context.Context, *nats.Conn) error { return nil }, use)
}

// withChecked opens no session unless the check passes.
func (b *broker) withChecked(cmd *cobra.Command, check func(context.Context, *nats.Conn) error, use func(context.Context, *streams.Session) error) error {
	return b.attach(cmd, leave, func(ctx context.Context, nc *nats.Conn) (err error) {
		if err := check(ctx, nc); err != nil {
			return err
		}
		cfg := b.config(cmd.ErrOrStderr())
		cfg.Lead = b.embedded // nobody else stays for as long as the broker
		s, err := streams.Open(ctx, nc, cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeSession(s, nc)) }()
		return use(ctx, s)
	})
}

// look is [broker.with] for commands that change nothing, or only what is there: they
// do not create a virtual host whose name may be mistyped.
func (b *broker) look(cmd *cobra.Command, use func(context.Context, *streams.Session) error) error {
	return b.withChecked(cmd, func(ctx context.Context, nc *nats.Conn) error {
		if b.vhost == streams.DefaultVHost || b.vhost == "/" || b.vhost == "" {
			return nil // it is there always, as RabbitMQ's / is
		}
		return streams.CheckVHost(ctx, nc, b.vhost)
	}, use)
}

// attach connects a command, which is made to part when it is told to stop.
func (b *broker) attach(cmd *cobra.Command, part func(*cobra.Command, *nats.Conn), use func(context.Context, *nats.Conn) error) (err error) {
	if b.dir != "" && !b.embedded {
		return usageError{errors.New("--dir goes with --embedded: another broker has a directory already")}
	}
	nc, stop, err := b.connect(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	defer context.AfterFunc(cmd.Context(), func() { part(cmd, nc) })()
	err = use(cmd.Context(), nc)
	if cmd.Context().Err() != nil && errors.Is(err, nats.ErrConnectionClosed) {
		return cmd.Context().Err() // it was told to stop while the broker was away
	}
	return err
}

func (b *broker) config(stderr io.Writer) streams.Config {
	cfg := streams.Config{VHost: b.vhost, Replicas: b.replicas, Lease: b.lease, Logger: newLogger(stderr, slog.LevelWarn)}
	if b.explain {
		cfg.Explain = func(step streams.Step) { printStep(stderr, step) }
	}
	return cfg
}

// printStep prints a step of AMQP, or of a store, which does what AMQP has no words for.
func printStep(w io.Writer, step streams.Step) {
	layer := "amqp"
	if strings.HasPrefix(step.AMQP, "store.") {
		layer = "store"
	}
	printLines(w, layer, step.AMQP, step.NATS)
}

// printTaskStep prints a step of Celery, and what it is made of.
func printTaskStep(w io.Writer, step workers.Explained) {
	switch {
	case step.Celery == "":
		printStep(w, step.Step)
	case step.AMQP == "":
		printLines(w, "celery", step.Celery, step.NATS)
	default:
		printLines(w, "celery", step.Celery, append([]string{step.AMQP}, step.NATS...))
	}
}

func printLines(w io.Writer, layer, what string, nats []string) {
	text := "[" + layer + "] " + what + "\n"
	for _, line := range nats {
		text += "       -> " + line + "\n"
	}
	fmt.Fprint(w, text)
}

// closeTimeout is how long handing back may take: without a broker nobody is
// there to take it, and the lease does it.
const closeTimeout = 5 * time.Second

func closeSession(s *streams.Session, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.Close(ctx)
	if !nc.IsConnected() {
		return nil // nobody is there to hand anything back to
	}
	return err
}

// leave keeps a command that was told to stop from waiting for a broker that has
// gone, and from waiting long for one that does not answer.
func leave(cmd *cobra.Command, nc *nats.Conn) {
	leaveIfAway(cmd, nc)
	time.AfterFunc(closeTimeout, func() { abandon(cmd, nc, "does not answer") })
}

// leaveIfAway is how a command parts whose workers may take as long as their tasks do
// to end: only a broker that is away ends them sooner.
func leaveIfAway(cmd *cobra.Command, nc *nats.Conn) {
	if !nc.IsConnected() {
		abandon(cmd, nc, "is away")
	}
}

func abandon(cmd *cobra.Command, nc *nats.Conn, why string) {
	if nc.IsClosed() {
		return
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The broker %s: what receivers did not acknowledge comes back when its lease ends.\n", why)
	nc.Close()
}

// connect gives a connection and the function that ends it, with the embedded
// broker if there is one.
func (b *broker) connect(cmd *cobra.Command) (*nats.Conn, func() error, error) {
	if b.embedded {
		if err := b.refuseWithEmbedded(cmd); err != nil {
			return nil, nil, err
		}
	}
	at, err := b.find(b.embedded)
	if err != nil {
		return nil, nil, err
	}
	warnIfOpen(cmd.ErrOrStderr(), b.passwordFile)
	if b.embedded {
		return embed(cmd, at.addresses, b.dir)
	}
	nc, err := at.connect(cmd.Context(), natsOptions(cmd)...)
	if err != nil {
		return nil, nil, at.explain(err, call(cmd, "serve"))
	}
	return nc, func() error { nc.Close(); return nil }, nil
}

// embed runs a broker in this process: it listens too, for the command in the
// other terminal.
func embed(cmd *cobra.Command, at addresses, dir string) (*nats.Conn, func() error, error) {
	cfg, err := at.listener(call(cmd, "serve"))
	if err != nil {
		return nil, nil, usageError{err}
	}
	cfg.Dir = dir
	cfg.Logger = newLogger(cmd.ErrOrStderr(), slog.LevelWarn)
	server, err := embedded.Start(cfg)
	if errors.Is(err, embedded.ErrPortInUse) {
		return nil, nil, fmt.Errorf("%w; a broker that is there already needs no --embedded", err)
	}
	if err != nil {
		return nil, nil, err
	}
	nc, err := server.Connect(natsOptions(cmd)...)
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Broker in this command at %s, data in %s (%s)\n", server.URL(), server.Dir(), server.Durability())
	return nc, func() error { nc.Close(); return server.Close() }, nil
}

func natsOptions(cmd *cobra.Command) []nats.Option {
	stderr := cmd.ErrOrStderr()
	return []nats.Option{
		nats.Name(clientName(cmd)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			switch {
			case cmd.Context().Err() != nil:
				leaveIfAway(cmd, nc)
			case err != nil:
				fmt.Fprintln(stderr, "Connection lost, waiting for the broker to come back.")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { fmt.Fprintln(stderr, "Connected again.") }),
		nats.ErrorHandler(complaints(cmd)),
	}
}

// complaints says what the broker complains of. What is not permitted is tried again
// and again, and said once.
func complaints(cmd *cobra.Command) nats.ErrHandler {
	var said sync.Map
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		text := strings.TrimPrefix(err.Error(), "nats: ")
		log := newLogger(cmd.ErrOrStderr(), slog.LevelWarn)
		if !errors.Is(err, nats.ErrPermissionViolation) {
			log.Warn("the broker complains", "error", text)
			return
		}
		if _, twice := said.LoadOrStore(text, true); !twice {
			log.Warn("the user lacks a permission", "error", text, "see", call(cmd, "help connecting"))
		}
	}
}
