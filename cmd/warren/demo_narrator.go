package main

import (
	"fmt"
	"io"
	"strings"
)

// width is that of the narrowest usual terminal.
const width = 80

// narrator tells what happens.
type narrator struct {
	painter
	out io.Writer
}

func newNarrator(out io.Writer) narrator { return narrator{newPainter(out), out} }

func (n narrator) say(format string, args ...any) {
	fmt.Fprintf(n.out, format+"\n", args...)
}

// title begins a step.
func (n narrator) title(number int, s step) {
	n.say("\n%s", n.paint(bold, fmt.Sprintf("%d. %s", number, s.title)))
	n.say("   %s\n", s.proves)
}

// command shows what is typed, with a remark behind it.
func (n narrator) command(line, remark string) {
	line = "$ " + line
	if remark != "" {
		line = fmt.Sprintf("%-46s %s", line, n.paint(dim, "# "+remark))
	}
	n.say("   %s", line)
}

// remark tells of what is not typed.
func (n narrator) remark(format string, args ...any) {
	n.say("   %s", n.paint(dim, "# "+fmt.Sprintf(format, args...)))
}

// output shows a line that a program printed; a long one goes on below.
func (n narrator) output(label, line string) {
	const room = width - len("   123456789012 | ")
	for rest := line; ; label = "" {
		line, rest = wrap(rest, room)
		n.say("   %12s | %s", label, line)
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
	mark := n.paint(green, "ok  ")
	if !ok {
		mark = n.paint(red, "DIFFERS")
	}
	n.say("   %s %s", mark, fmt.Sprintf(format, args...))
}

// verdict ends the demo.
func (n narrator) verdict(ok bool, format string, args ...any) {
	how := green
	if !ok {
		how = red
	}
	n.say("\n%s", n.paint(how, fmt.Sprintf(format, args...)))
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
