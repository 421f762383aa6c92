package embedded_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

func TestDamagedStreamIsNotPassedOver(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{Dir: t.TempDir()}
	files := makeStream(t, cfg, "EVENTS")
	if err := os.WriteFile(filepath.Join(files, "meta.inf"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := embedded.Start(cfg)
	if err == nil {
		_ = s.Close()
		t.Fatal("got a server without the stream, want an error")
	}
	for _, want := range []string{`load stream "EVENTS"`, files, "move them away"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want %q in it", err, want)
		}
	}
	if err := os.RemoveAll(files); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
}

// A deletion removes the stream's description first, and then, under another
// name, the rest.
func TestInterruptedDeletionIsForgotten(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(files string) error{
		"early": func(files string) error {
			return os.Remove(filepath.Join(files, "meta.inf"))
		},
		"late": func(files string) error {
			return os.Rename(files, filepath.Join(filepath.Dir(files), ".EVENTS"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := embedded.Config{Dir: t.TempDir()}
			if err := interrupt(makeStream(t, cfg, "EVENTS")); err != nil {
				t.Fatal(err)
			}
			makeStream(t, cfg, "EVENTS")
		})
	}
}

// makeStream makes a stream and returns where its files are. Nothing runs then.
func makeStream(t *testing.T, cfg embedded.Config, name string) string {
	t.Helper()
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nc := connect(t, s)
	if _, err := jetStream(t, nc).CreateStream(t.Context(), jetstream.StreamConfig{Name: name}); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cfg.Dir, "jetstream", "$G", "streams", name)
}
