package embeddedtest

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"warren/embedded"
)

func TestMisuseIsExplained(t *testing.T) {
	t.Parallel()
	locked := Start(t, embedded.Config{})
	for name, tt := range map[string]struct {
		use  func(tb testing.TB)
		want string
	}{
		"parallel bubble":     {isolate, "take out t.Parallel"},
		"listener in bubble":  {func(tb testing.TB) { tb.Helper(); forBubble(tb, embedded.Config{Port: embedded.RandomPort}) }, "leave out Port"},
		"process with logger": {func(tb testing.TB) { tb.Helper(); Process(tb, embedded.Config{Logger: slog.Default()}) }, "leave them out"},
		"process on locked":   {func(tb testing.TB) { tb.Helper(); Process(tb, embedded.Config{Dir: locked.Dir()}) }, embedded.ErrDirLocked.Error()},
		"start on locked":     {func(tb testing.TB) { tb.Helper(); Start(tb, embedded.Config{Dir: locked.Dir()}) }, embedded.ErrDirLocked.Error()},
		"cluster of one":      {func(tb testing.TB) { tb.Helper(); Cluster(tb, 1) }, "or use Listen"},
		"unknown node":        {func(tb testing.TB) { tb.Helper(); Nodes{locked}.Named(tb, "nobody") }, `"nobody"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := failure(t, tt.use); !strings.Contains(got, tt.want) {
				t.Errorf("got failure %q, want %q in it", got, tt.want)
			}
		})
	}
}

func TestMainFindsLeaks(t *testing.T) {
	t.Parallel()
	const variable = "EMBEDDEDTEST_LEAK"
	if os.Getenv(variable) != "" {
		go func() { select {} }()
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=1", raceExitsAtOnce())
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("a package that leaves a goroutine: got success, want a failure")
	}
	if want := "goroutines left after the tests"; !strings.Contains(string(out), want) {
		t.Errorf("got output %q, want %q in it", out, want)
	}
}

// failure runs use as a test and returns how it failed.
func failure(t *testing.T, use func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { use(r) })
	wg.Wait()
	return strings.Join(r.said, "\n")
}

// recorder is a test that may fail without failing the one it lives off.
type recorder struct {
	testing.TB

	said []string
}

func (r *recorder) Errorf(format string, a ...any) {
	r.said = append(r.said, fmt.Sprintf(format, a...))
}

func (r *recorder) Fatalf(format string, a ...any) {
	r.Errorf(format, a...)
	runtime.Goexit()
}

func (r *recorder) Fatal(a ...any) { r.Fatalf("%s", fmt.Sprint(a...)) }
