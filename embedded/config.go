package embedded

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// DefaultPort is the port NATS clients dial when they are told none.
	DefaultPort = 4222

	// RandomPort asks for any port that is free.
	RandomPort = -1
)

const (
	defaultName         = "embedded"
	defaultHost         = "127.0.0.1"
	defaultClusterName  = "embedded"
	defaultSyncInterval = time.Second
	defaultMaxMemory    = 1 << 30
	defaultMaxPayload   = 16 << 20

	// The file store writes no record above 32 MiB; a record is the subject,
	// the headers, the body and some thirty bytes of its own.
	largestPayload = 31 << 20

	// A message's headers count against the server's own limit.
	headerRoom = 64 << 10
)

// Config says how a [Server] runs. The zero value is a server that only this
// process can reach, with JetStream on, whose data goes when it is closed.
type Config struct {
	// Name is the server's name among its peers and in its clients' eyes. In a
	// cluster each server needs one of its own and must keep it from start to
	// start; it holds no spaces. Default: "embedded".
	Name string

	// Port is where the server listens for clients: a number, [DefaultPort],
	// or [RandomPort] for any that is free ([Server.URL] tells which). Zero
	// means that it does not listen and only [Server.Connect] reaches it.
	// Default: 0.
	Port int

	// Host is the address or the name to listen on; "0.0.0.0" is all of this
	// machine's. Whoever can reach it can use the server, so beyond loopback
	// set User, Users or Token: without, Start warns in the log but obeys. It needs a
	// Port. Default: "127.0.0.1".
	Host string

	// TLS, if set, is what clients that dial must speak. It needs a
	// certificate, and a Port to use it on; ClientAuth and ClientCAs are
	// honoured. Start keeps a copy. Default: nil, plain TCP.
	TLS *tls.Config `json:"-"`

	// User and Password, set together, are asked of every client and, in a
	// cluster, of every route. The password is plain text, not a hash.
	// Default: empty, anybody may connect.
	User, Password string

	// Users are more users that may connect, by name, each with a password: plain
	// text, or a bcrypt hash, which nats-server takes, too. All may do everything. In
	// a cluster the routes need User. They exclude Token. Default: none.
	Users map[string]string

	// Token is asked of every client and, in a cluster, of every route. It
	// excludes User. Default: empty, anybody may connect.
	Token string

	// Dir is the directory that keeps streams and their messages. It is made
	// if it is missing, and belongs to one server at a time. Default: empty, a
	// temporary directory that Close removes; a process that is killed leaves
	// it behind.
	Dir string

	// SyncInterval is how often what was written is forced to disk, and so how
	// much a power cut may take. It is not negative. Default: 1s.
	SyncInterval time.Duration

	// SyncAlways forces every message to disk before it is acknowledged: a
	// power cut takes nothing, and every publish waits for the disk. It excludes
	// a SyncInterval. Default: false.
	SyncAlways bool

	// MaxMemory is how many bytes all streams in memory may hold together until
	// publishers to Limited are refused. 64 MiB more are for everybody else.
	// Default: 1 GiB.
	MaxMemory int64

	// MaxStore is how many bytes all streams on disk may hold together, in the
	// same way. What is on disk already is loaded even if it is more. Publishers
	// are refused too when only 64 MiB of the disk are free, or a quarter of a
	// small one. Default: 64 GiB, or if that is less three quarters of what is
	// free on the disk when the server starts and of what Dir holds then.
	MaxStore int64

	// Limited are the subjects of publishers that are refused when a limit is
	// reached: with 503, and [Refused]. Everybody else goes on, so that what
	// was published can still be consumed. Default: "*.q.>" and "*.x.>", which
	// are the queues and the exchanges of package warren/streams.
	Limited []string

	// MaxPayload is the largest message body in bytes, at most 31 MiB; 64 KiB
	// beside it are for headers. Default: 16 MiB.
	MaxPayload int

	// Cluster makes the server one of several. Default: none.
	Cluster Cluster

	// Logger is told what the server has to say: its notices at level info,
	// and, if the logger is enabled for them, protocol traces four below
	// debug. Default: nil, silence.
	Logger *slog.Logger `json:"-"`
}

// Cluster names the other servers of a cluster. JetStream wants an odd number
// of them, each started with the same Name and Routes.
type Cluster struct {
	// Name is the cluster's; it holds no spaces. Default: "embedded".
	Name string

	// Port is where this server listens for the others. It must be known
	// before the first of them starts, so RandomPort is refused. Default: 0,
	// no cluster.
	Port int

	// Host is the address or the name to listen on for the others.
	// Default: Config.Host.
	Host string

	// Patience is how long a server waits for another one to take what it sends
	// it, before it gives up the connection and tells its clients that whoever is
	// at the other end is not there. It is not negative. Default: 10s.
	Patience time.Duration

	// Routes are the cluster's addresses, "host:port" each with the Cluster.Port
	// of that server. This server's own may be among them. There must be one.
	Routes []string

	// TLS, if set, is spoken between the servers. It both accepts and dials,
	// so it needs a certificate good for both and the RootCAs to check the
	// others'. Start keeps a copy. Default: nil, plain TCP.
	TLS *tls.Config `json:"-"`
}

func (c Cluster) enabled() bool { return c.Port != 0 }

func (c Config) listens() bool { return c.Port != 0 }

// withDefaults fills in what was left at zero.
func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, defaultName)
	if c.listens() {
		c.Host = cmp.Or(c.Host, defaultHost)
	}
	c.SyncInterval = cmp.Or(c.SyncInterval, defaultSyncInterval)
	c.MaxMemory = cmp.Or(c.MaxMemory, defaultMaxMemory)
	c.MaxPayload = cmp.Or(c.MaxPayload, defaultMaxPayload)
	if c.MaxStore == 0 {
		c.MaxStore = defaultMaxStore(cmp.Or(c.Dir, os.TempDir()))
	}
	if c.Limited == nil {
		c.Limited = []string{"*.q.>", "*.x.>"}
	}
	if c.Cluster.enabled() {
		c.Cluster.Name = cmp.Or(c.Cluster.Name, defaultClusterName)
		c.Cluster.Host = cmp.Or(c.Cluster.Host, c.Host, defaultHost)
		c.Cluster.Patience = cmp.Or(c.Cluster.Patience, patience)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate checks a Config that withDefaults has filled in.
func (c Config) validate() error {
	if strings.ContainsAny(c.Name, " \t\n") {
		return fmt.Errorf("name %q has a space in it: take it out", c.Name)
	}
	if c.SyncInterval < 0 {
		return fmt.Errorf("sync interval %v is negative: leave it out for %v, or set SyncAlways", c.SyncInterval, defaultSyncInterval)
	}
	if c.SyncAlways && c.SyncInterval != defaultSyncInterval {
		return fmt.Errorf("both SyncAlways and a sync interval of %v: set one of them", c.SyncInterval)
	}
	if c.MaxPayload < 0 || c.MaxPayload > largestPayload {
		return fmt.Errorf("max payload %d is not between 1 and %d bytes: send less, or in pieces", c.MaxPayload, largestPayload)
	}
	return cmp.Or(c.validateLimits(), c.validateListener(), c.validateCredentials(), c.validateCluster())
}

func (c Config) validateLimits() error {
	if c.MaxMemory < 0 {
		return fmt.Errorf("max memory %d is negative: leave it out for %d bytes", c.MaxMemory, int64(defaultMaxMemory))
	}
	if c.MaxStore < 0 {
		return fmt.Errorf("max store %d is negative: leave it out for a share of the disk", c.MaxStore)
	}
	if most := int64(math.MaxInt64 - reserve); c.MaxMemory > most || c.MaxStore > most {
		return fmt.Errorf("max memory %d or max store %d is above %d bytes: choose less", c.MaxMemory, c.MaxStore, most)
	}
	for _, subject := range c.Limited {
		if !server.IsValidSubject(subject) {
			return fmt.Errorf("limited subject %q is none: write it like \"*.q.>\"", subject)
		}
	}
	return nil
}

func (c Config) validateListener() error {
	switch {
	case c.Port < RandomPort || c.Port > 65535:
		return fmt.Errorf("port %d does not exist: choose 1 to 65535, or RandomPort", c.Port)
	case !c.listens() && c.Host != "":
		return fmt.Errorf("host %q without a port: set Port, for example to DefaultPort", c.Host)
	case !c.listens() && c.TLS != nil:
		return errors.New("TLS without a port: set Port, for example to DefaultPort")
	case c.TLS != nil && !hasCertificate(c.TLS):
		return errors.New("TLS without a certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	return nil
}

// hashed is what the server would take for a hash and not for the secret.
var hashed = regexp.MustCompile(`^\$2[abxy]\$\d{2}\$`)

func (c Config) validateCredentials() error {
	for name, password := range c.Users {
		switch {
		case name == "" || password == "":
			return fmt.Errorf("user %q of Users has no name or no password: set both", name)
		case name == c.User:
			return fmt.Errorf("user %q is User and in Users: leave one of them out", name)
		}
	}
	switch {
	case len(c.Users) > 0 && c.Token != "":
		return errors.New("both users and a token: set one of them")
	case len(c.Users) > 0 && c.User == "" && c.Cluster.enabled():
		return errors.New("users, but none for the routes of the cluster: set User and Password")
	case c.User != "" && c.Token != "":
		return errors.New("both a user and a token: set one of them")
	case c.User != "" && c.Password == "":
		return fmt.Errorf("user %q without a password: set Password", c.User)
	case c.User == "" && c.Password != "":
		return errors.New("a password without a user: set User")
	case hashed.MatchString(c.Password), hashed.MatchString(c.Token):
		return errors.New("the password or token is a bcrypt hash: give the plain text")
	}
	return nil
}

func (c Config) validateCluster() error {
	k := c.Cluster
	switch {
	case !k.enabled():
		if k.Name != "" || k.Host != "" || len(k.Routes) > 0 || k.TLS != nil || k.Patience != 0 {
			return errors.New("a cluster without a port: set Cluster.Port")
		}
		return nil
	case k.Port < 0 || k.Port > 65535:
		return fmt.Errorf("cluster port %d does not do: choose 1 to 65535, the others must know it", k.Port)
	case k.Patience < 0:
		return fmt.Errorf("cluster patience %v is negative: leave it out for %v", k.Patience, patience)
	case !c.listens():
		return errors.New("a cluster whose server does not listen: set Port, for example to DefaultPort")
	case c.Name == defaultName:
		return errors.New("a server in a cluster needs a name of its own: set Name")
	case strings.ContainsAny(k.Name, " \t\n"):
		return fmt.Errorf("cluster name %q has a space in it: take it out", k.Name)
	case len(k.Routes) == 0:
		return errors.New("a cluster without routes: list the host:port of every server in Cluster.Routes")
	case k.TLS != nil && !hasCertificate(k.TLS):
		return errors.New("cluster TLS without a certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	_, err := c.routes()
	return err
}

func hasCertificate(t *tls.Config) bool {
	return len(t.Certificates) > 0 || t.GetCertificate != nil || t.GetConfigForClient != nil
}

// routes are the cluster's addresses with the credentials to be let in.
func (c Config) routes() ([]*url.URL, error) {
	var us []*url.URL
	for _, r := range c.Cluster.Routes {
		host, port, err := net.SplitHostPort(r)
		if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" || number == 0 {
			return nil, fmt.Errorf("route %q is not host:port: write it like 10.0.0.2:6222", r)
		}
		u := &url.URL{Scheme: "nats-route", Host: r}
		if user, password := c.routeCredentials(); user != "" {
			u.User = url.UserPassword(user, password)
		}
		us = append(us, u)
	}
	return us, nil
}

// routeCredentials guard the cluster's port as the clients' is guarded: a route
// may do everything a client may. A route knows no tokens, only users.
func (c Config) routeCredentials() (user, password string) {
	if c.Token != "" {
		return "route", c.Token
	}
	return c.User, c.Password
}

// exposed says whether strangers on the network can use the server.
func (c Config) exposed() bool {
	if !c.listens() || c.User != "" || len(c.Users) > 0 || c.Token != "" {
		return false
	}
	if c.TLS != nil && c.TLS.ClientAuth >= tls.RequireAndVerifyClientCert {
		return false
	}
	return !isLoopback(c.Host) || c.Cluster.enabled() && !isLoopback(c.Cluster.Host)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// defaultMaxStore is three quarters of what the data may grow to: what is free on
// the disk, and what the directory holds already.
func defaultMaxStore(dir string) int64 {
	const most = 64 << 30
	for at := dir; ; at = filepath.Dir(at) {
		disk, known := diskSpace(at)
		switch {
		case known && disk.free/4*3 >= most:
			return most
		case known:
			return min(most, (disk.free+heldBy(dir))/4*3)
		case filepath.Dir(at) == at:
			return most
		}
	}
}

// heldBy is how much of the disk the files of a directory take.
func heldBy(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what cannot be read is not counted
		}
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
