package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// addresses are where the broker is: one, or several of a cluster.
type addresses []*url.URL

func parseAddresses(text string) (a addresses, err error) {
	for part := range strings.SplitSeq(text, ",") {
		u, err := parseAddress(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		a = append(a, u)
	}
	return a, nil
}

func parseAddress(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !validPort(u.Port()) {
		return nil, fmt.Errorf("%q is no address; write it like nats://127.0.0.1:4222", redact(text))
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return u, nil
	case "amqp", "amqps":
		return nil, fmt.Errorf("%q is a RabbitMQ's address; Warren speaks NATS: nats://127.0.0.1:4222", redacted(u))
	}
	return nil, fmt.Errorf("%q is no address of a NATS server; write it like nats://127.0.0.1:4222", redacted(u))
}

// validPort reports whether there is such a port, or it was left out.
func validPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil
}

// redact takes what may be a password out of what is not a URL.
func redact(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if at := strings.LastIndexByte(rest, '@'); found && at >= 0 {
		return scheme + "://xxxxx" + rest[at:]
	}
	return text
}

// dial is what the NATS client is given.
func (a addresses) dial() string {
	return a.join((*url.URL).String)
}

// String is what may be printed: there are no passwords in it, and no tokens.
func (a addresses) String() string { return a.join(redacted) }

func redacted(u *url.URL) string {
	if _, user := u.User.Password(); u.User == nil || user {
		return u.Redacted()
	}
	hidden := *u
	hidden.User = url.User("xxxxx")
	return hidden.String()
}

func (a addresses) join(text func(*url.URL) string) string {
	texts := make([]string, len(a))
	for i, u := range a {
		texts[i] = text(u)
	}
	return strings.Join(texts, ",")
}

// explain says why there is no connection, and what to type; serve starts a
// broker.
func (a addresses) explain(err error, serve string) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("the broker at %s refused the user or the password: give --user NAME and the password in %s, or --creds, --nkey or --context", a, passwordPlaces)
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("no broker at %s: type '%s' in another terminal, or add --embedded", a, serve)
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("the broker at %s takes these credentials no more: get new ones", a)
	case tlsTrouble(err) != "":
		return fmt.Errorf("no TLS with the broker at %s: %w: %s", a, err, tlsTrouble(err))
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("the broker at %s speaks no TLS: write its address as nats://HOST:PORT", a)
	case silent(err):
		return fmt.Errorf("no NATS server answers at %s within %v: check --server, or type '%s' in another terminal", a, connectTimeout, serve)
	case foreign(err):
		return fmt.Errorf("what answers at %s is not a NATS server: check --server, or type '%s' in another terminal", a, serve)
	}
	return fmt.Errorf("no connection to a broker at %s: %w: check --server, or type '%s' in another terminal", a, err, serve)
}

// tlsTrouble is what to do about an error of TLS, and empty for other errors.
func tlsTrouble(err error) string {
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var refused tls.AlertError
	switch {
	case errors.As(err, &unknown):
		return "if you trust the broker, name who signed its certificate as --tls-ca FILE"
	case errors.As(err, &other):
		return "use the name that the certificate is for"
	case errors.As(err, &refused), errors.Is(err, nats.ErrTLS), strings.Contains(err.Error(), "remote error: tls:"):
		return "the broker may want a certificate of yours: --tls-cert FILE --tls-key FILE"
	}
	return ""
}

// silent reports whether somebody was there, and said nothing.
func silent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op != "dial" && op.Timeout()
}

// foreign reports whether what was said is not what a NATS server says: the
// client says of that only how far it understood it.
func foreign(err error) bool {
	var op *net.OpError
	dialled := !errors.As(err, &op) || op.Op != "dial"
	return errors.Is(err, nats.ErrNoInfoReceived) || dialled && !strings.HasPrefix(err.Error(), "nats: ")
}

// listener is the configuration of a server that listens at the address. A port
// of 0 is any that is free. Where it may not listen, serve may.
func (a addresses) listener(serve string) (embedded.Config, error) {
	if len(a) != 1 || a[0].Scheme != "nats" {
		return embedded.Config{}, fmt.Errorf("an embedded broker cannot be at %s: give one nats:// address of this machine as --server", a)
	}
	u := a[0]
	cfg := embedded.Config{Host: u.Hostname(), Port: embedded.DefaultPort, User: u.User.Username()}
	cfg.Password, _ = u.User.Password()
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return embedded.Config{}, err
		}
		cfg.Port = listenPort(port)
	}
	if ip := net.ParseIP(cfg.Host); cfg.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return embedded.Config{}, fmt.Errorf("an embedded broker is for this machine, not at %s: leave --server out, or use '%s --host %s'", a, serve, cfg.Host)
	}
	return cfg, nil
}

// listenPort is a port as users say it: 0 is any that is free.
func listenPort(port int) int {
	if port == 0 {
		return embedded.RandomPort
	}
	return port
}
