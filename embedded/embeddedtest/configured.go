package embeddedtest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Configured starts a server as operators run it, from the text of a configuration
// file of nats-server, and returns its URL. Use it for what [embedded.Config] does
// not have: users with permissions, nkeys, accounts, JWTs. heard, unless nil, is told
// each line of the server's log, with a trace of the protocol, one at a time. The
// server listens on a free port
// of this machine, with JetStream on a temporary directory, and stops when the test
// ends.
func Configured(tb testing.TB, config string, heard func(line string)) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		tb.Fatalf("read the configuration: %v", err)
	}
	opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
	opts.JetStream, opts.StoreDir = true, tb.TempDir()
	opts.NoSigs = true
	s, err := server.NewServer(opts)
	if err != nil {
		tb.Fatalf("start a server: %v", err)
	}
	s.SetLoggerV2(&serverLog{heard: heard}, false, heard != nil, false)
	s.Start()
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		tb.Fatal("the server is not ready after a minute")
	}
	return s.ClientURL()
}

// A serverLog hands what a server logs to a function.
type serverLog struct {
	mu    sync.Mutex
	heard func(line string)
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) tell(format string, v []any) {
	if l.heard == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard(fmt.Sprintf(format, v...))
}

func (l *serverLog) Noticef(format string, v ...any) { l.tell(format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.tell(format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.tell(format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.tell(format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.tell(format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.tell(format, v) }
