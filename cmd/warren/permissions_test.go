package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"warren/embedded/embeddedtest"
)

// permitted are scripts that between them use everything that clients, workers and
// listings do with a broker.
var permitted = []string{
	"acknowledgements", "beat", "call", "canvas", "control", "dead", "direct", "events", "exchange", "expiry", "fair_dispatch",
	"fanout", "hello", "list", "priority", "purge", "queue", "revoke", "status", "topic", "weather",
}

// TestPermissions: a user with the permissions that CONNECTING.md names can do
// everything, the server has to refuse nothing, and no permission to publish is named
// that is not used.
func TestPermissions(t *testing.T) {
	t.Parallel()
	config := configurationInDocument(t)
	used := &subjects{}
	var ran atomic.Int32
	var files []string
	for _, name := range permitted {
		files = append(files, "testdata/"+name+".txtar")
	}
	t.Run("suffice", func(t *testing.T) {
		runScripts(t, testscript.Params{Files: files, Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("a script is not run by a test")
			}
			ran.Add(1)
			setUpAt(env, startPermitted(tb, config, used))
			return nil
		}})
	})
	if int(ran.Load()) < len(permitted) {
		return // -run has left some out
	}
	for _, subject := range used.missing(allowed(t, config)) {
		t.Errorf("nothing was published to %s: is it needed?", subject)
	}
}

// startPermitted starts a server whose clients are the user warren of a
// configuration, without a password. It fails the test when it refuses anything.
func startPermitted(tb testing.TB, config string, used *subjects) string {
	tb.Helper()
	var refusals logged
	tb.Cleanup(func() { // when the server has stopped
		for _, line := range refusals.all() {
			tb.Errorf("the server refused something: %s", line)
		}
	})
	return embeddedtest.Configured(tb, config+"\nno_auth_user: warren\n", func(line string) {
		if strings.Contains(line, "Violation") {
			refusals.add(line)
		}
		if found := inTrace.FindStringSubmatch(line); found != nil {
			used.add(found[1])
		}
	})
}

// logged are lines of a server.
type logged struct {
	mu   sync.Mutex
	list []string
}

func (l *logged) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, line)
}

func (l *logged) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// inTrace finds the subject that a client publishes to in the server's trace.
var inTrace = regexp.MustCompile(`<<- \[H?PUB (\S+) `)

// subjects are those that somebody published to.
type subjects struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *subjects) add(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	s.seen[subject] = true
}

// missing are the patterns that no subject matches.
func (s *subjects) missing(patterns []string) (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pattern := range patterns {
		text := strings.NewReplacer(`\*`, `[^.]+`, `>`, `.+`).Replace(regexp.QuoteMeta(pattern))
		re := regexp.MustCompile("^" + text + "$")
		found := false
		for subject := range s.seen {
			found = found || re.MatchString(subject)
		}
		if !found {
			missing = append(missing, pattern)
		}
	}
	return missing
}

// allowed are the subjects that a configuration lets a user publish to.
func allowed(t *testing.T, config string) (list []string) {
	t.Helper()
	_, after, _ := strings.Cut(config, "publish: [")
	block, _, found := strings.Cut(after, "]")
	for _, quoted := range regexp.MustCompile(`"[^"]+"`).FindAllString(block, -1) {
		list = append(list, strings.Trim(quoted, `"`))
	}
	if !found || len(list) == 0 {
		t.Fatal("the configuration lets nobody publish")
	}
	return list
}

// configurationInDocument is the configuration of a server in CONNECTING.md.
func configurationInDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("CONNECTING.md")
	if err != nil {
		t.Fatal(err)
	}
	const start = "accounts {"
	_, after, _ := strings.Cut(string(text), "```text\n"+start)
	block, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatal("CONNECTING.md has no configuration with accounts in it")
	}
	return start + block
}

// TestPermissions_Missing: who lacks a permission is told which, once.
func TestPermissions_Missing(t *testing.T) {
	t.Parallel()
	const permission = `"$JS.API.STREAM.DELETE.*"`
	config := strings.Replace(configurationInDocument(t), permission, "", 1)
	url := embeddedtest.Configured(t, config, nil)
	who := []string{"--server", url, "--user", "warren", "--password-file", newFile(t, "secret", "s3cret")}
	wantHello(t, who...)
	var out, errs strings.Builder
	if code := run(t.Context(), programName, append([]string{"queue", "delete", "hello"}, who...), &out, &errs); code != exitFailure {
		t.Errorf("got exit code %d, want %d", code, exitFailure)
	}
	const want = `level=WARN msg="the user lacks a permission"`
	if got := strings.Count(errs.String(), want); got != 1 || !strings.Contains(errs.String(), "see=\"warren help connecting\"") {
		t.Errorf("got %q, want one line with %s", errs.String(), want)
	}
}

func TestHelpConnecting(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	run(t.Context(), programName, []string{"help", "connecting"}, &out, &errs)
	for _, want := range []string{"# Connecting to a NATS server\n", "\n  warren list queues --context production\n", "\n  accounts {\n"} {
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "```") {
			t.Errorf("got %q, want %q in it, and no fences", out.String(), want)
		}
	}
}
