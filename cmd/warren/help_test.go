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
	t.Helper()
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

// TestHelpLeavesOut: a command's help has no flags that the command refuses.
func TestHelpLeavesOut(t *testing.T) {
	t.Parallel()
	shared := []string{"--dir", "--embedded", "--explain", "--lease", "--replicas", "--server", "--vhost"}
	for name, want := range map[string]string{
		"receive": strings.Join(shared, " "), "status": strings.Join(shared, " "),
		"compare": "--replicas", "bench": "--replicas", "serve": "--dir --explain --lease --replicas --server --vhost", "demo": "", "version": "",
	} {
		var out, errs strings.Builder
		run(t.Context(), programName, []string{name, "--help"}, &out, &errs)
		var got []string
		for _, flag := range shared {
			if strings.Contains(out.String(), "  "+flag+" ") {
				got = append(got, flag)
			}
			if !strings.Contains(want, flag) {
				refused(t, []string{name, flag + "=" + map[string]string{"--lease": "1s", "--replicas": "1", "--embedded": "true", "--explain": "true"}[flag]}, exitUsage, "--"+flag[2:]+" is for the other commands")
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", name, got, want)
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
