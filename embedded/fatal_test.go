package embedded

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A port may be lost between the look at it and the server's own try, which
// for the cluster's is in the background.
func TestPortLostMeanwhile(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	cluster := Cluster{Port: port, Routes: []string{taken.Addr().String()}}
	for name, cfg := range map[string]Config{
		"clients": {Port: port},
		"cluster": {Name: "a", Port: RandomPort, Cluster: cluster},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Dir = t.TempDir()
			s, err := launch(cfg.withDefaults())
			if err == nil {
				_ = s.Close()
				t.Fatalf("got a server, want %v", ErrPortInUse)
			}
			if !errors.Is(err, ErrPortInUse) {
				t.Errorf("got error %v, want %v", err, ErrPortInUse)
			}
			wantFree(t, cfg.Dir)
		})
	}
}

func TestFatalErrorAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, server.JetStreamStoreDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Start(Config{Dir: dir, Port: RandomPort})
	if err == nil {
		_ = s.Close()
		t.Fatal("got a server whose store is a file, want an error")
	}
	if want := "Can't start JetStream"; !strings.Contains(err.Error(), want) {
		t.Errorf("got error %q, want %q in it", err, want)
	}
	if err := os.Remove(filepath.Join(dir, server.JetStreamStoreDir)); err != nil {
		t.Fatal(err)
	}
	wantFree(t, dir)
}

func TestFatalErrorLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.log.Fatalf("out of everything: %v", os.ErrClosed)
	<-s.Done()
	if err := s.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("close: got %v, want %v", err, os.ErrClosed)
	}
	wantFree(t, dir)
}

func TestDroppedConnectionReturns(t *testing.T) {
	t.Parallel()
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // not what is tested
	back := make(chan struct{})
	nc, err := s.Connect(nats.ReconnectHandler(func(*nats.Conn) { close(back) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	id, err := nc.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server().DisconnectClientByID(id); err != nil {
		t.Fatal(err)
	}
	<-back
}

// wantFree starts a server on a directory that nobody may hold any more.
func wantFree(t *testing.T, dir string) {
	t.Helper()
	s, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatalf("start on the same directory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
