package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is that of the narrowest usual terminal.
const width = 80

// narrator tells what happens.
type narrator struct {
	painter
	out  io.Writer
	room int // how many columns there are
}

func newNarrator(out io.Writer) narrator {
	room := width
	if columns := terminalWidth(out); columns > 0 {
		room = max(columns, narrowest)
	}
	return narrator{newPainter(out), out, room}
}

// narrowest is where texts have as many words in a line as to make sense.
const narrowest = 40

// indent is what stands in front of all that belongs to a step.
const indent = "   "

func (n narrator) say(format string, args ...any) {
	n.text("", "", "", fmt.Sprintf(format, args...))
}

// text tells something in lines that fit, the first behind first, and the others
// behind as many blanks as it has.
func (n narrator) text(first, paintedFirst, how, text string) {
	blanks := strings.Repeat(" ", len(first))
	if paintedFirst == "" {
		paintedFirst = first
	}
	for line, rest := "", text; ; paintedFirst = blanks {
		line, rest = wrap(rest, n.room-len(first))
		fmt.Fprintf(n.out, "%s%s\n", paintedFirst, n.paint(how, line))
		if rest == "" {
			return
		}
	}
}

// title begins a step.
func (n narrator) title(number int, s step) {
	fmt.Fprintln(n.out)
	n.text("", "", bold, fmt.Sprintf("%d. %s", number, s.title))
	n.text(indent, "", "", s.proves)
	fmt.Fprintln(n.out)
}

// command shows what is typed, with a remark behind it, or above it where they do not
// fit into one line. A line that is broken goes on as a shell would read it.
func (n narrator) command(line, remark string) {
	line = "$ " + line
	if remark != "" && len(indent)+max(utf8.RuneCountInString(line), remarkColumn)+len(" # ")+utf8.RuneCountInString(remark) <= n.room {
		fmt.Fprintf(n.out, "%s%-*s %s\n", indent, remarkColumn, line, n.paint(dim, "# "+remark))
		return
	}
	if remark != "" {
		n.remark("%s", remark)
	}
	for begin := ""; ; begin = indent {
		part, rest := wrap(line, n.room-len(indent)-len(begin)-len(` \`))
		if rest == "" || utf8.RuneCountInString(line) <= n.room-len(indent)-len(begin) {
			fmt.Fprintf(n.out, "%s%s%s\n", indent, begin, line)
			return
		}
		fmt.Fprintf(n.out, "%s%s%s \\\n", indent, begin, part)
		line = rest
	}
}

// remarkColumn is where remarks begin, behind commands that are not longer.
const remarkColumn = 46

// remark tells of what is not typed.
func (n narrator) remark(format string, args ...any) {
	n.text(indent+"# ", indent+n.paint(dim, "# "), dim, fmt.Sprintf(format, args...))
}

// output shows a line that a program printed; a long one goes on below.
func (n narrator) output(label, line string) {
	for rest := line; ; label = "" {
		line, rest = wrap(rest, n.room-len("   123456789012 | "))
		fmt.Fprintf(n.out, "   %12s | %s\n", label, line)
		if rest == "" {
			return
		}
	}
}

// paragraph breaks a text into lines that fit.
func paragraph(text string) string {
	line, rest := wrap(text, width)
	for rest != "" {
		var next string
		next, rest = wrap(rest, width)
		line += "\n" + next
	}
	return line
}

// wrap breaks a line between words, or in one that is too long.
func wrap(line string, room int) (first, rest string) {
	text := []rune(line)
	if len(text) <= room {
		return line, ""
	}
	first, rest = string(text[:room]), string(text[room:])
	if cut := strings.LastIndexByte(first, ' '); cut > 0 {
		return first[:cut], first[cut+1:] + rest
	}
	return first, rest
}

// checked tells of a check.
func (n narrator) checked(ok bool, format string, args ...any) {
	mark, how := "ok  ", green
	if !ok {
		mark, how = "DIFFERS", red
	}
	n.text(indent+mark+" ", indent+n.paint(how, mark)+" ", "", fmt.Sprintf(format, args...))
}

// verdict ends the demo.
func (n narrator) verdict(ok bool, format string, args ...any) {
	how := green
	if !ok {
		how = red
	}
	fmt.Fprintln(n.out)
	n.text("", "", how, fmt.Sprintf(format, args...))
}

// typed is how arguments are typed in a shell.
func typed(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		switch words[i] = arg; {
		case strings.ContainsAny(arg, "\"$`\\"):
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		case arg == "" || strings.ContainsAny(arg, " #*?'&|;<>()"):
			words[i] = `"` + arg + `"`
		}
	}
	return strings.Join(words, " ")
}
