package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// ofGoRun is the end of a directory in which go run keeps what it has built.
var ofGoRun = regexp.MustCompile(`/b[0-9]+/exe$|/[0-9a-f]{2}/[0-9a-f]{64}-d$`)

// calledAs is how to call a program again that was called by this path: its name is
// enough, as for any other program, unless go run keeps it where nobody looks.
func calledAs(path string) string {
	if ofGoRun.MatchString(filepath.ToSlash(filepath.Dir(path))) {
		return "go run ./cmd/warren"
	}
	return typed([]string{strings.TrimSuffix(filepath.Base(path), ".exe")})
}

// inHelp is the program in a text of a help: at the start of an indented line, or
// behind a quote. Elsewhere warren is a word like others.
var inHelp = regexp.MustCompile(`(?m)(^ +|')` + programName + ` `)

// sayCalledAs has the help of a command, and of those below it, say how the
// program was called. In the texts it is called as warren.
func sayCalledAs(cmd *cobra.Command, called string) {
	for _, text := range []*string{&cmd.Short, &cmd.Long, &cmd.Example} {
		*text = refill(inHelp.ReplaceAllString(*text, "${1}"+strings.ReplaceAll(called, "$", "$$")+" "))
	}
	for _, sub := range cmd.Commands() {
		sayCalledAs(sub, called)
	}
}

// refill breaks paragraphs anew that have become too wide. Indented lines stay.
func refill(text string) string {
	parts := strings.Split(text, "\n\n")
	for i, part := range parts {
		tooWide := func(line string) bool { return utf8.RuneCountInString(line) > width }
		if lines := strings.Split(part, "\n"); slices.ContainsFunc(lines, tooWide) && !strings.Contains("\n"+part, "\n ") {
			parts[i] = paragraph(strings.Join(lines, " "))
		}
	}
	return strings.Join(parts, "\n\n")
}

// call is what to type for a command of the same program.
func call(cmd *cobra.Command, args string) string {
	return cmd.Root().DisplayName() + " " + args
}

// clientName is how the broker knows a command, however it was called.
func clientName(cmd *cobra.Command) string {
	return programName + strings.TrimPrefix(cmd.CommandPath(), cmd.Root().DisplayName())
}
