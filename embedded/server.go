package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is a NATS server in this process. Whoever started it closes it. Its
// methods may be called from any goroutine.
type Server struct {
	cfg  Config
	dir  *dir
	log  *log
	url  string
	nats atomic.Pointer[server.Server] // another one after it was mended

	mu      sync.Mutex // held while one of these changes
	guard   *guard
	closing chan struct{} // closed when there is to be no other server

	restart   atomic.Bool // the server stops to be started again
	restarted time.Time   // of the guard, as pause is
	pause     time.Duration

	atStop atomic.Pointer[inventory]

	done chan struct{}
	err  error // of what followed the stop; read after done
}

// Start starts a server and returns once it can be used, after all streams in
// Config.Dir are loaded. An error says what to change, and leaves nothing
// running and nothing locked; [ErrDirLocked] and [ErrPortInUse] are those a
// program may want to answer itself.
//
// A server of a cluster is returned before it has found the others: see
// [Server.Ready].
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	if err := cfg.checkPorts(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	if len(cfg.Users) > 0 && cfg.User == "" { // of whom Connect could not know a password
		cfg.User, cfg.Password = "embedded-"+rand.Text(), rand.Text()
	}
	s, err := launch(cfg)
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	return s, nil
}

func launch(cfg Config) (*Server, error) {
	// The server locks nothing. Two on one directory both acknowledge, and the
	// messages of one are lost: nothing of it may run before we have the lock.
	dir, err := openDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, dir: dir, log: newLog(cfg.Logger), closing: make(chan struct{}), done: make(chan struct{})}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	s.guard = newGuard(s)
	go s.wait()
	go s.stopWhenFatal()
	return s, nil
}

// start returns with the server running, or with it fully stopped.
func (s *Server) start() error {
	opts, err := s.cfg.options(s.dir.path)
	if err != nil {
		return err
	}
	run, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.nats.Store(run)
	run.SetLoggerV2(s.log, s.log.enabled(slog.LevelDebug), s.log.enabled(levelTrace), false)
	was := s.lastInventory()
	run.Start()
	if err := s.ready(was); err != nil {
		run.Shutdown()
		run.WaitForShutdown()
		return err
	}
	return nil
}

// server is the one that runs, or that ran last.
func (s *Server) server() *server.Server { return s.nats.Load() }

// ready waits for what the server does in the background, and looks at what it
// did in the foreground: it reports trouble to its log alone. It compares what is there
// with what was.
func (s *Server) ready(was *inventory) error {
	if s.cfg.Cluster.enabled() {
		s.waitForRouteListener()
	}
	if err := s.log.failure(); err != nil {
		return err
	}
	if err := s.checkRecovery(); err != nil {
		return err
	}
	s.compareInventory(was)
	if err := s.firstRequest(); err != nil {
		return err
	}
	if s.url == "" {
		s.url = s.findURL()
	}
	if s.url != "" {
		if err := s.dir.lock.tell(s.url); err != nil {
			return fmt.Errorf("write lock note: %w", err)
		}
	}
	if s.cfg.exposed() {
		s.cfg.Logger.Warn("everybody who reaches this server can use it: set a user or a token", "url", s.url)
	}
	return nil
}

// waitForRouteListener returns when the cluster's port is open or will not be.
func (s *Server) waitForRouteListener() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.server().ClusterAddr() == nil {
		select {
		case <-s.log.fatal:
			return
		case <-tick.C:
		}
	}
}

func (s *Server) findURL() string {
	addr, ok := s.server().Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := s.cfg.Host
	// Nobody can dial "all addresses".
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = defaultHost
		if ip.To4() == nil {
			host = "::1"
		}
	}
	s.cfg.Port = addr.Port // for the next one
	u := url.URL{Scheme: "nats", Host: net.JoinHostPort(host, strconv.Itoa(addr.Port))}
	if s.cfg.TLS != nil {
		u.Scheme = "tls"
	}
	return u.String()
}

// wait gives up the directory once the server has stopped, whoever stopped it, and
// is not to be started again.
func (s *Server) wait() {
	for {
		s.server().WaitForShutdown()
		s.guarding().end()
		if !s.again() {
			break
		}
	}
	s.err = errors.Join(s.log.failure(), s.keepInventory(), s.syncLast(), s.dir.close())
	close(s.done)
}

func (s *Server) guarding() *guard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard
}

func (s *Server) stopWhenFatal() {
	select {
	case <-s.log.fatal:
		s.shutdown()
	case <-s.done:
	}
}

// shutdown stops the server for good. The guard ends first: it asks the server,
// which holds its locks while it stops.
func (s *Server) shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
	default:
		close(s.closing)
		s.atStop.Store(s.lookAtRest())
	}
	s.guard.end()
	s.server().Shutdown()
}

// stopped reports whether the server has stopped and does not start again.
func (s *Server) stopped() bool {
	select {
	case <-s.closing:
		return !s.server().Running()
	case <-s.done:
		return true
	default:
		return false
	}
}

// Connect opens a connection that stays inside this process: no port, no TLS,
// and the credentials are applied. The caller closes it, before the server if
// it wants its last messages sent. A connection the server has dropped returns
// by itself; once the server has stopped, it closes within a tenth of a second.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{
		nats.InProcessServer(s),
		nats.IgnoreDiscoveredServers(), // they are not in this process
		nats.Timeout(patience),
		nats.MaxReconnects(-1),
		nats.ReconnectErrHandler(func(nc *nats.Conn, _ error) {
			if s.stopped() {
				nc.Close()
			}
		}),
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ReconnectJitter(0, 0),
	}
	switch {
	case s.cfg.User != "":
		own = append(own, nats.UserInfo(s.cfg.User, s.cfg.Password))
	case s.cfg.Token != "":
		own = append(own, nats.Token(s.cfg.Token))
	}
	nc, err := nats.Connect("", append(own, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to embedded server: %w", err)
	}
	return nc, nil
}

// InProcessConn is one end of a pipe whose other end the server serves. It makes
// a Server a [nats.InProcessConnProvider], for a client that is not made by
// [Server.Connect].
func (s *Server) InProcessConn() (net.Conn, error) {
	if !s.server().Running() {
		return nil, errStopped
	}
	return s.server().InProcessConn()
}

// URL is what a client on this machine dials, without credentials; empty if the
// server does not listen. It stays the same after Close.
func (s *Server) URL() string { return s.url }

// Name is Config.Name.
func (s *Server) Name() string { return s.cfg.Name }

// Dir is the directory the data is in, as an absolute path.
func (s *Server) Dir() string { return s.dir.path }

// Durability says, to be printed wherever a figure is, when what was
// acknowledged is safe from a power cut: "fsync every 1s" or "fsync always",
// and "temporary directory" with it if Close removes the data.
func (s *Server) Durability() string {
	d := "fsync every " + s.cfg.SyncInterval.String()
	if s.cfg.SyncAlways {
		d = "fsync always"
	}
	if s.dir.temporary {
		d += ", temporary directory"
	}
	return d
}

// Limits are how many bytes streams in memory, and those in Dir, may take before publishers
// are refused: [Config.MaxMemory] and [Config.MaxStore], or their defaults.
func (s *Server) Limits() (memory, store int64) { return s.cfg.MaxMemory, s.cfg.MaxStore }

// Health is nil if the server can do its work, and otherwise the first thing
// that is missing: JetStream itself, the leader of the cluster, a stream or
// consumer that is not up to date. It looks at all of them, and one that is
// being made or deleted at this moment may count as missing: ask again.
func (s *Server) Health() error {
	if h := s.server().Healthz(&server.HealthzOptions{}); h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

// Ready returns once [Server.Health] is nil: for a server of a cluster, once it
// has found the others and has caught up with them. Their leader may need a
// moment more until it can place a stream on every one of them. It gives up when
// ctx is done or the server has stopped, with what was still missing.
func (s *Server) Ready(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := s.Health()
		if missing == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("wait for server: %w", errStopped)
		case <-ctx.Done():
			return fmt.Errorf("wait for server: %w: %w", context.Cause(ctx), missing)
		}
	}
}

// Done is closed when the server has stopped, for whatever reason, and its
// directory is free for another.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the server and returns when nothing of it is running: what it had
// acknowledged is on disk, the lock is released and a temporary directory
// removed. It may be called more than once and returns the same error: what
// stopped the server if it was not Close, and what went wrong with the
// directory.
func (s *Server) Close() error {
	s.shutdown()
	<-s.done
	return s.err
}
