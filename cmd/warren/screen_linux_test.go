package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// What a text may do to a terminal, and how it is shown.
const (
	hostile      = "a\x1b[31m\x1b]0;title\x07\rb\u202ec\u2066\u009b2J\x9b\x7f\\"
	hostileShown = `a\x1b[31m\x1b]0;title\x07\rb\u202ec\u2066\u009b2J\x9b\u007f\`
)

// TestScreen_ControlCharactersAreShown: a terminal shows the control characters that
// are in messages, names and errors, and a pipe gets them as they are.
func TestScreen_ControlCharactersAreShown(t *testing.T) {
	t.Parallel()
	const name = "q\x1b[31m\u202e"
	const nameShown = `q\x1b[31m\u202e`
	url := embeddedtest.Listen(t).URL()
	c := openClient(t, url, streams.Config{})
	for _, queue := range []string{"hello", "errors", name} {
		c.queue(streams.Queue{Name: queue})
	}
	send := func() {
		t.Helper()
		if err := c.Publish(t.Context(), "", "hello", streams.Message{Body: []byte(hostile)}); err != nil {
			t.Error(err)
		}
	}
	receive := []string{"receive", "--count", "1"}
	tests := []struct {
		args            []string
		screened, plain string
	}{
		{receive, "Received '" + hostileShown + "'\n", "Received '" + hostile + "'\n"},
		{append(slices.Clone(receive), "--ack"), "Received '" + hostileShown + "'\n", "Received '" + hostile + "'\n"},
		{append(slices.Clone(receive), "--work", "1ms"), "Start processing " + hostileShown + "\n", "Start processing " + hostile + "\n"},
		{[]string{"send", "--queue", name, "--explain"}, "routing_key=" + nameShown + "\n", "routing_key=" + name + "\n"},
		{[]string{"send", hostile}, "Sent '" + hostileShown + "'\n", "Sent '" + hostile + "'\n"},
		{[]string{"list", "queues", "name", "durable"}, nameShown + "  false\n", name + "  false\n"},
		{[]string{"list", "queues", "name", "--json"}, `q\u001b[31m\u202e`, `q\u001b[31m` + "\u202e"},
		{[]string{"queue", "purge", name}, "from queue '" + nameShown + "'\n", "from queue '" + name + "'\n"},
		{[]string{"queue", "purge", "no" + name}, "no" + nameShown, "no" + name},
		{[]string{"call", "add", name, "--id", "x" + name}, "x" + nameShown + "\n", "x" + name + "\n"},
		{[]string{"no" + name}, "warren: ", "warren: "},
	}
	for _, test := range tests {
		args := append(slices.Clone(test.args), "--server", url)
		send()
		got := onTerminal(t, nil, args...)
		if !strings.Contains(got, test.screened) || strings.ContainsAny(got, "\x1b\x07\r\u202e\u2066\u009b\x7f") || !utf8.ValidString(got) {
			t.Errorf("%q on a terminal: got %q, want %q in it, and nothing that a terminal obeys", test.args, got, test.screened)
		}
		send()
		if got := piped(t, args...); !strings.Contains(got, test.plain) {
			t.Errorf("%q in a pipe: got %q, want %q in it", test.args, got, test.plain)
		}
	}
}

// TestScreen_LogThatIsATerminal: a log may be /dev/stdout.
func TestScreen_LogThatIsATerminal(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	log, err := openLog(terminal.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.writeLine("body=%s", hostile); err != nil {
		t.Error(err)
	}
	if err := log.close(); err != nil {
		t.Error(err)
	}
	if got, want := terminal.close(), "body="+hostileShown+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	path := filepath.Join(t.TempDir(), "log")
	if log, err = openLog(path); err != nil {
		t.Fatal(err)
	}
	if err := log.writeLine("body=%s", "\x1b\u202e\x9b"); err != nil {
		t.Error(err)
	}
	if err := log.close(); err != nil {
		t.Error(err)
	}
	wantFile(t, path, "body=\x1b\u202e\x9b\n")
}

// TestScreen_BarIsNotMovedByItsText: a bar moves the cursor, and what it tells of does
// not.
func TestScreen_BarIsNotMovedByItsText(t *testing.T) {
	t.Parallel()
	terminal := newTerminal(t)
	b := newBar(onScreen(terminal.File))
	b.tell(1, 2, "red\x1b[31m\r\nend")
	b.end()
	if got := terminal.close(); !strings.Contains(got, `red\x1b[31m\r\nend`) || strings.Contains(got, "\x1b[31m") {
		t.Errorf("got %q, want the text shown as it is written in Go", got)
	}
}
