//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
)

// TestDocuments_Run runs what the documents say, as a reader would who has a clone, and
// warren in the PATH. A fenced block is a terminal, and its info string says what it is:
//
//	sh       commands, each of which succeeds
//	console  commands behind "$ ", each with what it prints, or some lines of that
//	go       a program; its first line, a comment, says the file that it goes into
//	python   the same; what runs it is left out where WARREN_PYTHON names no Python
//	text     is not run, as json and ini are
//
// What a command prints is compared but for numbers, ids and the names of ann's machine; a
// line of three dots stands for any lines. A receiver, or another command that goes on
// until Ctrl-C, is left running until the section ends, or a line says ^C; a broker, until
// the document does. A block that begins with ^C goes on in the terminal of the broker.
// Ports are others than those of the documents. go works in the module itself, which
// has the files of the document laid over it.
func TestDocuments_Run(t *testing.T) {
	t.Parallel()
	for _, path := range documents(t) {
		blocks := blocksOf(t, path)
		if path == russianTutorial || !slices.ContainsFunc(blocks, func(b block) bool { return b.info == "sh" || b.info == "console" }) {
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			// They wait for leases and slow receivers, rather than for a processor.
			var readers sync.WaitGroup
			defer readers.Wait()
			for _, part := range partsOf(t, path, blocks) {
				readers.Go(func() {
					t.Run("to "+part[len(part)-1].heading, func(t *testing.T) { newReader(t, part).read(part) })
				})
			}
		})
	}
}

// beginnings are headings at which a reader can begin who has read the introduction of a
// document: what is before it leaves nothing that is needed. So several readers, each with
// a broker, go through a long document in the time of its longest part.
var beginnings = map[string][]string{
	tutorial: {"Acknowledgements", "Fair dispatch", "Tasks and canvas", "A task by its name"},
}

// partsOf are the parts of a document, each with the introduction before it.
func partsOf(t *testing.T, document string, blocks []block) [][]block {
	t.Helper()
	var parts [][]block
	begin, introduction := 0, slices.IndexFunc(blocks, func(b block) bool { return b.section != blocks[0].section })
	for _, heading := range beginnings[document] {
		at := slices.IndexFunc(blocks, func(b block) bool { return b.heading == heading })
		if at <= begin || introduction < 0 {
			t.Fatalf("%s: no reader can begin at %q", document, heading)
		}
		parts = append(parts, slices.Concat(blocks[:min(begin, introduction)], blocks[begin:at]))
		begin = at
	}
	return append(parts, slices.Concat(blocks[:min(begin, max(introduction, 0))], blocks[begin:]))
}

// A reader does what a document says.
type reader struct {
	t       *testing.T
	root    string // of the module
	clone   string // where the reader is, and makes files
	overlay string // tells go of them
	files   map[string]string
	env     []string
	ports   *strings.Replacer
	serve   string // the flags of a broker

	broker *shell
	open   []*shell // of the section
}

func newReader(t *testing.T, blocks []block) *reader {
	t.Helper()
	home := t.TempDir()
	port, amqp := strconv.Itoa(embeddedtest.Port(t)), strconv.Itoa(embeddedtest.Port(t))
	r := &reader{t: t, clone: filepath.Join(home, "warren"), files: make(map[string]string)}
	r.ports = strings.NewReplacer("4222", port, "5672", amqp, "nats.DefaultURL", `"nats://127.0.0.1:`+port+`"`)
	r.serve = " --port " + port + " --amqp " + net.JoinHostPort("127.0.0.1", amqp)
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	r.root, r.overlay = root, filepath.Join(home, "overlay.json")
	if err := os.Mkdir(r.clone, 0o700); err != nil {
		t.Fatal(err)
	}
	r.lay()
	// What go keeps stays where it is; everything else at home is the test's.
	kept, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Split(strings.TrimSpace(string(kept)), "\n")
	r.env = []string{
		"HOME=" + home, "GOCACHE=" + caches[0], "GOMODCACHE=" + caches[1], "GOPATH=" + caches[2],
		"GOFLAGS=" + os.Getenv("GOFLAGS") + " -overlay=" + r.overlay,
		"NATS_CONTEXT=", "NATS_URL=nats://127.0.0.1:" + port, "AMQP_PORT=" + amqp, "XDG_DATA_HOME=" + filepath.Join(home, ".data"),
		"GOBIN=" + filepath.Join(home, "bin"), "GORACE=atexit_sleep_ms=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1",
	}
	if python := os.Getenv("WARREN_PYTHON"); python != "" {
		r.addPython(home, python)
	}
	if !slices.ContainsFunc(blocks, func(b block) bool { return strings.Contains(b.text(), "$ warren serve") }) {
		broker := launch(t, nil, "warren", strings.Fields("serve --dir "+filepath.Join(home, "data")+r.serve)...)
		broker.awaitLine(t, "Warren is ready")
	}
	return r
}

// addPython has python3 be that interpreter, with modules that find the broker's port.
func (r *reader) addPython(home, python string) {
	r.t.Helper()
	bin := filepath.Join(home, "python")
	if err := os.Mkdir(bin, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(python, filepath.Join(bin, "python3")); err != nil {
		r.t.Fatal(err)
	}
	modules, err := filepath.Abs("testdata/python")
	if err != nil {
		r.t.Fatal(err)
	}
	r.env = append(r.env, "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONPATH="+modules)
}

// read does all that the document says.
func (r *reader) read(blocks []block) {
	r.t.Helper()
	for i, b := range blocks {
		if i > 0 && b.section != blocks[i-1].section {
			r.endSection()
		}
		switch b.info {
		case "go", "python":
			r.save(b)
		case "sh", "console":
			if strings.Contains(b.text(), "python3 ") && os.Getenv("WARREN_PYTHON") == "" {
				r.t.Logf("%s is left out: WARREN_PYTHON names no Python with pika and Celery", b.at)
				continue
			}
			r.follow(b)
		}
	}
	r.endSection()
	if r.broker != nil {
		r.broker.interrupt(nil)
	}
}

func (r *reader) endSection() {
	r.t.Helper()
	for _, at := range r.open {
		at.interrupt(at.wants)
	}
	r.open = nil
}

// save writes a program into the file that its first line says.
func (r *reader) save(b block) {
	r.t.Helper()
	found := regexp.MustCompile(`^(?://|#) (\S+\.(?:go|py))$`).FindStringSubmatch(b.lines[0])
	if found == nil {
		r.t.Fatalf("%s: the first line is %q, want a comment that says the file, as // sum/main.go", b.at, b.lines[0])
	}
	path := filepath.Join(r.clone, found[1])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(r.ports.Replace(b.text())), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.files[filepath.Join(r.root, found[1])] = path
	r.lay()
}

// lay tells go of the files of the document.
func (r *reader) lay() {
	r.t.Helper()
	overlay, err := json.Marshal(map[string]any{"Replace": r.files})
	if err == nil {
		err = os.WriteFile(r.overlay, overlay, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// follow types the commands of a block.
func (r *reader) follow(b block) {
	r.t.Helper()
	steps := b.steps(r.t)
	at := r.broker
	if steps[0].command != "^C" {
		at = r.openShell(b)
	}
	for i, s := range steps {
		if s.command == "^C" {
			at.interrupt(at.wants)
			at.see(s.output)
			continue
		}
		s.command = r.ports.Replace(s.command)
		if strings.HasPrefix(s.command, "warren serve") {
			s.command = strings.Replace(s.command, "warren serve", "warren serve"+r.serve, 1)
		}
		if strings.HasPrefix(s.command, "go ") {
			s = r.inModule(s)
		}
		at.do(s, i == len(steps)-1 && b.info == "console" || untilCtrlC(s.command))
	}
	switch {
	case !at.busy:
		at.end()
	case strings.HasPrefix(at.doing, "warren serve"):
		r.broker = at
	default:
		r.open = append(r.open, at)
	}
}

// inModule has a command of go run in the module. Of packages of the document that are only
// laid over it, go cannot run the tests: it is given their files.
func (r *reader) inModule(s typedCommand) typedCommand {
	if name, is := strings.CutPrefix(s.command, "go test ./"); is {
		s.command = "go test " + filepath.Join(r.clone, name) + "/*.go"
		s.output = []string{strings.ReplaceAll(strings.Join(s.output, "\n"), "warren/"+name, "command-line-arguments")}
	}
	s.command = "(cd " + r.root + " && " + s.command + ")"
	return s
}

// untilCtrlC reports whether a command goes on until Ctrl-C.
func untilCtrlC(command string) bool {
	return goesOnAlone.MatchString(command) && !endsAlone.MatchString(command)
}

var (
	goesOnAlone = regexp.MustCompile(`^(?:warren (?:serve|receive|receive[-_]logs\S*|subscribe|worker|beat|events|weather|generate)\b|python3 receive)`)
	endsAlone   = regexp.MustCompile(`--count|--once|--help|&$|^warren beat (?:add|list|remove)\b`)
)

// A shell is a terminal, to which commands are typed.
type shell struct {
	*command
	r     *reader
	at    string
	input *os.File
	typed int
	doing string
	wants []string // that it has not been seen to print
	seen  int      // lines
	busy  bool     // with a command that goes on
}

func (r *reader) openShell(b block) *shell {
	r.t.Helper()
	c, err := newCommand("bash", "/dev/fd/3")
	if err != nil {
		r.t.Fatal(err)
	}
	script, input, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	c.cmd.Dir, c.cmd.ExtraFiles = r.clone, []*os.File{script}
	c.cmd.Env = append(c.cmd.Env, r.env...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.start(nil); err != nil {
		r.t.Fatal(err)
	}
	_ = script.Close()
	at := &shell{command: c, r: r, at: b.at, input: input}
	r.t.Cleanup(func() {
		_ = input.Close()
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		c.wait(r.t)
	})
	at.write("trap : INT")
	return at
}

func (at *shell) write(line string) {
	at.r.t.Helper()
	if _, err := fmt.Fprintln(at.input, line); err != nil {
		at.r.t.Fatalf("%s: type %q: %v", at.at, line, err)
	}
}

// do types a command, and waits for its end, or for the first line that it is to print
// if it goes on.
func (at *shell) do(s typedCommand, stays bool) {
	at.r.t.Helper()
	at.doing, at.wants, at.busy = s.command, s.output, true
	at.typed++
	at.write(s.command)
	at.write("echo " + at.mark() + "$?")
	switch {
	case strings.HasSuffix(s.command, "&"):
		at.see(at.wants)
		at.ended()
	case stays && untilCtrlC(s.command):
		if len(at.wants) > 0 {
			at.see(at.wants[:1])
			at.wants = at.wants[1:]
		}
	default:
		at.wantCode(at.ended(), at.wants)
		at.see(at.wants)
	}
}

func (at *shell) mark() string { return fmt.Sprintf("ended:%d:", at.typed) }

// ended waits until the command has ended, and gives its exit code.
func (at *shell) ended() string {
	at.r.t.Helper()
	deadline := time.After(5 * time.Minute) // it may compile
	for {
		code, more := at.out.with(at.mark())
		if len(code) > 0 {
			at.busy = false
			return code[0]
		}
		select {
		case <-more:
		case <-deadline:
			at.r.t.Fatalf("%s: %q did not end; it printed:\n%s", at.at, at.doing, at.said())
		}
	}
}

// interrupt waits for what the command is still to print, and presses Ctrl-C.
func (at *shell) interrupt(wants []string) {
	at.r.t.Helper()
	at.see(wants)
	at.wants = nil
	if err := syscall.Kill(-at.cmd.Process.Pid, syscall.SIGINT); err != nil {
		at.r.t.Fatalf("%s: interrupt %q: %v", at.at, at.doing, err)
	}
	at.wantCode(at.ended(), wants)
}

// wantCode checks an exit code: a command fails if it is to print an error.
func (at *shell) wantCode(code string, wants []string) {
	at.r.t.Helper()
	fails := slices.ContainsFunc(wants, func(line string) bool { return strings.HasPrefix(line, "warren: ") })
	if (code != "0") != fails {
		at.r.t.Errorf("%s: %q ended with %s; it printed:\n%s", at.at, at.doing, code, at.said())
	}
}

// end closes the terminal.
func (at *shell) end() {
	at.r.t.Helper()
	_ = at.input.Close()
	at.wait(at.r.t)
}

// see waits until lines were printed, in their order. A command that has ended prints no
// more.
func (at *shell) see(wants []string) {
	at.r.t.Helper()
	deadline := time.After(time.Minute)
	for _, want := range wants {
		for want != "..." {
			list, more := at.out.with("")
			if i := slices.IndexFunc(list[at.seen:], like(want).MatchString); i >= 0 {
				at.seen += i + 1
				break
			}
			late := !at.busy
			if !late {
				select {
				case <-more:
				case <-deadline:
					late = true
				}
			}
			if late {
				at.r.t.Fatalf("%s: %q did not print %q; it printed:\n%s", at.at, at.doing, want, at.said())
			}
		}
	}
}

// like matches lines that differ from one in numbers, ids, space and names only.
func like(line string) *regexp.Regexp {
	varies := regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|/home/ann\S*|\w+@ann\b|\d[\d.:TZ-]*\d|\d|\s+`)
	var re strings.Builder
	re.WriteString("^")
	rest := 0
	for _, at := range varies.FindAllStringIndex(line, -1) {
		re.WriteString(regexp.QuoteMeta(line[rest:at[0]]))
		if strings.TrimSpace(line[at[0]:at[1]]) == "" {
			re.WriteString(`\s+`)
		} else {
			re.WriteString(`\S+`)
		}
		rest = at[1]
	}
	re.WriteString(regexp.QuoteMeta(line[rest:]) + `\s*$`)
	return regexp.MustCompile(re.String())
}
