package embeddedtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/embedded"
)

// clockVariable names the file that says by how much the clock of a program of
// [BuildClocked] is wrong.
const clockVariable = "EMBEDDEDTEST_CLOCK"

// ProcessAhead is [Process] with a server whose clock is ahead of this process's by
// whole seconds, or behind it if they are negative. The first in a test's program
// takes a few seconds to build, and a minute where nobody has built it before.
func ProcessAhead(tb testing.TB, cfg embedded.Config, ahead time.Duration) *Child {
	tb.Helper()
	return process(tb, &Child{cfg: cfg, program: BuildClocked(tb, childPackage), clock: NewClock(tb, ahead), ahead: ahead})
}

// SetClock sets the clock of a server that [ProcessAhead] started, from its next
// start on.
func (c *Child) SetClock(ahead time.Duration) { c.ahead = ahead }

// JumpClock sets the clock of a server that [ProcessAhead] started while it runs: see
// [Clock.Set].
func (c *Child) JumpClock(tb testing.TB, ahead time.Duration) {
	tb.Helper()
	c.ahead = ahead
	c.clock.Set(tb, ahead)
}

// A Clock is the clock of programs of [BuildClocked], which shows another time than this
// process's does.
type Clock struct{ path string }

// NewClock makes a clock that is ahead by whole seconds, or behind if they are negative.
func NewClock(tb testing.TB, ahead time.Duration) *Clock {
	tb.Helper()
	c := &Clock{path: filepath.Join(tb.TempDir(), "clock")}
	c.Set(tb, ahead)
	return c
}

// Set sets the clock while its programs run, as somebody does who sets the clock of a
// machine: within a hundredth of a second it shows another time.
func (c *Clock) Set(tb testing.TB, ahead time.Duration) {
	tb.Helper()
	// Twice, as whoever reads it meanwhile may see a part of each.
	seconds := int64(ahead / time.Second)
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%020d %020d", seconds, seconds)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		tb.Fatalf("set a clock: %v", err)
	}
}

// Env is what the environment of a program has to say for it to have this clock.
func (c *Clock) Env() string { return clockVariable + "=" + c.path }

// BuildClocked builds a program of this module, by the import path of its package,
// with a clock that can be wrong: see [Clock]. Its time.Now is that much ahead, and
// all else is as it is: what it measures takes as long as it takes. One build serves
// all tests of a process.
func BuildClocked(tb testing.TB, pkg string) (path string) {
	tb.Helper()
	return buildClocked(tb, pkg, "build")
}

// BuildClockedTest is [BuildClocked] of the test program of a package.
func BuildClockedTest(tb testing.TB, pkg string) (path string) {
	tb.Helper()
	return buildClocked(tb, pkg, "test", "-c")
}

func buildClocked(tb testing.TB, pkg string, how ...string) (path string) {
	tb.Helper()
	clocked.Lock()
	defer clocked.Unlock()
	key := strings.Join(append(how, pkg), " ")
	if path, ok := clocked.built[key]; ok {
		return path
	}
	path, err := clocked.build(pkg, how)
	if err != nil {
		tb.Fatalf("build %s with a clock that can be wrong: %v", pkg, err)
	}
	clocked.built[key] = path
	return path
}

// clocked are the programs that were built; [Main] removes them.
var clocked clockedPrograms

type clockedPrograms struct {
	sync.Mutex
	dir   string
	built map[string]string // by how
}

func (c *clockedPrograms) build(pkg string, how []string) (path string, err error) {
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
	path = filepath.Join(c.dir, strings.ReplaceAll(how[0]+"/"+pkg, "/", "-")+".exe")
	_, err = runGo(slices.Concat(how, []string{"-overlay", overlay, "-o", path, pkg})...)
	return path, err
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

import (
	"sync/atomic"
	"syscall"
)

var wrongBy atomic.Int64

func init() {
	path, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return
	}
	readWrong(path)
	go func() {
		for {
			Sleep(5 * Millisecond)
			readWrong(path)
		}
	}()
}

// readWrong reads a number of 20 digits that is there twice.
func readWrong(path string) {
	f, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer syscall.Close(f)
	var text [41]byte
	if n, err := syscall.Read(f, text[:]); n != len(text) || err != nil || string(text[:20]) != string(text[21:]) {
		return
	}
	var seconds int64
	for _, c := range text[1:20] {
		seconds = seconds*10 + int64(c-'0')
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	wrongBy.Store(seconds)
}
`
	readsClock = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	setsClock  = readsClock + "\tsec += wrongBy.Load()\n"
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
