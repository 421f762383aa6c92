package compare

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// pageWidth is how wide the behaviours are written.
const pageWidth = 100

// WriteBehaviours writes behaviours for a terminal of 100 columns: of each the
// question, what every target did, and why.
func WriteBehaviours(w io.Writer, behaviours []Behaviour) error {
	out := bufio.NewWriter(w)
	width := 0
	for _, b := range behaviours {
		for _, o := range b.Outcomes {
			width = max(width, utf8.RuneCountInString(o.Target))
		}
	}
	for i, b := range behaviours {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s: %s\n", b.Scenario, b.Verdict)
		writeWrapped(out, "  ", "  ", b.Question)
		for _, o := range b.Outcomes {
			first := fmt.Sprintf("    %-*s  ", width, o.Target)
			writeWrapped(out, first, strings.Repeat(" ", utf8.RuneCountInString(first)), o.says())
		}
		writeWrapped(out, "  ", "  ", b.Why)
	}
	return out.Flush()
}

// says is what a target did, or what kept it from doing it.
func (o Outcome) says() string {
	switch {
	case o.Failed == "":
		return o.Did
	case o.Did == "":
		return "FAILED: " + o.Failed
	}
	return o.Did + " - FAILED: " + o.Failed
}

// writeWrapped writes text in lines of pageWidth, the first of them behind first
// and the others behind rest. A word that is longer has a line of its own.
func writeWrapped(w io.Writer, first, rest, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth {
			fmt.Fprintln(w, line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}
