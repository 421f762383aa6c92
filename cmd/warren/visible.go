package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// visible is a text as a terminal may be given it. What a terminal would obey, and
// not show, becomes text: the control characters but \n and \t, the bytes that are
// no UTF-8 (some terminals obey these as well), and what turns the direction of the
// text around it. Everything else stays as it is, a \ too: JSON stays JSON, and what
// is made visible twice is the same as once.
func visible(text string) string {
	if !strings.ContainsFunc(text, suspect) {
		return text
	}
	var shown strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&shown, `\x%02x`, text[0])
		case r == '\r':
			shown.WriteString(`\r`)
		case r < ' ' && obeyed(r):
			fmt.Fprintf(&shown, `\x%02x`, r)
		case obeyed(r):
			fmt.Fprintf(&shown, `\u%04x`, r) // JSON has only this form, and leaves these as they are
		default:
			shown.WriteString(text[:size])
		}
		text = text[size:]
	}
	return shown.String()
}

// bytesHelp is what a receiver says of the messages that it prints.
const bytesHelp = `A terminal shows control characters as \x1b, \r or \u202e and obeys none of them; a
pipe or a file gets every byte of a message as it was sent.`

// suspect reports whether a character may have to be made visible; bytes that are no
// UTF-8 come as RuneError.
func suspect(r rune) bool { return r == utf8.RuneError || obeyed(r) }

// obeyed reports whether a terminal obeys a character: the controls C0 and C1, DEL,
// and Unicode's embeddings, overrides and isolates.
func obeyed(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', 0x7f <= r && r <= 0x9f, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
		return true
	}
	return false
}
