package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"warren/streams"
	"warren/streams/amqp091"
)

// defaultAMQP is where AMQP's clients look for a broker.
const defaultAMQP = "127.0.0.1:5672"

// amqpOptions are how serve serves the programs that speak AMQP 0-9-1.
type amqpOptions struct {
	address string // empty is defaultAMQP, where that is free
	off     bool
	users   string // the file
	vhosts  []string
	product string
}

func (o *amqpOptions) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.address, "amqp", "", "serve AMQP clients at this `HOST:PORT`; port 0 is\nany free one (default: "+defaultAMQP+", if free)")
	flags.BoolVar(&o.off, "no-amqp", false, "serve no AMQP clients")
	flags.StringVar(&o.users, "amqp-users", "", "`FILE` with the users of AMQP, a line each:\nNAME PASSWORD [VHOST...] (default: guest with the\npassword guest, from this machine)")
	flags.StringSliceVar(&o.vhosts, "amqp-vhost", nil, "another virtual host for AMQP clients: its\n`NAME`, or what they call it and =NAME; / is\nthat of --vhost")
	sayDefault(flags, "amqp-vhost")
	flags.StringVar(&o.product, "amqp-product", "", "`NAME` to be known by to AMQP clients; some want\nRabbitMQ (default: Warren)")
}

// check refuses flags that cannot be meant.
func (o amqpOptions) check(cmd *cobra.Command) error {
	if !o.off {
		return nil
	}
	for _, name := range []string{"amqp", "amqp-users", "amqp-vhost", "amqp-product"} {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s and --no-amqp exclude each other", name)}
		}
	}
	return nil
}

// closeWait is how long AMQP clients have to answer that the broker stops: less than
// a command that was told to stop gives the broker.
const closeWait = 3 * time.Second

// An amqpFront is what serves AMQP clients, or why nobody does.
type amqpFront struct {
	listener net.Listener // nil if nobody listens
	without  string       // why
	cfg      amqp091.Config
	users    string // the file
}

// listen finds out what is wrong with the flags, and listens, before the broker
// starts. Where only the address was not asked for, that it is taken is no error.
func (o amqpOptions) listen(cmd *cobra.Command, b *broker) (*amqpFront, error) {
	if o.off {
		return &amqpFront{without: "off (--no-amqp)"}, nil
	}
	front := &amqpFront{users: o.users}
	var err error
	if front.cfg, err = o.config(cmd, b); err != nil {
		return nil, err
	}
	address, asked := defaultAMQP, cmd.Flags().Changed("amqp")
	if asked {
		address = o.address
	}
	if b.server != "" {
		asked = true // there is nothing else to do
	}
	if err := checkHostPort(address); err != nil {
		return nil, usageError{fmt.Errorf("--amqp: %w", err)}
	}
	front.listener, err = listenAt(address)
	switch {
	case err == nil:
		return front, nil
	case !asked:
		front.without = fmt.Sprintf("off: %s: %v; see --amqp", address, err)
		return front, nil
	}
	return nil, fmt.Errorf("--amqp: cannot listen at %s: %w: stop who has it, or choose another HOST:PORT", address, err)
}

// checkHostPort refuses what is no address to listen at.
func checkHostPort(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || !validPort(port) {
		return fmt.Errorf("%q is no address; write it like %s, or 0.0.0.0:5672 for all of this machine's", address, defaultAMQP)
	}
	return nil
}

// listenAt listens at an address, unless somebody else answers there: some systems
// let two programs listen at one port, one of them at all addresses.
func listenAt(address string) (net.Listener, error) {
	if host, port, _ := net.SplitHostPort(address); port != "0" && isThisMachine(host) {
		if conn, err := net.DialTimeout("tcp", address, connectTimeout); err == nil {
			_ = conn.Close()
			return nil, errors.New("address already in use")
		}
	}
	l, err := net.Listen("tcp", address)
	var system *os.SyscallError
	if errors.As(err, &system) {
		return nil, system.Err // the address is said already
	}
	return l, err
}

func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (o amqpOptions) config(cmd *cobra.Command, b *broker) (amqp091.Config, error) {
	stderr := cmd.ErrOrStderr()
	cfg := amqp091.Config{
		Session: b.config(stderr), Product: o.product, Version: buildVersion(),
		CloseTimeout: closeWait, Logger: newLogger(stderr, slog.LevelWarn),
	}
	var err error
	if cfg.VHosts, err = o.names(b.vhost); err != nil {
		return cfg, usageError{err}
	}
	if o.users == "" {
		return cfg, nil
	}
	if cfg.Users, err = usersOf(stderr, "amqp-users", o.users, parseUsers); err != nil {
		return cfg, err
	}
	return cfg, checkVHosts(cfg, o.users)
}

// names are the virtual hosts, by what clients call them.
func (o amqpOptions) names(usual string) (map[string]string, error) {
	names := map[string]string{"/": usual}
	for _, text := range o.vhosts {
		shown, name, both := strings.Cut(text, "=")
		if !both {
			name = shown
		}
		if shown == "" {
			return nil, fmt.Errorf("--amqp-vhost %q has no name; write NAME, or VHOST=NAME", text)
		}
		if other, twice := names[shown]; twice && shown != "/" {
			return nil, fmt.Errorf("--amqp-vhost: %s is given twice, for %s and for %s", shown, other, name)
		}
		if err := (streams.Config{VHost: name}).Validate(); err != nil {
			return nil, fmt.Errorf("--amqp-vhost %s: %w; what clients call it may have any: %s=NAME", text, err, shown)
		}
		names[shown] = name
	}
	return names, nil
}

func checkVHosts(cfg amqp091.Config, file string) error {
	for name, user := range cfg.Users {
		for _, vhost := range user.VHosts {
			if _, is := cfg.VHosts[vhost]; !is {
				return fmt.Errorf("--amqp-users: %s: user %q may open the virtual host %q, which is not served: add --amqp-vhost %s", file, name, vhost, vhost)
			}
		}
	}
	return nil
}

// serve serves AMQP clients until the context ends, and everybody has been told.
func (f *amqpFront) serve(ctx context.Context, nc *nats.Conn) error {
	if f.listener == nil {
		<-ctx.Done()
		return nil
	}
	server, err := amqp091.New(nc, f.cfg)
	if err != nil {
		return err
	}
	return server.Serve(ctx, f.listener)
}

// close closes a listener that nobody has served.
func (f *amqpFront) close() {
	if f.listener != nil {
		_ = f.listener.Close()
	}
}

// url is what clients on this machine are given, or why nobody listens.
func (f *amqpFront) url() string {
	if f.listener == nil {
		return f.without
	}
	host, port, _ := net.SplitHostPort(f.listener.Addr().String())
	if net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	at := net.JoinHostPort(host, port)
	switch {
	case f.users != "":
		return "amqp://USER:PASSWORD@" + at + "/ (users of " + f.users + ")"
	case f.exposed():
		return "amqp://guest:guest@" + at + "/ (from this machine; --amqp-users lets others in)"
	}
	return "amqp://guest:guest@" + at + "/"
}

// exposed reports whether passwords and messages cross a network as they are.
func (f *amqpFront) exposed() bool {
	if f.listener == nil {
		return false
	}
	at, ok := f.listener.Addr().(*net.TCPAddr)
	return ok && !at.IP.IsLoopback()
}

// warn warns of passwords and messages that cross a network as they are.
func (f *amqpFront) warn(stderr io.Writer) {
	if f.exposed() {
		newLogger(stderr, slog.LevelWarn).Warn("AMQP clients on other machines send passwords and messages as plain text", "address", f.listener.Addr())
	}
}

// vhosts are the virtual hosts that clients use, by the names of package streams.
func (f *amqpFront) vhosts() map[string]bool {
	names := map[string]bool{}
	if f.listener != nil {
		for _, name := range f.cfg.VHosts {
			names[name] = true
		}
	}
	return names
}
