package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"warren/embedded/embeddedtest"
)

func TestCalledAs(t *testing.T) {
	t.Parallel()
	cache := "/home/ann/.cache/go-build/a2/" + strings.Repeat("0f", 32) + "-d/warren"
	tests := []struct{ path, want string }{
		{"warren", "warren"},
		{"./warren", "warren"},
		{"../bin/warren", "warren"},
		{"./war", "war"},
		{"/usr/bin/warren", "warren"},
		{"/home/ann/my programs/my warren", `"my warren"`},
		{"/tmp/go-build4035118802/b001/exe/warren", "go run ./cmd/warren"},
		{cache, "go run ./cmd/warren"},
		{strings.Replace(cache, "0f-d", "0f", 1), "warren"},
	}
	for _, test := range tests {
		if got := calledAs(test.path); got != test.want {
			t.Errorf("called by %q: got %q, want %q", test.path, got, test.want)
		}
	}
}

// bare finds a command to type that does not begin as the program was called: one
// in quotes or on a line of its own, that begins with the name of a command.
var bare = regexp.MustCompile(`(?m)('|^ *)warren (` + strings.Join(commandNames(newRoot(programName)), "|") + `)\b`)

func commandNames(cmd *cobra.Command) (list []string) {
	for _, sub := range cmd.Commands() {
		list = append(list, sub.Name())
	}
	return list
}

func TestHelpSaysHowItWasCalled(t *testing.T) {
	t.Parallel()
	for _, called := range []string{"./warren", "go run ./cmd/warren"} {
		var walk func(cmd *cobra.Command, path []string)
		walk = func(cmd *cobra.Command, path []string) {
			var out, errs strings.Builder
			if code := run(t.Context(), called, append(path, "--help"), &out, &errs); code != exitOK {
				t.Errorf("%v --help ended with %d: %s", path, code, errs.String())
			}
			if found := bare.FindString(out.String()); found != "" || !strings.Contains(out.String(), called+" ") {
				t.Errorf("called as %s, the help of %v has %q in it: got\n%s", called, path, found, out.String())
			}
			for _, sub := range cmd.Commands() {
				walk(sub, append(path[:len(path):len(path)], sub.Name()))
			}
		}
		walk(newRoot(called), nil)
	}
}

// A target of measurements is called warren, however the program is.
func TestHelpKeepsNamesOfTargets(t *testing.T) {
	t.Parallel()
	for _, called := range []string{programName, "./war", "go run ./cmd/warren", "/opt/$HOME/warren"} {
		var out, errs strings.Builder
		run(t.Context(), called, []string{"bench", "--help"}, &out, &errs)
		for _, want := range []string{"Targets are warren and jetstream", "'" + called + " compare'", "\n  " + called + " bench\n"} {
			if !strings.Contains(strings.ReplaceAll(out.String(), ".\n", ". "), want) {
				t.Errorf("called as %s: got\n%s, want %q in it", called, out.String(), want)
			}
		}
	}
}

func TestHintsSayHowItWasCalled(t *testing.T) {
	t.Parallel()
	there := " --server " + embeddedtest.Listen(t).URL()
	tests := []struct{ args, want string }{
		{"sned", "warren: there is no command \"./warren sned\"; did you mean send?\nUsage: ./warren [flags]\nTry './warren --help'.\n"},
		{"queue purge", "Usage: ./warren queue purge QUEUE [flags]\nTry './warren queue purge --help'.\n"},
		{"send --server 127.0.0.1:1", "warren: no broker at nats://127.0.0.1:1: type './warren serve' in another terminal, or add --embedded\n"},
		{"send --embedded --server 192.0.2.1", "leave --server out, or use './warren serve --host 192.0.2.1'"},
		{"subscribe refund --log x.log", "'./warren generate' makes order and payment"},
		{"queue purge nowhere" + there, "See what there is: './warren list queues', './warren list exchanges'.\n"},
		{"send" + there, ""},
		{"send --durable" + there, "or delete it first: './warren queue delete NAME', './warren exchange delete NAME'.\n"},
	}
	for _, test := range tests {
		var out, errs strings.Builder
		run(t.Context(), "./warren", strings.Fields(test.args), &out, &errs)
		if !strings.Contains(errs.String(), test.want) {
			t.Errorf("%s: got %q, want %q", test.args, errs.String(), test.want)
		}
	}
}

func TestBannerSaysHowItWasCalled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs strings.Builder
	told := io.MultiWriter(&out, &interrupter{at: "To exit", cancel: cancel})
	run(ctx, "./warren", []string{"serve", "--port", "0", "--dir", t.TempDir()}, told, &errs)
	if want := "In another terminal: ./warren receive --server nats://127.0.0.1:"; !strings.Contains(out.String(), want) {
		t.Errorf("got %q, want %q in it; stderr: %s", out.String(), want, errs.String())
	}
}

// The broker knows a command by its own name.
func TestClientName(t *testing.T) {
	t.Parallel()
	cmd, _, err := newRoot("go run ./cmd/warren").Find([]string{"list", "queues"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := clientName(cmd), "warren list queues"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"hello": "hello", "": `""`, "two words": `"two words"`, "a.#": `"a.#"`, "it's": `"it's"`, "amqp://h/?a=1&b=2": `"amqp://h/?a=1&b=2"`,
		`say "it"`: `'say "it"'`, "$HOME": "'$HOME'", `it's "$5"`: `'it'\''s "$5"'`,
	} {
		if got := typed([]string{"send", arg}); got != "send "+want {
			t.Errorf("%q: got %s, want %s", arg, got, "send "+want)
		}
	}
}
