package embedded_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

func TestLoggerHearsTheServer(t *testing.T) {
	t.Parallel()
	var log lines
	s := start(t, embedded.Config{Logger: log.logger()})
	if want := "Server is ready"; !log.has("INFO", want) {
		t.Errorf("got log %q, want %q at INFO", log.String(), want)
	}
	connect(t, s)
	if want := "Client connection created"; !log.has("DEBUG", want) {
		t.Errorf("got log %q, want %q at DEBUG", log.String(), want)
	}
	if want := "CONNECT"; !log.has("DEBUG-4", want) {
		t.Errorf("got log %q, want %q at DEBUG-4", log.String(), want)
	}
}

// The server warns of what this package does on purpose; nobody can act on it.
func TestDefaultsRaiseNoWarning(t *testing.T) {
	t.Parallel()
	var log lines
	start(t, embedded.Config{User: "alice", Password: "secret", Port: embedded.RandomPort, Logger: log.logger()})
	if log.has("WARN", "") {
		t.Errorf("got log %q, want no warning in it", log.String())
	}
	for _, want := range []string{"Plaintext passwords", "Maximum payloads"} {
		if !log.has("DEBUG", want) {
			t.Errorf("got log %q, want %q at DEBUG", log.String(), want)
		}
	}
}

// After a crash the server makes an index anew. That is no reason to warn anybody.
func TestCrashRaisesNoWarning(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), t.TempDir()
	first := start(t, embedded.Config{Dir: dir})
	publish(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	publish(t, start(t, embedded.Config{Dir: dir}))
	// What is on disk now, is on disk after a crash now.
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	var log lines
	start(t, embedded.Config{Dir: copied, Logger: log.logger()})
	if want := "will rebuild"; log.has("WARN", "") || !log.has("INFO", want) {
		t.Errorf("got log %q, want %q at INFO, and no warning", log.String(), want)
	}
}

func publish(t *testing.T, s *embedded.Server) {
	t.Helper()
	js, err := jetstream.New(connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("x")); err != nil {
		t.Fatal(err)
	}
}

// lines collects what is logged, down to the protocol traces.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *lines) has(level, text string) bool {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, "level="+level+" ") && strings.Contains(line, text) {
			return true
		}
	}
	return false
}
