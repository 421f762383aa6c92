package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSuite_Amqplib runs the tests of Node's client for RabbitMQ. Newer packages of it
// have none.
func TestSuite_Amqplib(t *testing.T) {
	suites(t)
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not there to fetch the suite with: install Node.js 20 or newer")
	}
	dir := t.TempDir()
	inDir(t, dir, "npm", "pack", "amqplib@2.0.1")
	inDir(t, dir, "tar", "xzf", "amqplib-2.0.1.tgz")
	dir = filepath.Join(dir, "package")
	inDir(t, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev")
	inDir(t, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "claire@0.4.1")
	t.Run("Warren", func(t *testing.T) {
		t.Parallel()
		wantFailures(t, "amqplib.txt", runNodeSuite(t, dir, serveAMQP(t)))
	})
	if at := os.Getenv("WARREN_AMQP_URL"); at != "" {
		t.Run("RabbitMQ", func(t *testing.T) {
			t.Parallel()
			for _, name := range runNodeSuite(t, dir, at) {
				t.Logf("fails on RabbitMQ too: %s", name)
			}
		})
	}
}

// nodePath is a PATH in which node is Node.js: it is also the name of a command of these
// tests.
func nodePath(t *testing.T) string {
	t.Helper()
	own, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	dirs := filepath.SplitList(os.Getenv("PATH"))
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return dir == filepath.Dir(own) })
	return "PATH=" + strings.Join(dirs, string(filepath.ListSeparator))
}

func inDir(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), nodePath(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// runNodeSuite runs a suite of node:test on a broker, and gives the names of the tests
// that failed, as "suite > test".
func runNodeSuite(t *testing.T, dir, at string) []string {
	t.Helper()
	redirect, err := filepath.Abs("testdata/suites/redirect.cjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("env", "node", "--test", "--test-reporter=tap")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), nodePath(t), "URL="+strings.TrimSuffix(at, "/"), "AMQP_PORT="+portOf(t, at), "NODE_OPTIONS=--require="+redirect)
	out, _ := cmd.Output() // it fails where a test does
	return failedInTAP(t, string(out))
}

// tapLine is a line of TAP 14 that begins or ends a test.
var tapLine = regexp.MustCompile(`^( *)(?:# Subtest: |(ok|not ok) \d+ - )(.*?)(?: # .*)?$`)

func failedInTAP(t *testing.T, out string) []string {
	t.Helper()
	var path, failed []string
	passed := 0
	for line := range strings.Lines(out) {
		m := tapLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		path = append(path[:min(len(path), len(m[1])/4)], m[3])
		name := strings.Join(path, " > ")
		if m[2] == "ok" {
			passed++
		}
		if m[2] == "not ok" && !slices.ContainsFunc(failed, func(inner string) bool { return strings.HasPrefix(inner, name+" > ") }) {
			failed = append(failed, name)
		}
	}
	t.Logf("%d tests passed, %d failed", passed, len(failed))
	if passed == 0 {
		t.Fatalf("no test passed:\n%s", out)
	}
	return failed
}
