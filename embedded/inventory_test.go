package embedded_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

// fillStream makes a stream of more than one block, with a consumer, and returns
// where its files are. Nothing runs then.
func fillStream(t *testing.T, cfg embedded.Config, name string) string {
	t.Helper()
	const messages, size = 80, 128 << 10
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nc := connect(t, s)
	js := jetStream(t, nc)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), name, jetstream.ConsumerConfig{Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for range messages {
		if _, err := js.Publish(t.Context(), name, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cfg.Dir, "jetstream", "$G", "streams", name)
}

// warnings starts a server on a directory, and gives what it warns of.
func warnings(t *testing.T, cfg embedded.Config) string {
	t.Helper()
	var said bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return said.String()
}

// TestDamage_IsToldAtStart: once, with what was there and what is.
func TestDamage_IsToldAtStart(t *testing.T) {
	t.Parallel()
	first := func(files string) string { return filepath.Join(files, "msgs", "1.blk") }
	for name, test := range map[string]struct {
		damage func(files string) error
		want   []string
	}{
		"a block is cut short": {
			func(files string) error { return os.Truncate(first(files), 1<<20) },
			[]string{"messages are missing", "stream=EVENTS", "had=80", "had_sequences=1-80", "damaged_files=[1.blk]"},
		},
		"a block is gone": {
			func(files string) error { return os.Remove(first(files)) },
			[]string{"messages are missing", "stream=EVENTS", "had=80", "had_sequences=1-80", "damaged_files=[1.blk]"},
		},
		"a consumer is gone": {
			func(files string) error { return os.RemoveAll(filepath.Join(files, "obs", "reader")) },
			[]string{"a consumer is missing", "stream=EVENTS", "consumer=reader"},
		},
		"a stream is gone": {os.RemoveAll, []string{"a stream is missing", "stream=EVENTS", "messages=80"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := embedded.Config{Dir: t.TempDir()}
			files := fillStream(t, cfg, "EVENTS")
			if err := test.damage(files); err != nil {
				t.Fatal(err)
			}
			said := warnings(t, cfg)
			for _, want := range test.want {
				if !strings.Contains(said, want) {
					t.Errorf("it said %q, want %q in it", said, want)
				}
			}
			if again := warnings(t, cfg); strings.Contains(again, "missing") {
				t.Errorf("it said again %q", again)
			}
		})
	}
}

// TestDamage_NoneIsNotTold: neither of what was acknowledged, purged or deleted, nor
// after a kill.
func TestDamage_NoneIsNotTold(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{Dir: t.TempDir()}
	fillStream(t, cfg, "EVENTS")
	fillStream(t, cfg, "GONE")
	noted, err := os.ReadFile(filepath.Join(cfg.Dir, "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	if said := warnings(t, cfg); said != "" {
		t.Errorf("it said %q", said)
	}
	s := start(t, cfg)
	js := jetStream(t, connect(t, s))
	started, err := os.ReadFile(filepath.Join(cfg.Dir, "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeKeep(3)); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "GONE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if said := warnings(t, cfg); said != "" {
		t.Errorf("it said %q of what was deleted", said)
	}
	// A server that was killed leaves what was noted when it started.
	if bytes.Equal(noted, started) {
		t.Error("what was noted at the stop still counts once the server runs")
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "inventory.json"), started, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := warnings(t, cfg); said != "" {
		t.Errorf("it said %q after a kill", said)
	}
}
