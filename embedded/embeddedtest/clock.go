package embeddedtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded"
)

// clockVariable says by how much the clock of a program of [BuildClocked] is ahead.
const clockVariable = "EMBEDDEDTEST_CLOCK"

// ProcessAhead is [Process] with a server whose clock is ahead of this process's by
// whole seconds, or behind it if they are negative. The first in a test's program
// takes a few seconds to build, and a minute where nobody has built it before.
func ProcessAhead(tb testing.TB, cfg embedded.Config, ahead time.Duration) *Child {
	tb.Helper()
	return process(tb, &Child{cfg: cfg, program: BuildClocked(tb, childPackage), ahead: ahead})
}

// SetClock sets the clock of a server that [ProcessAhead] started, from its next
// start on.
func (c *Child) SetClock(ahead time.Duration) { c.ahead = ahead }

// ClockEnv is what the environment of a program of [BuildClocked] has to say for its
// clock to be ahead by whole seconds, or behind if they are negative.
func ClockEnv(ahead time.Duration) string { return clockVariable + "=" + ahead.String() }

// BuildClocked builds a program of this module, by the import path of its package,
// with a clock that can be wrong: see [ClockEnv]. Its time.Now is that much ahead, and
// all else is as it is: what it measures takes as long as it takes. One build serves
// all tests of a process.
func BuildClocked(tb testing.TB, pkg string) (path string) {
	tb.Helper()
	clocked.Lock()
	defer clocked.Unlock()
	if path, ok := clocked.built[pkg]; ok {
		return path
	}
	path, err := clocked.build(pkg)
	if err != nil {
		tb.Fatalf("build %s with a clock that can be wrong: %v", pkg, err)
	}
	return path
}

// clocked are the programs that were built; [Main] removes them.
var clocked clockedPrograms

type clockedPrograms struct {
	sync.Mutex
	dir   string
	built map[string]string
}

func (c *clockedPrograms) build(pkg string) (path string, err error) {
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "embeddedtest"); err != nil {
			return "", err
		}
		c.built = make(map[string]string)
	}
	overlay, err := writeOverlay(c.dir)
	if err != nil {
		return "", err
	}
	path = filepath.Join(c.dir, strings.ReplaceAll(pkg, "/", "-")+".exe")
	if _, err := runGo("build", "-overlay", overlay, "-o", path, pkg); err != nil {
		return "", err
	}
	c.built[pkg] = path
	return path, nil
}

func (c *clockedPrograms) remove() {
	c.Lock()
	defer c.Unlock()
	if c.dir != "" {
		_ = os.RemoveAll(c.dir) // a temporary directory
	}
}

// runGo runs the go command, and gives what it prints. What the tests are built with,
// such as the race detector, is not for these programs.
func runGo(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &complaint)
	}
	return strings.TrimSpace(string(out)), nil
}

// The package of the program that [ProcessAhead] runs is there in the build only.
const (
	childPackage = "warren/embedded/embeddedtest/clocked"
	childProgram = `package main

import "warren/embedded/embeddedtest"

func main() { embeddedtest.Main(nil) }
`
)

// What package time has besides in the build, and the line of time.Now behind which
// its clock is made wrong.
const (
	wrongClock = `package time

import "syscall"

var wrongBy = func() int64 {
	text, _ := syscall.Getenv("` + clockVariable + `")
	d, _ := ParseDuration(text)
	return int64(d / Second)
}()
`
	readsClock = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	setsClock  = readsClock + "\tsec += wrongBy\n"
)

// writeOverlay writes what takes the place of files in the build, and says where.
func writeOverlay(dir string) (path string, err error) {
	where, err := runGo("env", "GOROOT", "GOMOD")
	if err != nil {
		return "", err
	}
	root, mod, _ := strings.Cut(where, "\n")
	timeDir := filepath.Join(root, "src", "time")
	now, err := os.ReadFile(filepath.Join(timeDir, "time.go"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(now), readsClock) {
		return "", fmt.Errorf("time.Now is not as it was in %s", timeDir)
	}
	replace := make(map[string]string)
	for i, f := range []struct{ path, text string }{
		{filepath.Join(timeDir, "time.go"), strings.Replace(string(now), readsClock, setsClock, 1)},
		{filepath.Join(timeDir, "wrong_clock.go"), wrongClock},
		{filepath.Join(filepath.Dir(mod), "embedded", "embeddedtest", "clocked", "main.go"), childProgram},
	} {
		own := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(own, []byte(f.text), 0o600); err != nil {
			return "", err
		}
		replace[f.path] = own
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
