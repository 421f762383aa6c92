package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A connection is how a command reaches its NATS server: the flags for that, which
// all commands share.
type connection struct {
	server     string
	serverFlag string // what gives the server; default: --server
	context    string // a context of the nats program

	user, passwordFile string
	creds, nkey        string

	tlsCA, tlsCert, tlsKey string
}

func (c *connection) addConnection(flags *pflag.FlagSet) {
	flags.StringVar(&c.server, "server", "", "`ADDRESS` of the broker\n(default: $NATS_URL, or "+nats.DefaultURL+")")
	flags.StringVar(&c.context, "context", "", "take address and credentials from the context\n`NAME` of the nats program\n(default: $"+contextVariable+", or none)")
	flags.StringVar(&c.user, "user", "", "`NAME` of a user of the broker")
	flags.StringVar(&c.passwordFile, "password-file", "", "`FILE` with the password of the user\n(default: $"+passwordVariable+")")
	flags.StringVar(&c.creds, "creds", "", "`FILE` with the credentials of a user (JWT and seed)")
	flags.StringVar(&c.nkey, "nkey", "", "`FILE` with the seed of a user's nkey")
	flags.StringVar(&c.tlsCA, "tls-ca", "", "`FILE` with the certificate authorities to trust")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "`FILE` with the certificate of this client")
	flags.StringVar(&c.tlsKey, "tls-key", "", "`FILE` with the key of --tls-cert")
}

// An endpoint is where a broker is, and what it is told about who connects.
type endpoint struct {
	addresses
	settings natsContext // what the options are made of
	options  []nats.Option
}

// connect connects, see [addresses.connect].
func (e endpoint) connect(ctx context.Context, opts ...nats.Option) (*nats.Conn, error) {
	return e.addresses.connect(ctx, append(e.options[:len(e.options):len(e.options)], opts...)...)
}

// find says where the broker is and with which credentials it is reached. What the
// flags say comes first. A context named by a flag comes before $NATS_URL, and a
// context named by $NATS_CONTEXT behind it, as for the nats program. That variable is
// not about a broker that the command runs itself.
func (c connection) find(ownBroker bool) (e endpoint, err error) {
	if err := c.check(); err != nil {
		return e, usageError{err}
	}
	name := cmp.Or(c.context, os.Getenv(contextVariable))
	if ownBroker {
		name = ""
	}
	s, err := loadContext(name)
	if err != nil {
		return e, err
	}
	text, from := c.address(s)
	if e.addresses, err = parseAddresses(text); err != nil {
		return e, usageError{fmt.Errorf("%s: %w", from, err)}
	}
	if err := c.identify(e.addresses, from, &s); err != nil {
		return e, err
	}
	s.CA = cmp.Or(c.tlsCA, s.CA)
	if c.tlsCert != "" {
		s.Cert, s.Key = c.tlsCert, c.tlsKey
	}
	e.settings = s
	e.options, err = s.options()
	return e, err
}

// addressFlag is the flag that says where the broker is.
func (c connection) addressFlag() string { return cmp.Or(c.serverFlag, "--server") }

// check refuses flags that contradict each other, and secrets on the command line.
func (c connection) check() error {
	var identities []string
	for _, flag := range []struct{ name, value string }{{"--creds", c.creds}, {"--nkey", c.nkey}, {"--user", c.user}} {
		if flag.value != "" {
			identities = append(identities, flag.name)
		}
	}
	switch {
	case len(identities) > 1:
		return fmt.Errorf("%s exclude each other: a client is one user", strings.Join(identities, " and "))
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return errors.New("--tls-cert and --tls-key go together: the certificate of this client, and its key")
	case strings.HasPrefix(c.nkey, "SU") && !exists(c.nkey):
		return errors.New("everybody on this machine can read a seed on the command line: write it to a file, and give --nkey FILE")
	case strings.Contains(c.user, ":"):
		return openPassword("--user NAME", passwordPlaces)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// address is where the broker is, and who says so.
func (c connection) address(s natsContext) (text, from string) {
	switch env := os.Getenv("NATS_URL"); {
	case c.server != "":
		return c.server, c.addressFlag()
	case c.context != "" && s.URL != "", env == "" && s.URL != "":
		return s.URL, "context " + s.name
	case env != "":
		return env, "$NATS_URL"
	}
	return nats.DefaultURL, "default"
}

// identify settles who connects. Flags take the place of what stands in an address
// or in a context. A user is given the password; without one, a name in $NATS_URL is
// a token, as it is for other programs.
func (c connection) identify(at addresses, from string, s *natsContext) error {
	password, err := readPassword(c.passwordFile)
	if err != nil {
		return err
	}
	if c.creds != "" || c.nkey != "" || c.user != "" {
		return c.replaceIdentity(at, from, password, s)
	}
	users := 0
	for _, u := range at {
		if u.User == nil {
			continue
		}
		users++
		if _, known := u.User.Password(); from != c.addressFlag() && (known || password == "") {
			continue
		}
		if err := withPassword(u, password); err != nil {
			return usageError{fmt.Errorf("%s: %w", from, err)}
		}
	}
	switch {
	case users > 0 && from != "context "+s.name:
		s.forgetIdentity()
	case s.User != "" && (c.passwordFile != "" || s.Password == ""):
		s.Password = password
	case c.passwordFile != "" && users == 0:
		return usageError{errNoUser}
	}
	return nil
}

// replaceIdentity connects as the flags say, whatever else is said.
func (c connection) replaceIdentity(at addresses, from, password string, s *natsContext) error {
	for _, u := range at {
		if u.User != nil && from == c.addressFlag() {
			return usageError{fmt.Errorf("%s names a user, and another flag does, too: leave one of them out", from)}
		}
		u.User = nil
	}
	s.forgetIdentity()
	s.Creds, s.NKey, s.User, s.Password = c.creds, c.nkey, c.user, password
	switch {
	case c.user == "" && c.passwordFile != "":
		return usageError{errNoUser}
	case c.user != "" && password == "":
		return usageError{c.noPassword()}
	}
	return nil
}

func (c connection) noPassword() error {
	return fmt.Errorf("--user %s: the password is missing: give it in %s", c.user, passwordPlaces)
}

// refuseWithEmbedded refuses what a broker in the same process has no use for.
func (c connection) refuseWithEmbedded(cmd *cobra.Command) error {
	for _, name := range []string{"context", "creds", "nkey", "tls-ca", "tls-cert", "tls-key"} {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s is for a broker that runs elsewhere: leave out --embedded", name)}
		}
	}
	return nil
}

// checkTLSFiles reads the files of TLS, to say in plain words what is wrong with one.
// The NATS client reads them anew whenever it connects.
func checkTLSFiles(ca, cert, key string) error {
	if ca != "" {
		if _, err := readAuthorities(ca); err != nil {
			return err
		}
	}
	if cert != "" {
		if _, err := readKeyPair(cert, key); err != nil {
			return err
		}
	}
	return nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificate authorities: there is no PEM certificate in %s", path)
	}
	return pool, nil
}

func readKeyPair(cert, key string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	return pair, nil
}
