package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFits: the help of every command fits into a terminal, for who calls the
// program as the exercises do and for who has it on the path.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	for _, called := range []string{programName, "./warren"} {
		testHelpFits(t, called)
	}
}

func testHelpFits(t *testing.T, called string) {
	for _, path := range paths(newRoot(programName)) {
		var out, errs strings.Builder
		if code := run(t.Context(), called, append(strings.Fields(path)[1:], "--help"), &out, &errs); code != exitOK {
			t.Errorf("%s --help: got exit code %d, want %d; %s", path, code, exitOK, errs.String())
		}
		// How long the name of the user's directory is, is the user's.
		for line := range strings.Lines(strings.ReplaceAll(out.String(), dataDir(), "DIR")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%s --help: a line is %d wide, want %d at most: %s", path, n, width, line)
			}
		}
	}
}

// paths are the command and all below it, as they are typed.
func paths(cmd *cobra.Command) []string {
	list := []string{cmd.CommandPath()}
	for _, sub := range cmd.Commands() {
		list = append(list, paths(sub)...)
	}
	return list
}
