package embedded_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"warren/embedded"
)

func TestTemporaryDirGoesWithTheServer(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir()); err != nil {
		t.Errorf("while it runs: got %v, want its directory", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestDirIsMadeAndKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	s, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Dir(); got != dir {
		t.Errorf("got directory %q, want %q", got, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("after Close: got %v, want the directory kept", err)
	}
}

func TestRelativeDirIsFoundAfterChdir(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	s, err := embedded.Start(embedded.Config{Dir: "data"})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if !filepath.IsAbs(s.Dir()) {
		t.Errorf("got directory %q, want an absolute path", s.Dir())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(home, "data")); err != nil {
		t.Errorf("got %v, want the data where the server started", err)
	}
}

func TestUnusableDirs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ dir, want string }{
		"is a file":      {file, "is a file: choose a directory"},
		"below a file":   {filepath.Join(file, "data"), "choose one this user may write"},
		"not writable":   {readOnlyDir(t), "make it writable for this user, or choose another"},
		"below a locked": {filepath.Join(readOnlyDir(t), "data"), "choose one this user may write"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := embedded.Start(embedded.Config{Dir: tt.dir})
			if err == nil {
				_ = s.Close()
				t.Fatalf("got a server in %q, want an error", tt.dir)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// readOnlyDir is a directory in which this user can make nothing.
func readOnlyDir(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		return "/sys/kernel" // root may write anywhere but where the kernel says no
	}
	if runtime.GOOS == "windows" {
		t.Skip("a directory's mode does not keep its owner from writing on Windows")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	return dir
}
