package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestDemoTellsDifferences: a step that is not as it should be is named, in the
// text and in the error.
func TestDemoTellsDifferences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		play func(*stage)
		want string
	}{
		{"other than wanted", func(st *stage) { st.check("two and two", 5, 4) }, "DIFFERS two and two: got 5, want 4"},
		{"trouble", func(st *stage) { st.fail(errors.New("no paper")) }, "DIFFERS no paper"},
		{"program that fails", func(st *stage) { st.run("send", "--count", "-1") }, "DIFFERS './warren send --count -1' ended with 2"},
		{"line that never comes", func(st *stage) { st.await(st.start("version", "", "help"), "Goodbye", 1) }, `DIFFERS version ended with 0 of 1 lines like "Goodbye"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			d := &demo{called: "./warren", tell: newNarrator(&out)}
			if d.play(t.Context(), 1, step{"Arithmetic", "Sums are sums.", test.play}) {
				t.Error("the step agrees, want it not to")
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("got %q, want %q in it", out.String(), test.want)
			}
		})
	}
}

// TestDemoSums: the demo's error counts the steps that differ, and its last
// lines name them.
func TestDemoSums(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := &demo{called: "./warren", tell: newNarrator(&out)}
	if err := d.sum(nil, 0); err != nil {
		t.Errorf("nothing differs: got %v, want nil", err)
	}
	err := d.sum([]string{"3. Arithmetic"}, 0)
	if want := "the demo differs in 1 of 16 steps"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
	if !strings.HasSuffix(out.String(), "1 of 16 steps differ:\n  3. Arithmetic\n") {
		t.Errorf("got %q, want the step named last", out.String())
	}
}

// TestDemoInterrupted: Ctrl-C ends the demo, whatever runs.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out := &interrupter{at: "receive --work", cancel: cancel}
	var errs strings.Builder
	if got := run(ctx, programName, []string{"demo"}, out, &errs); got != exitInterrupted {
		t.Errorf("exit code: got %d, want %d; %s", got, exitInterrupted, errs.String())
	}
}

// interrupter presses Ctrl-C when it reads something.
type interrupter struct {
	at     string
	cancel func()
}

func (i *interrupter) Write(text []byte) (int, error) {
	if strings.Contains(string(text), i.at) {
		i.cancel()
	}
	return len(text), nil
}

func TestWrap(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, first, rest string }{
		{"short", "short", ""},
		{"two words here", "two words", "here"},
		{"unbreakable-word", "unbreakabl", "e-word"},
		{"чай и чай ещё", "чай и чай", "ещё"},
	}
	for _, test := range tests {
		if first, rest := wrap(test.line, 10); first != test.first || rest != test.rest {
			t.Errorf("wrap(%q): got %q and %q, want %q and %q", test.line, first, rest, test.first, test.rest)
		}
	}
}
