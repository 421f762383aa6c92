package embedded_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestDirBelongsToOneServer(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{Dir: t.TempDir()}
	first, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantLocked(t, cfg, "this process", fmt.Sprintf("pid %d", os.Getpid()), "stop it, or choose another")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	embeddedtest.Start(t, cfg)
}

func TestLockNamesTheHoldersURL(t *testing.T) {
	t.Parallel()
	s := embeddedtest.Listen(t)
	wantLocked(t, embedded.Config{Dir: s.Dir()}, "connect to it at "+s.URL())
}

func TestLockSeesThroughLinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a user of Windows may not make symbolic links")
	}
	s := embeddedtest.Start(t, embedded.Config{})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.Dir(), link); err != nil {
		t.Fatal(err)
	}
	wantLocked(t, embedded.Config{Dir: link}, "this process")
}

func TestLockHoldsBetweenProcessesAndEndsWithThem(t *testing.T) {
	t.Parallel()
	other := embeddedtest.Process(t, embedded.Config{})
	cfg := embedded.Config{Dir: other.Dir()}
	wantLocked(t, cfg, other.URL(), filepath.Base(os.Args[0]))
	other.Kill(t)
	embeddedtest.Start(t, cfg)
}

func TestOneOfManyStartsWins(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{Dir: t.TempDir()}
	var wg sync.WaitGroup
	servers := make(chan *embedded.Server, 8)
	for range cap(servers) {
		wg.Go(func() {
			s, err := embedded.Start(cfg)
			if err == nil {
				servers <- s
			} else if !errors.Is(err, embedded.ErrDirLocked) {
				t.Errorf("got %v, want %v", err, embedded.ErrDirLocked)
			}
		})
	}
	wg.Wait()
	if got := len(servers); got != 1 {
		t.Errorf("got %d servers on one directory, want 1", got)
	}
	close(servers)
	for s := range servers {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLockNoteMayBeBroken(t *testing.T) {
	t.Parallel()
	s := embeddedtest.Start(t, embedded.Config{})
	note := filepath.Join(s.Dir(), "LOCK.json")
	if err := os.WriteFile(note, []byte(`{"pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLocked(t, embedded.Config{Dir: s.Dir()}, "another process")
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	wantLocked(t, embedded.Config{Dir: s.Dir()}, "another process")
}

func wantLocked(t *testing.T, cfg embedded.Config, want ...string) {
	t.Helper()
	s, err := embedded.Start(cfg)
	if err == nil {
		_ = s.Close()
		t.Fatalf("got a second server on %q, want %v", cfg.Dir, embedded.ErrDirLocked)
	}
	if !errors.Is(err, embedded.ErrDirLocked) {
		t.Errorf("got error %v, want %v", err, embedded.ErrDirLocked)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got error %q, want %q in it", err, w)
		}
	}
}
