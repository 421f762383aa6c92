package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write manual pages into a directory",
		Long: `Man writes a manual page of each command into a directory, as
warren-list-queues.1 for 'warren list queues'. It makes the directory if it is
missing.`,
		Example: "  warren man ~/.local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			count, err := writeManPages(newRoot(programName), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Wrote %d pages to %s\n", count, args[0])
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	without(cmd, otherFlags()...)
	return cmd
}

// writeManPages writes the page of a command and of all below it.
func writeManPages(cmd *cobra.Command, dir string) (count int, err error) {
	if cmd.Hidden {
		return 0, nil
	}
	name := pageName(cmd)
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return 0, err
	}
	count = 1
	for _, sub := range cmd.Commands() {
		n, err := writeManPages(sub, dir)
		if err != nil {
			return count, err
		}
		count += n
	}
	return count, nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is a command's help as a page for man, which is text in roff. The texts are
// plain text, and no Markdown, which cobra's own generator takes them for.
func manPage(cmd *cobra.Command) string {
	var page strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&page, ".SH %s\n%s", title, text)
		}
	}
	fmt.Fprintf(&page, ".TH %s 1 \"\" \"warren %s\" \"Warren\"\n", roffQuoted(strings.ToUpper(pageName(cmd))), roff(buildVersion()))
	section("NAME", roff(pageName(cmd)+" - "+cmd.Short)+"\n")
	section("SYNOPSIS", ".B "+roff(cmd.UseLine())+"\n")
	section("DESCRIPTION", roffText(cmp.Or(cmd.Long, cmd.Short+".")))
	section("OPTIONS", roffFlags(cmd.NonInheritedFlags()))
	section("COMMON OPTIONS", roffFlags(cmd.InheritedFlags()))
	if cmd.HasExample() {
		section("EXAMPLES", roffText(cmd.Example))
	}
	section("SEE ALSO", roffSeeAlso(cmd))
	return page.String()
}

// roffText is text as it is broken into lines: much of it is indented or a table.
func roffText(text string) string { return ".nf\n" + roff(text) + "\n.fi\n" }

func roffFlags(flags *pflag.FlagSet) string {
	var text strings.Builder
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(flag)
		if flag.DefValue != "" && flag.DefValue != "[]" && flag.DefValue != "false" {
			usage += " (default: " + flag.DefValue + ")"
		}
		short := ""
		if flag.Shorthand != "" {
			short = "-" + flag.Shorthand + ", "
		}
		fmt.Fprintf(&text, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(short+"--"+flag.Name+" "+name)), roff(usage))
	})
	return text.String()
}

func roffSeeAlso(cmd *cobra.Command) string {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, pageName(cmd.Parent()))
	}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			pages = append(pages, pageName(sub))
		}
	}
	for i, page := range pages {
		pages[i] = ".BR " + roff(page) + " (1)"
	}
	return strings.Join(pages, ",\n") + "\n"
}

// roff writes text so that none of it is a request of roff's.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\`", "~", `\(ti`, "^", `\(ha`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func roffQuoted(text string) string { return `"` + roff(strings.ReplaceAll(text, `"`, "")) + `"` }
