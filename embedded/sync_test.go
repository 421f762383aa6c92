package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestBlocksWrittenSince(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"new.blk": 0, "due.blk": time.Second, "old.blk": time.Minute, "new.db": 0,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := blocksWritten(dir, now.Add(-2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "due.blk"), filepath.Join(dir, "new.blk")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, block := range append(got, filepath.Join(dir, "gone.blk")) {
		if err := syncFile(block); err != nil {
			t.Errorf("sync %q: %v", block, err)
		}
	}
}

// TestSync_IsTold: to whoever asks, by a server that syncs each message.
func TestSync_IsTold(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{true, false} {
		s, err := Start(Config{SyncAlways: always})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		answer, err := nc.Request(SyncSubject, nil, time.Minute)
		switch {
		case always && (err != nil || string(answer.Data) != SyncsAlways):
			t.Errorf("a server that syncs always: got %v, %v, want %q", answer, err, SyncsAlways)
		case !always && !errors.Is(err, nats.ErrNoResponders):
			t.Errorf("a server that does not: got %v, %v, want %v", answer, err, nats.ErrNoResponders)
		}
		nc.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
