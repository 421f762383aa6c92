package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"warren/embedded"
	"warren/streams"
)

type serveOptions struct {
	dir  string
	host string
	port int
	sync syncMode
	amqp amqpOptions

	memory, store size

	user, password string // asked of every client
	usersFile      string
	users          map[string]string // of NATS, with their passwords
}

func newServe(b *broker) *cobra.Command {
	o := serveOptions{sync: syncMode{every: time.Second}}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker",
		Long: `Serve runs the broker until Ctrl-C is pressed. It keeps durable queues and
persistent messages in its directory; the same directory has them again. When a
limit is reached, or the disk is nearly full, publishers are refused with 506 until
consumers have made room.

Programs written for RabbitMQ (AMQP 0-9-1) connect to amqp://127.0.0.1:5672, unless
another program listens there. They share exchanges and queues with Warren's own. With
--server or --context, serve runs no broker: it lets them use a NATS cluster with
JetStream.

With --tls-cert and --tls-key, NATS clients must use TLS, and with --tls-ca they need
a certificate, too; the port of AMQP has no TLS. The files are read again for every
client, so that a renewed certificate needs no restart. A unit of systemd may have
Type=notify. SIGHUP ends serve only when its terminal was closed.`,
		Example: `  warren serve
  warren serve --port 4333 --dir ./data --sync always
  warren serve --host 0.0.0.0 --user alice --password-file secret.txt
  warren serve --host 0.0.0.0 --users users.txt
  warren serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  warren serve --amqp 0.0.0.0:5672 --amqp-users users.txt --amqp-vhost orders
  warren serve --server nats://a,nats://b,nats://c --replicas 3`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", dataDir(), "`DIRECTORY` of the data\n(default: "+dataDir()+")")
	sayDefault(flags, "dir")
	flags.StringVar(&o.host, "host", "127.0.0.1", "`ADDRESS` to listen on; 0.0.0.0 is all\nof this machine's")
	flags.IntVar(&o.port, "port", embedded.DefaultPort, "port to listen on; 0 is any free one")
	flags.StringVar(&b.user, "user", "", "ask every client for this `USER` and the password\nin "+passwordPlaces+";\nwith --server the user of that broker")
	flags.StringVar(&o.usersFile, "users", "", "`FILE` with the users of NATS, a line each:\nNAME PASSWORD (default: anybody may connect)")
	flags.Var(&o.sync, "sync", "when data is forced to disk:\nalways, or how often")
	flags.Var(&o.memory, "max-memory", "refuse publishers when what is not durable takes\nso much memory (default: 1GiB)")
	flags.Var(&o.store, "max-store", "refuse publishers when the data takes so much of\nthe disk (default: 64GiB, or 3/4 of what is free)")
	sayDefault(flags, "max-memory")
	sayDefault(flags, "max-store")
	flags.StringVar(&b.server, "server", "", "run no broker, and serve AMQP clients in front of\nthe NATS servers at `ADDRESS`,...")
	flags.StringVar(&b.tlsCert, "tls-cert", "", "`FILE` with the certificate of this broker: NATS\nclients must use TLS. With --server the one of\nthis client")
	flags.StringVar(&b.tlsKey, "tls-key", "", "`FILE` with the key of --tls-cert")
	flags.StringVar(&b.tlsCA, "tls-ca", "", "`FILE` with the certificate authorities that must\nhave signed the certificate of every client.\nWith --server those that may have signed the\ncertificate of that broker")
	o.amqp.addTo(cmd)
	without(cmd, "embedded")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.check(cmd, b) }
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd, b) }
	return cmd
}

// check refuses flags that contradict each other.
func (o serveOptions) check(cmd *cobra.Command, b *broker) error {
	if o.port < 0 || o.port > 65535 {
		return usageError{fmt.Errorf("--port is %d; use 1 to 65535, or 0 for any that is free", o.port)}
	}
	if err := refuse(cmd, "embedded"); err != nil {
		return err
	}
	if b.elsewhere() {
		return o.checkFront(cmd)
	}
	for _, name := range []string{"creds", "nkey"} {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s goes with --server: it is about a broker that runs elsewhere", name)}
		}
	}
	if (b.tlsCert == "") != (b.tlsKey == "") || b.tlsCert == "" && b.tlsCA != "" {
		return usageError{errors.New("--tls-cert and --tls-key go together, and --tls-ca goes with them")}
	}
	if cmd.Flags().Changed("replicas") {
		return usageError{errors.New("--replicas goes with --server: a broker of its own is one server")}
	}
	return o.amqp.check(cmd)
}

// elsewhere reports whether serve is told of a broker to stand in front of.
func (c connection) elsewhere() bool { return c.server != "" || c.context != "" }

// checkFront refuses what is said of a broker where none is run.
func (o serveOptions) checkFront(cmd *cobra.Command) error {
	if o.amqp.off {
		return usageError{errors.New("--server and --no-amqp leave nothing to do: without a broker, serve serves AMQP clients")}
	}
	for _, name := range []string{"dir", "host", "port", "users", "sync", "max-memory", "max-store"} {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s is of a broker, and with --server none is run", name)}
		}
	}
	return nil
}

// without takes shared flags from a command that could only ignore them: its help
// does not show them, and given they are refused.
func without(cmd *cobra.Command, names ...string) {
	show := cmd.HelpFunc()
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		for _, name := range names {
			if flag := cmd.InheritedFlags().Lookup(name); flag != nil {
				flag.Hidden = true
			}
		}
		show(cmd, args)
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return refuse(cmd, names...) }
}

// refuse refuses flags that were given.
func refuse(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s is for the other commands", name)}
		}
	}
	return nil
}

func (o serveOptions) run(cmd *cobra.Command, b *broker) error {
	defer stayAtHangup(cmd)()
	front, err := o.amqp.listen(cmd, b)
	if err != nil {
		return err
	}
	defer front.close()
	if b.elsewhere() {
		return o.runFront(cmd, b, front)
	}
	return o.runBroker(cmd, b, front)
}

func (o serveOptions) runBroker(cmd *cobra.Command, b *broker, front *amqpFront) (err error) {
	if o.user, o.password, err = b.ownUser(); err != nil {
		return err
	}
	warnIfOpen(cmd.ErrOrStderr(), b.passwordFile)
	if o.users, err = o.readUsers(cmd.ErrOrStderr()); err != nil {
		return err
	}
	cfg := o.config(cmd.ErrOrStderr())
	if cfg.TLS, err = b.serverTLS(newLogger(cmd.ErrOrStderr(), slog.LevelWarn)); err != nil {
		return err
	}
	server, err := embedded.Start(cfg)
	if errors.Is(err, embedded.ErrPortInUse) {
		return fmt.Errorf("%w (--port); if it is a broker already, use that", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	nc, err := server.Connect(nats.Name(clientName(cmd)))
	if err != nil {
		return err
	}
	defer nc.Close()
	return attend(cmd, b, nc, front, server.Done(), func(out io.Writer) {
		fmt.Fprintf(out, "  URL         %s\n", server.URL())
		fmt.Fprintf(out, "  AMQP        %s\n", front.url())
		fmt.Fprintf(out, "  directory   %s\n", server.Dir())
		fmt.Fprintf(out, "  durability  %s\n", server.Durability())
		memory, store := server.Limits()
		fmt.Fprintf(out, "  limits      %s of memory, %s of the disk\n\n", roundSize(memory), roundSize(store))
		fmt.Fprintf(out, "In another terminal: %s%s\n", call(cmd, "receive"), o.serverFlag(server.URL())+b.tlsFlags())
	})
}

// runFront serves AMQP clients in front of a broker that runs elsewhere.
func (o serveOptions) runFront(cmd *cobra.Command, b *broker, front *amqpFront) error {
	return b.attach(cmd, leave, func(_ context.Context, nc *nats.Conn) error {
		return attend(cmd, b, nc, front, nil, func(out io.Writer) {
			fmt.Fprintf(out, "  broker      %s\n", nc.ConnectedUrlRedacted())
			fmt.Fprintf(out, "  AMQP        %s\n\n", front.url())
		})
	})
}

// attend keeps the virtual hosts in order and serves AMQP clients, until the command
// is told to stop or the broker has stopped. AMQP's clients are told before the
// sessions close, so that what they held is back in its queues.
func attend(cmd *cobra.Command, b *broker, nc *nats.Conn, front *amqpFront, stopped <-chan struct{}, banner func(io.Writer)) (err error) {
	sessions, err := openVHosts(cmd, b, nc, front)
	defer func() { err = errors.Join(err, closeSessions(sessions, nc)) }()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	served := make(chan error, 1)
	go func() { served <- front.serve(ctx, nc) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Warren is ready\n\n")
	banner(out)
	fmt.Fprintln(out, "To exit press CTRL+C")
	front.warn(cmd.ErrOrStderr())
	if err := notifySystem("READY=1"); err != nil {
		return err
	}
	select {
	case <-cmd.Context().Done():
		fmt.Fprintln(out, "Stopping")
		return notifySystem("STOPPING=1")
	case <-stopped:
		return errors.New("the server has stopped")
	case err := <-served:
		served <- nil
		return err
	}
}

// openVHosts opens a session for each virtual host: it clears away what clients that
// died have left.
func openVHosts(cmd *cobra.Command, b *broker, nc *nats.Conn, front *amqpFront) (sessions []*streams.Session, err error) {
	vhosts := front.vhosts()
	vhosts[b.vhost] = true
	for _, vhost := range slices.Sorted(maps.Keys(vhosts)) {
		cfg := b.config(cmd.ErrOrStderr())
		cfg.VHost, cfg.Explain, cfg.Lead = vhost, nil, true
		s, err := streams.Open(cmd.Context(), nc, cfg)
		if err != nil {
			return sessions, err
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

func closeSessions(sessions []*streams.Session, nc *nats.Conn) (err error) {
	for _, s := range sessions {
		err = errors.Join(err, closeSession(s, nc))
	}
	return err
}

func (o serveOptions) config(stderr io.Writer) embedded.Config {
	return embedded.Config{
		Name: "warren", Dir: o.dir, Host: o.host, Port: listenPort(o.port),
		User: o.user, Password: o.password, Users: o.users,
		MaxMemory: int64(o.memory), MaxStore: int64(o.store),
		SyncAlways: o.sync.always, SyncInterval: o.sync.every,
		Logger: newLogger(stderr, slog.LevelWarn),
	}
}

// serverFlag is what a client has to add to find this broker.
func (o serveOptions) serverFlag(url string) string {
	switch {
	case o.user != "" || o.users != nil:
		user := cmp.Or(o.user, "USER")
		return " --server " + strings.Replace(url, "://", "://"+user+"@", 1) + " --password-file FILE"
	case url != nats.DefaultURL:
		return " --server " + url
	}
	return ""
}

// readUsers reads the users of NATS.
func (o serveOptions) readUsers(stderr io.Writer) (map[string]string, error) {
	if o.usersFile == "" {
		return nil, nil
	}
	users, err := usersOf(stderr, "users", o.usersFile, parseNATSUsers)
	if err != nil {
		return nil, err
	}
	if _, twice := users[o.user]; twice {
		return nil, usageError{fmt.Errorf("--user %s is in %s, too: leave one of them out", o.user, o.usersFile)}
	}
	return users, nil
}

// ownUser is the user that a broker asks its clients for, and the user's password.
func (c connection) ownUser() (name, password string, err error) {
	if c.user == "" && c.passwordFile != "" {
		return "", "", usageError{errors.New("--password-file goes with --user")}
	}
	if c.user == "" {
		return "", "", nil
	}
	if strings.Contains(c.user, ":") {
		return "", "", usageError{openPassword("--user NAME", passwordPlaces)}
	}
	if password, err = readPassword(c.passwordFile); err == nil && password == "" {
		err = usageError{c.noPassword()}
	}
	return c.user, password, err
}

// syncMode is when data is forced to disk.
type syncMode struct {
	always bool
	every  time.Duration
}

// String, Set and Type make a flag of it.
func (m *syncMode) String() string {
	if m.always {
		return "always"
	}
	return m.every.String()
}

// Type names the value in the help.
func (m *syncMode) Type() string { return "MODE" }

// Set reads "always" or a time.
func (m *syncMode) Set(text string) error {
	if text == "always" {
		m.always, m.every = true, 0
		return nil
	}
	every, err := time.ParseDuration(text)
	if err != nil || every <= 0 {
		return errors.New("use always, or a time like 1s")
	}
	m.always, m.every = false, every
	return nil
}
