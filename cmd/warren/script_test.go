package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"warren/embedded"
)

// TestScripts runs testdata, a script an exercise, against the real binary.
// Each has a broker of its own, and these commands beside testscript's:
//
//	start NAME ARG...         start 'warren ARG...' in the background
//	startprogram NAME ARG...  start 'ARG...' in the background
//	waitfor NAME RE [VAR]     wait for a line of its output, keep RE's group
//	[!] output NAME RE        look at all of its output so far
//	interrupt NAME            press Ctrl-C
//	kill9 NAME                kill -9, and wait for the end
//	ended NAME CODE           wait for the end, with that exit code
//	waitqueue NAME COL=N...   wait until 'warren list queues' says so
//	waittable ARG... RE       wait until a line that 'warren ARG...' prints is so
//	waitlines FILE N          wait until a file has so many lines
//	source good|away|odd      start a weather source at $SOURCE, or change how it is
//
// Those that TestPermissions runs are left out here: they do the same there.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return slices.Contains(permitted, scriptName(file)) })
	runScripts(t, testscript.Params{Files: files, Setup: setUp})
}

func scriptName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }

func runScripts(t *testing.T, params testscript.Params) {
	t.Helper()
	params.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"start":        startCommand,
		"startprogram": startProgramCommand,
		"waitfor":      waitForCommand,
		"output":       outputCommand,
		"interrupt":    interruptCommand,
		"kill9":        killCommand,
		"ended":        endedCommand,
		"waitqueue":    waitQueueCommand,
		"waittable":    waitTableCommand,
		"waitlines":    waitLinesCommand,
		"source":       sourceCommand,
	}
	testscript.Run(t, params)
}

// patience is how long a test waits for anything. A busy machine takes its time.
const patience = 2 * time.Minute

type backgroundKey struct{}

// background are the commands a script has started.
type background map[string]*command

func setUp(env *testscript.Env) error {
	server, err := embedded.Start(embedded.Config{Port: embedded.RandomPort, Dir: env.WorkDir + "/.broker"})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = server.Close() })
	setUpAt(env, server.URL())
	return nil
}

// setUpAt prepares a script for a broker that is there.
func setUpAt(env *testscript.Env, url string) {
	env.Setenv("NATS_URL", url)
	env.Setenv("XDG_DATA_HOME", env.WorkDir+"/.data")
	// The race detector would wait a second at the end of each command.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	commands := background{}
	env.Values[backgroundKey{}] = commands
	source := &weatherSource{server: httptest.NewUnstartedServer(nil)}
	env.Values[sourceKey{}] = source
	env.Defer(source.server.Close)
	env.Defer(func() {
		for _, c := range commands {
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	})
}

func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARG...")
	}
	startProgram(ts, args[0], "warren", args[1:]...)
}

func startProgramCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: startprogram NAME PROGRAM ARG...")
	}
	startProgram(ts, args[0], args[1], args[2:]...)
}

func startProgram(ts *testscript.TestScript, name, program string, args ...string) {
	c, err := newCommand(program, args...)
	ts.Check(err)
	c.cmd.Dir = ts.MkAbs(".")
	c.cmd.Env = append(c.cmd.Env, "NATS_URL="+ts.Getenv("NATS_URL"), "XDG_DATA_HOME="+ts.Getenv("XDG_DATA_HOME"))
	ts.Check(c.start(nil))
	if before := started(ts)[name]; before != nil {
		_ = before.cmd.Process.Kill() // it has ended, or the script has no more use for it
		<-before.done
	}
	started(ts)[name] = c
}

func started(ts *testscript.TestScript) background {
	return ts.Value(backgroundKey{}).(background)
}

func named(ts *testscript.TestScript, name string) *command {
	c := started(ts)[name]
	if c == nil {
		ts.Fatalf("%q was not started", name)
	}
	return c
}

func waitForCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor NAME RE [VAR]")
	}
	c := named(ts, args[0])
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	deadline := time.After(patience)
	for {
		text, more := c.out.with("")
		for _, line := range text {
			if found := re.FindStringSubmatch(line); found != nil {
				if len(args) > 2 {
					ts.Setenv(args[2], found[1])
				}
				return
			}
		}
		select {
		case <-more:
		case <-c.done:
			if again, _ := c.out.with(""); len(again) == len(text) {
				ts.Fatalf("%s ended without %q; its output:\n%s", args[0], args[1], strings.Join(text, "\n"))
			}
		case <-deadline:
			ts.Fatalf("%s did not print %q; its output:\n%s", args[0], args[1], strings.Join(text, "\n"))
		}
	}
}

func outputCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: output NAME RE")
	}
	list, _ := named(ts, args[0]).out.with("")
	text := strings.Join(list, "\n")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if re.MatchString(text) == neg {
		ts.Fatalf("%s printed:\n%s\nmatches %q: got %v, want %v", args[0], text, args[1], neg, !neg)
	}
}

func interruptCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(named(ts, args[0]).cmd.Process.Signal(os.Interrupt))
}

func killCommand(ts *testscript.TestScript, _ bool, args []string) {
	c := named(ts, args[0])
	ts.Check(c.cmd.Process.Kill())
	await(ts, c, args[0])
}

func endedCommand(ts *testscript.TestScript, _ bool, args []string) {
	c := named(ts, args[0])
	await(ts, c, args[0])
	if got := fmt.Sprint(c.cmd.ProcessState.ExitCode()); got != args[1] {
		list, _ := c.out.with("")
		ts.Fatalf("%s ended with %s, want %s; its output:\n%s", args[0], got, args[1], strings.Join(list, "\n"))
	}
}

func await(ts *testscript.TestScript, c *command, name string) {
	select {
	case <-c.done:
	case <-time.After(patience):
		list, _ := c.out.with("")
		ts.Fatalf("%s did not end; its output:\n%s", name, strings.Join(list, "\n"))
	}
}

// waitQueueCommand looks with the command itself, in this process.
func waitQueueCommand(ts *testscript.TestScript, _ bool, args []string) {
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var out strings.Builder
		if run(context.Background(), programName, []string{"list", "queues", "--json", "--server", ts.Getenv("NATS_URL")}, &out, io.Discard) != exitOK {
			continue
		}
		if got = out.String(); agrees(ts, got, args[0], args[1:]) {
			return
		}
	}
	ts.Fatalf("queue %s did not become %v; last there was:\n%s", args[0], args[1:], got)
}

// waitTableCommand looks with the command itself, in this process.
func waitTableCommand(ts *testscript.TestScript, _ bool, args []string) {
	re, err := regexp.Compile("(?m)" + args[len(args)-1])
	ts.Check(err)
	line := append(args[:len(args)-1:len(args)-1], "--server", ts.Getenv("NATS_URL"))
	var out strings.Builder
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		out.Reset()
		run(context.Background(), programName, line, &out, io.Discard)
		if re.MatchString(out.String()) {
			return
		}
	}
	ts.Fatalf("'warren %s' did not come to %q; last it was:\n%s", strings.Join(args[:len(args)-1], " "), re, out.String())
}

func agrees(ts *testscript.TestScript, listing, name string, wants []string) bool {
	var rows []map[string]any
	ts.Check(json.Unmarshal([]byte(listing), &rows))
	for _, row := range rows {
		if row["name"] != name {
			continue
		}
		for _, want := range wants {
			column, value, _ := strings.Cut(want, "=")
			if fmt.Sprint(row[column]) != value {
				return false
			}
		}
		return true
	}
	return false
}

func waitLinesCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitlines FILE N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if content, err := os.ReadFile(ts.MkAbs(args[0])); err == nil {
			text = string(content)
		}
		if strings.Count(text, "\n") >= want {
			return
		}
	}
	ts.Fatalf("%s did not get %d lines; it has:\n%s", args[0], want, text)
}
