package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	user credentials
	sync syncMode
}

func newServe(b *broker) *cobra.Command {
	o := serveOptions{sync: syncMode{every: time.Second}}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker",
		Long: `Serve runs the broker until Ctrl-C is pressed. It keeps durable queues and
persistent messages in its directory; the same directory has them again.`,
		Example: `  warren serve
  warren serve --port 4333 --dir ./data --sync always
  warren serve --host 0.0.0.0 --user alice:secret`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", dataDir(), "`DIRECTORY` of the data\n(default: "+dataDir()+")")
	sayDefault(flags, "dir")
	flags.StringVar(&o.host, "host", "127.0.0.1", "`ADDRESS` to listen on; 0.0.0.0 is all\nof this machine's")
	flags.IntVar(&o.port, "port", embedded.DefaultPort, "port to listen on; 0 is any free one")
	flags.Var(&o.user, "user", "ask every client for this user and password")
	flags.Var(&o.sync, "sync", "when data is forced to disk:\nalways, or how often")
	without(cmd, "server", "embedded", "replicas", "lease", "explain")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.check(cmd) }
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd, b) }
	return cmd
}

// check refuses flags that speak of another broker than this.
func (o serveOptions) check(cmd *cobra.Command) error {
	if o.port < 0 || o.port > 65535 {
		return usageError{fmt.Errorf("--port is %d; use 1 to 65535, or 0 for any that is free", o.port)}
	}
	if err := refuse(cmd, "server", "embedded"); err != nil {
		return fmt.Errorf("%w; use --host and --port here", err)
	}
	return refuse(cmd, "replicas", "lease", "explain")
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

func (o serveOptions) run(cmd *cobra.Command, b *broker) (err error) {
	server, err := embedded.Start(o.config(cmd.ErrOrStderr()))
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
	// The session clears away what clients that died have left.
	s, err := streams.Open(cmd.Context(), nc, b.config(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(context.Background())) }()
	o.banner(cmd, server)
	select {
	case <-cmd.Context().Done():
		fmt.Fprintln(cmd.OutOrStdout(), "Stopping")
		return nil
	case <-server.Done():
		return errors.New("the server has stopped")
	}
}

func (o serveOptions) config(stderr io.Writer) embedded.Config {
	return embedded.Config{
		Name: "warren", Dir: o.dir, Host: o.host, Port: listenPort(o.port),
		User: o.user.name, Password: o.user.password,
		SyncAlways: o.sync.always, SyncInterval: o.sync.every,
		Logger: newLogger(stderr, slog.LevelWarn),
	}
}

func (o serveOptions) banner(cmd *cobra.Command, server *embedded.Server) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Warren is ready\n\n")
	fmt.Fprintf(out, "  URL         %s\n", server.URL())
	fmt.Fprintf(out, "  directory   %s\n", server.Dir())
	fmt.Fprintf(out, "  durability  %s\n\n", server.Durability())
	fmt.Fprintf(out, "In another terminal: %s%s\n", call(cmd, "receive"), o.serverFlag(server.URL()))
	fmt.Fprintln(out, "To exit press CTRL+C")
}

// serverFlag is what a client has to add to find this broker.
func (o serveOptions) serverFlag(url string) string {
	switch {
	case o.user.name != "":
		return " --server " + strings.Replace(url, "://", "://"+o.user.name+":PASSWORD@", 1)
	case url != nats.DefaultURL:
		return " --server " + url
	}
	return ""
}

// credentials are a user and a password.
type credentials struct{ name, password string }

// String shows no password.
func (c *credentials) String() string { return c.name }

// Type names the value in the help.
func (c *credentials) Type() string { return "USER:PASSWORD" }

// Set reads USER:PASSWORD; the password may have colons in it.
func (c *credentials) Set(text string) error {
	name, password, ok := strings.Cut(text, ":")
	if !ok || name == "" || password == "" {
		return errors.New("write it as USER:PASSWORD")
	}
	c.name, c.password = name, password
	return nil
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
