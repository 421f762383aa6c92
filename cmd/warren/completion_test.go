package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
)

// completed is what a shell is offered behind a command line.
func completed(t *testing.T, line ...string) (names []string, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	if code := run(t.Context(), programName, append([]string{"__complete"}, line...), &out, &errs); code != exitOK {
		t.Errorf("%q: got exit code %d, want %d", line, code, exitOK)
	}
	for word := range strings.Lines(out.String()) {
		if !strings.HasPrefix(word, ":") {
			names = append(names, strings.TrimSpace(word))
		}
	}
	return names, errs.String()
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	url := embeddedtest.Listen(t).URL()
	at := []string{"--server", url}
	ctx, stop := context.WithCancel(t.Context())
	ready := make(chan struct{})
	told := &interrupter{at: "Waiting for tasks", cancel: func() { close(ready) }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var errs strings.Builder
		run(ctx, programName, append([]string{"worker", "--name", "celery@one"}, at...), told, &errs)
	}()
	defer func() {
		stop()
		<-ended
	}()
	<-ready
	for _, command := range []string{"send --queue hello", "send --queue help", "emit-log text"} {
		var out, errs strings.Builder
		if code := run(t.Context(), programName, append(strings.Fields(command), at...), &out, &errs); code != exitOK {
			t.Fatalf("%s: %s", command, errs.String())
		}
	}
	for _, test := range []struct{ line, want string }{
		{"queue purge ", "celery hello help"},
		{"queue purge hel", "hello help"},
		{"queue purge hello ", ""},
		{"receive --queue hell", "hello"},
		{"worker --queues hello,ce", "hello,celery"},
		{"exchange delete logs", "logs"},
		{"call print", "print_task"},
		{"call add 1 ", ""},
		{"inspect active ", "celery@one"},
		{"inspect active celery@one ", ""},
		{"control add-consumer hello ", "celery@one"},
		{"control concurrency 2 cel", "celery@one"},
		{"beat add --task mu", "mul"},
		{"subscribe o", "order"},
		{"list queues messages_r", "messages_ready"},
		{"queue purge --vhost typo ", ""},
	} {
		got, _ := completed(t, append(at[:2:2], strings.Split(test.line, " ")...)...)
		for _, want := range strings.Fields(test.want) {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+want+" ") {
				t.Errorf("%q: got %q, want %s in it", test.line, got, want)
			}
		}
		if test.want == "" && len(got) > 0 {
			t.Errorf("%q: got %q, want nothing", test.line, got)
		}
	}
}

// TestCompletion_NoBroker: a shell that completes a line is told nothing of brokers
// that are away.
func TestCompletion_NoBroker(t *testing.T) {
	t.Parallel()
	names, stderr := completed(t, "queue", "purge", "--server", "127.0.0.1:1", "")
	if len(names) > 0 || !strings.HasPrefix(stderr, "Completion ended with directive: ") {
		t.Errorf("got %q, and on stderr %q", names, stderr)
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	if code := run(t.Context(), programName, []string{"--version"}, &out, &errs); code != exitOK || !strings.HasPrefix(out.String(), "warren ") {
		t.Errorf("got exit code %d, %q %q", code, out.String(), errs.String())
	}
}

// TestMan: there is a page of each command, with all that its help has, and man can
// format it.
func TestMan(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	var out, errs strings.Builder
	if code := run(t.Context(), programName, []string{"man", dir}, &out, &errs); code != exitOK {
		t.Fatalf("got exit code %d: %s", code, errs.String())
	}
	for _, path := range paths(newRoot(programName)) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(path, " ", "-")+".1"))
		if path == "warren hold-messages" {
			continue // hidden
		}
		if err != nil {
			t.Error(err)
		}
		for _, want := range []string{".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH SEE ALSO\n"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s: got %s, want %q in it", path, page, want)
			}
		}
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !request(line) {
				t.Errorf("%s: roff takes this line for a request: %s", path, line)
			}
		}
	}
	checkWithGroff(t, dir)
}

func request(line string) bool {
	for _, name := range []string{".TH ", ".SH ", ".TP\n", ".B ", ".BR ", ".nf\n", ".fi\n"} {
		if strings.HasPrefix(line, name) {
			return true
		}
	}
	return false
}

// checkWithGroff formats the pages, where there is a program for it.
func checkWithGroff(t *testing.T, dir string) {
	t.Helper()
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		said, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput()
		if err != nil || len(said) > 0 {
			t.Errorf("groff %s: %v %s", filepath.Base(page), err, said)
		}
	}
}
