package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// repository is the root of the module.
const repository = "../.."

// TestDocuments_ArchitectureIsTrue: every file and every function that ARCHITECTURE.md
// names is there. Functions end in (), files have a slash or end in .go.
func TestDocuments_ArchitectureIsTrue(t *testing.T) {
	t.Parallel()
	declared := declaredFunctions(t)
	for _, quoted := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(readDocument(t, "ARCHITECTURE.md"), -1) {
		name := quoted[1]
		if function, is := strings.CutSuffix(name, "()"); is {
			if !declared[function] {
				t.Errorf("ARCHITECTURE.md names the function %s, and there is none", name)
			}
			continue
		}
		if !strings.Contains(name, "/") && !strings.HasSuffix(name, ".go") || strings.Contains(name, " ") || name == "doc.go" {
			continue
		}
		if _, err := os.Stat(filepath.Join(repository, name)); err != nil {
			t.Errorf("ARCHITECTURE.md names the file %s: %v", name, err)
		}
	}
}

// declaredFunctions are the functions of the module, and its methods as Type.Method.
func declaredFunctions(t *testing.T) map[string]bool {
	t.Helper()
	declared := make(map[string]bool)
	for _, path := range repositoryFiles(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is {
				declared[methodOf(f)+f.Name.Name] = true
			}
		}
	}
	return declared
}

// methodOf is the type of a method, with a dot behind it.
func methodOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, is := of.(*ast.StarExpr); is {
		of = star.X
	}
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
		of = generic.X
	}
	return of.(*ast.Ident).Name + "."
}

// repositoryFiles are the files of the module that end so, without those of tests' data.
func repositoryFiles(t *testing.T, suffix string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, suffix):
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents are the documents of the module, by their paths in it.
func documents(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, path := range repositoryFiles(t, ".md") {
		name, err := filepath.Rel(repository, path)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, filepath.ToSlash(name))
	}
	return list
}

// A block is a fenced block of a document.
type block struct {
	at      string // the document and the line
	info    string
	section int    // counts headings
	heading string // of the section
	lines   []string
}

func (b block) text() string { return strings.Join(b.lines, "\n") + "\n" }

func blocksOf(t *testing.T, document string) []block {
	t.Helper()
	var list []block
	var open *block
	section, heading := 0, ""
	for i, line := range strings.Split(readDocument(t, document), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{at: document + ":" + strconv.Itoa(i+1), info: info, section: section, heading: heading}
		case fence:
			list, open = append(list, *open), nil
		case open != nil:
			open.lines = append(open.lines, line)
		case strings.HasPrefix(line, "#"):
			section++
			heading = strings.TrimLeft(line, "# ")
		case strings.HasPrefix(line, "    "):
			t.Errorf("%s:%d: an indented block does not say what it is: fence it", document, i+1)
		}
	}
	return list
}

// A typedCommand is a command of a block, with what it prints.
type typedCommand struct {
	command string
	output  []string
}

// steps are the commands of a block of commands. ^C is one.
func (b block) steps(t *testing.T) []typedCommand {
	t.Helper()
	var list []typedCommand
	for _, line := range b.lines {
		command, typed := strings.CutPrefix(line, "$ ")
		if b.info == "sh" || line == "^C" {
			command, typed = line, true
		}
		last := len(list) - 1
		switch {
		case last >= 0 && strings.HasSuffix(list[last].command, "\\"):
			list[last].command = strings.TrimSuffix(list[last].command, "\\") + strings.TrimLeft(line, " ")
		case typed && strings.TrimSpace(command) != "" && !strings.HasPrefix(command, "#"):
			list = append(list, typedCommand{command: command})
		case typed:
		case last < 0:
			t.Fatalf("%s: %q stands before the first command", b.at, line)
		case line != "":
			list[last].output = append(list[last].output, line)
		}
	}
	return list
}

// TestDocuments_Blocks: every block says what it is, and every command of Warren in it, or
// quoted in a line, is one, with flags that it has.
func TestDocuments_Blocks(t *testing.T) {
	t.Parallel()
	root := newRoot(programName)
	root.InitDefaultCompletionCmd()
	known := map[string]bool{"sh": true, "console": true, "go": true, "python": true, "text": true, "json": true, "ini": true}
	for _, document := range documents(t) {
		for _, b := range blocksOf(t, document) {
			if !known[b.info] || len(b.lines) == 0 {
				t.Errorf("%s: the block is %q, with %d lines; want sh, console, go, python, json, ini or text, and some", b.at, b.info, len(b.lines))
			}
			for _, line := range b.lines {
				checkCommand(t, root, b.at, strings.TrimPrefix(strings.TrimPrefix(line, "$ "), "ExecStart=/usr/local/bin/"))
			}
		}
		for _, quoted := range regexp.MustCompile("`(warren [a-z][^`]*)`").FindAllStringSubmatch(readDocument(t, document), -1) {
			checkCommand(t, root, document, strings.ReplaceAll(quoted[1], "\n", " "))
		}
	}
}

// checkCommand checks a line that is a command of Warren, as far as it can be without
// a shell.
func checkCommand(t *testing.T, root *cobra.Command, at, line string) {
	t.Helper()
	words := strings.Fields(strings.TrimSuffix(strings.TrimSuffix(line, " &"), "\\"))
	if len(words) < 2 || words[0] != "warren" || strings.ContainsAny(line, "|`") {
		return
	}
	cmd, args, err := root.Find(words[1:])
	if err == nil && cmd.HasSubCommands() && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		err = fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0])
	}
	if err != nil {
		t.Errorf("%s: %s: %v", at, line, err)
		return
	}
	for i, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "" && name != "help" && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
			t.Errorf("%s: %s: %q has no flag %s", at, line, cmd.CommandPath(), args[i])
		}
	}
}

// TestDocuments_TutorialsAgree: the tutorial has the same commands in both languages.
func TestDocuments_TutorialsAgree(t *testing.T) {
	t.Parallel()
	english, russian := blocksOf(t, tutorial), blocksOf(t, russianTutorial)
	if len(english) != len(russian) {
		t.Fatalf("%s has %d blocks, and %s has %d", tutorial, len(english), russianTutorial, len(russian))
	}
	for i, b := range english {
		if other := russian[i]; b.info != other.info || b.text() != other.text() {
			t.Errorf("%s and %s differ:\n%s\n%s", b.at, other.at, b.text(), other.text())
		}
	}
}

const (
	tutorial        = "cmd/warren/TUTORIAL.md"
	russianTutorial = "cmd/warren/TUTORIAL.ru.md"
)

// TestDocuments_NamedTests: the tests that documents name are there; TestX_* is any that
// begins so.
func TestDocuments_NamedTests(t *testing.T) {
	t.Parallel()
	declared := declaredFunctions(t)
	for _, document := range documents(t) {
		for _, quoted := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)(\\*?)`").FindAllStringSubmatch(readDocument(t, document), -1) {
			is := declared[quoted[1]]
			if quoted[2] != "" {
				is = slices.ContainsFunc(slices.Collect(maps.Keys(declared)), func(name string) bool { return strings.HasPrefix(name, quoted[1]) })
			}
			if !is {
				t.Errorf("%s names the test %s, and there is none", document, quoted[1])
			}
		}
	}
}

// TestDocuments_Links: every link into the module leads somewhere.
func TestDocuments_Links(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, document := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(readDocument(t, document), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			to := document
			if path != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(document), path))
			}
			if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
				t.Errorf("%s links to %s: %v", document, found[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchorsOf(t, to), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", document, found[1])
			}
		}
	}
}

// anchorsOf are what links name the headings of a document by.
func anchorsOf(t *testing.T, document string) []string {
	t.Helper()
	var list []string
	for _, line := range strings.Split(readDocument(t, document), "\n") {
		title := strings.TrimLeft(line, "#")
		if title == line {
			continue
		}
		title = strings.ToLower(strings.TrimSpace(title))
		title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(title, "")
		list = append(list, strings.ReplaceAll(title, " ", "-"))
	}
	return list
}
