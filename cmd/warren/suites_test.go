package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"warren/embedded/embeddedtest"
)

// Test suites of clients of AMQP run against Warren, and against RabbitMQ where
// WARREN_AMQP_URL names one. What fails on Warren is in a list of testdata/suites, a
// line each, with the reason. A test that fails and is not in the list is an error, and
// so is one that is in the list and passes: the list only shrinks. They take minutes,
// and are run where WARREN_SUITES is set, with no other test beside them: theirs wait
// for a fifth of a second at most.

// suites skips a test unless suites are to be run.
func suites(t *testing.T) {
	t.Helper()
	if os.Getenv("WARREN_SUITES") == "" {
		t.Skip("test suites of other programs take minutes, and are fetched: set WARREN_SUITES=1 to run them")
	}
}

// TestSuite_Amqp091Go runs the tests of Go's client for RabbitMQ.
func TestSuite_Amqp091Go(t *testing.T) {
	suites(t)
	t.Parallel()
	const module, known = "github.com/rabbitmq/amqp091-go@v1.16.0", "amqp091-go.txt"
	t.Run("Warren", func(t *testing.T) {
		t.Parallel()
		wantFailures(t, known, runGoSuite(t, module, serveAMQP(t)))
	})
	t.Run("Warren as RabbitMQ", func(t *testing.T) {
		t.Parallel()
		wantFailures(t, known, runGoSuite(t, module, serveAMQP(t, "--amqp-product", "RabbitMQ")))
	})
	if at := os.Getenv("WARREN_AMQP_URL"); at != "" {
		t.Run("RabbitMQ", func(t *testing.T) {
			t.Parallel()
			// It opens so many channels that RabbitMQ takes a minute and a half for them.
			const slow = "^TestChannelCounterShouldNotPanicIssue136$"
			for _, name := range runGoSuite(t, module, at, "-test.skip", slow) {
				t.Logf("fails on RabbitMQ too: %s", name)
			}
		})
	}
}

// runGoSuite runs the integration tests of a module on a broker, with more flags of go
// test, and gives the names of those that failed. The others meet no broker.
func runGoSuite(t *testing.T, module, at string, flags ...string) []string {
	t.Helper()
	at, plugin := behindManagement(t, at)
	dir := moduleCopy(t, module)
	for _, file := range []string{"internal/utils/http.go", "recovery_test.go"} {
		replaceIn(t, filepath.Join(dir, file), managementPort, plugin)
	}
	binary := filepath.Join(dir, "suite.test")
	goTool(t, dir, "test", "-tags", "integration", "-c", "-o", binary, ".")
	args := []string{"tool", "test2json", binary, "-test.v", "-test.timeout=15m", "-test.run", integrationTests(t, dir)}
	cmd := exec.Command("go", append(args, flags...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "AMQP_URL="+at)
	out, _ := cmd.Output() // it fails where a test does
	return failedTests(t, out)
}

// integrationTests is a pattern for the tests in files that are built for integration
// tests alone.
func integrationTests(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n//go:build integration\n") {
			continue
		}
		for _, test := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names = append(names, test[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no integration tests", dir)
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// managementPort is where suites look for RabbitMQ's management plugin.
const managementPort = "15672"

func replaceIn(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q", path, from)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveAMQP starts a broker as the README does, and gives where AMQP clients connect to.
func serveAMQP(t *testing.T, args ...string) string {
	t.Helper()
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(embeddedtest.Port(t)))
	serveProcess(t, append([]string{"--amqp", at}, args...)...)
	return "amqp://guest:guest@" + at + "/"
}

// moduleCopy is a copy of a module that can be written to.
func moduleCopy(t *testing.T, module string) string {
	t.Helper()
	var where struct{ Dir string }
	if err := json.Unmarshal(goTool(t, ".", "mod", "download", "-json", module), &where); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "module")
	if err := os.CopyFS(dir, os.DirFS(where.Dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func goTool(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, said.String())
	}
	return out
}

// failedTests are the names of the tests that have failed, by what 'go tool test2json'
// says.
func failedTests(t *testing.T, out []byte) []string {
	t.Helper()
	var failed []string
	passed := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%q: %v", lines.Bytes(), err)
		}
		switch {
		case event.Test == "":
		case event.Action == "pass":
			passed++
		case event.Action == "fail":
			failed = append(failed, event.Test)
		}
	}
	t.Logf("%d tests passed, %d failed", passed, len(failed))
	if passed == 0 {
		t.Fatalf("no test passed:\n%s", out)
	}
	return failed
}

// wantFailures compares the tests that failed with the list of those that are known to.
func wantFailures(t *testing.T, list string, failed []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "suites", list))
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for line := range strings.Lines(string(text)) {
		if name, reason, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && reason != "" {
			known = append(known, name)
		} else if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			t.Errorf("%s: %q is no name and a reason, with a tab between them", list, line)
		}
	}
	for _, name := range failed {
		if !slices.Contains(known, name) {
			t.Errorf("%s has failed", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(failed, name) {
			t.Errorf("%s has passed: take it out of %s", name, list)
		}
	}
}

// behindManagement puts a proxy in front of a broker, and gives its URL, and the port of
// what suites ask of RabbitMQ's management plugin: to list connections and to cut one.
func behindManagement(t *testing.T, at string) (behind, port string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	m := &management{broker: u.Host, open: make(map[string]*proxied)}
	m.clients, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /api/connections/", m.list)
	routes.HandleFunc("DELETE /api/connections/{name}", m.cut)
	server := httptest.NewServer(routes)
	m.running.Go(m.accept)
	t.Cleanup(func() {
		server.Close()
		_ = m.clients.Close()
		m.cutAll()
		m.running.Wait()
	})
	u.Host = m.clients.Addr().String()
	_, port, err = net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return u.String(), port
}

type management struct {
	broker  string
	clients net.Listener
	running sync.WaitGroup

	mu   sync.Mutex
	open map[string]*proxied // by the address of the client
}

// proxied is a connection of a client, and that to the broker.
type proxied struct {
	client, broker net.Conn
	name           string // that the client gives it
}

func (m *management) accept() {
	for {
		client, err := m.clients.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", m.broker)
		if err != nil {
			_ = client.Close()
			continue
		}
		p := &proxied{client: client, broker: broker}
		key := client.RemoteAddr().String()
		m.mu.Lock()
		m.open[key] = p
		m.mu.Unlock()
		m.running.Go(func() {
			defer p.close()
			_, _ = io.Copy(client, broker)
		})
		m.running.Go(func() {
			defer func() {
				p.close()
				m.mu.Lock()
				delete(m.open, key)
				m.mu.Unlock()
			}()
			m.forward(p)
		})
	}
}

// forward passes on what a client sends, and reads its name in it.
func (m *management) forward(p *proxied) {
	buf := make([]byte, 64<<10)
	var begin []byte
	for {
		n, err := p.client.Read(buf)
		if n > 0 {
			if begin = append(begin, buf[:min(n, 4096)]...); len(begin) < 8192 {
				if name := connectionName(begin); name != "" {
					m.mu.Lock()
					p.name = name
					m.mu.Unlock()
				}
			}
			if _, werr := p.broker.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// connectionName finds the client's property of that name: a long string.
func connectionName(text []byte) string {
	_, value, found := bytes.Cut(text, []byte("\x0fconnection_nameS\x00\x00\x00"))
	if !found || len(value) < 1 || len(value) < 1+int(value[0]) {
		return ""
	}
	return string(value[1 : 1+int(value[0])])
}

func (p *proxied) close() {
	_ = p.client.Close()
	_ = p.broker.Close()
}

func (m *management) list(w http.ResponseWriter, _ *http.Request) {
	type properties struct {
		Name string `json:"connection_name"`
	}
	type connection struct {
		Name       string     `json:"name"`
		Properties properties `json:"client_properties"`
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []connection{}
	for key, p := range m.open {
		all = append(all, connection{key, properties{p.name}})
	}
	_ = json.NewEncoder(w).Encode(all)
}

func (m *management) cut(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	p := m.open[r.PathValue("name")]
	m.mu.Unlock()
	if p == nil {
		http.NotFound(w, r)
		return
	}
	p.close()
	w.WriteHeader(http.StatusNoContent)
}

func (m *management) cutAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.open {
		p.close()
	}
}
