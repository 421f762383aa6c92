package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"", ""}, {"Hello World!\n\tПривіт 👋 日本 العربية e\u0301\n", "Hello World!\n\tПривіт 👋 日本 العربية e\u0301\n"},
		{"\x00\x07\b\v\f\r\x1b\x1f ", `\x00\x07\x08\x0b\x0c\r\x1b\x1f `},
		{"\x7f\u0080\u009b\u009f\u00a0", `\u007f\u0080\u009b\u009f` + "\u00a0"},
		{"\u2029\u202a\u202e\u202f\u2065\u2066\u2069\u206a", "\u2029" + `\u202a\u202e` + "\u202f\u2065" + `\u2066\u2069` + "\u206a"},
		{"\x9b2J\xff\xc2\xe2\x80", `\x9b2J\xff\xc2\xe2\x80`}, {"\ufffd", "\ufffd"},
		{`"\u001b" C:\x1b`, `"\u001b" C:\x1b`},
	}
	for _, test := range tests {
		if got := visible(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// TestScreen_ColoursAreNotForged: the painter's colours pass, and no others.
func TestScreen_ColoursAreNotForged(t *testing.T) {
	t.Parallel()
	s, other := &screen{mark: "mark"}, &screen{mark: "other"}
	p := painter{s}
	tests := []struct{ text, want string }{
		{p.paint(green, "ok"), "\x1b[32mok\x1b[0m"},
		{p.paint(red, "m\x1b[0mm") + "\x1b[5m", "\x1b[1;31mm\\x1b[0mm\x1b[0m\\x1b[5m"},
		{"a" + p.paint(dim, "\r") + "b" + p.paint("", "\r"), "a\x1b[2m\\r\x1b[0mb\\r"},
		{painter{other}.paint(green, "ok"), "other32mokother0m"},
		{painter{}.paint(green, "ok"), "ok"},
	}
	for _, test := range tests {
		if got := s.shown(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestJSONText_IsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for before := range 4 {
		text := jsonOf(strings.Repeat("a", before) + strings.Repeat("я", 60)).String()
		if !utf8.ValidString(text) || !strings.HasSuffix(text, "я...") {
			t.Errorf("got %q, want whole characters and ...", text)
		}
	}
}

// FuzzVisible: a terminal obeys nothing of what is made visible, nothing else is
// changed, and what was there can be read.
func FuzzVisible(f *testing.F) {
	for _, text := range []string{"plain\n\ttext", "\x1b[31m", "\r\x9b\u009b", "\u202e\u2069", "\\x1b\\", "\xe2\x80", "\ufffd", "日本\x00"} {
		f.Add(text)
	}
	// Unicode's own classes say which characters these are.
	turns := func(r rune) bool {
		return unicode.Is(unicode.Bidi_Control, r) && !strings.ContainsRune("\u061c\u200e\u200f", r) // marks, which turn nothing
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := visible(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q: got %q, which is no UTF-8", text, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || turns(r) {
				t.Errorf("%q: got %q, with %U in it", text, got, r)
			}
		}
		if visible(got) != got {
			t.Errorf("%q: got %q, and %q of that", text, got, visible(got))
		}
		var parts []string
		for part := range strings.SplitSeq(text, `\`) { // a \ stays, and nothing depends on it
			parts = append(parts, visible(part))
			if back := invisible(t, visible(part)); back != part {
				t.Errorf("%q: got %q, which is %q", part, visible(part), back)
			}
		}
		if want := strings.Join(parts, `\`); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	})
}

var escape = regexp.MustCompile(`\\(r|x..|u....)`)

// invisible is the text that a visible one without a \ of its own was.
func invisible(t *testing.T, text string) string {
	t.Helper()
	return escape.ReplaceAllStringFunc(text, func(escaped string) string {
		r, multibyte, _, err := strconv.UnquoteChar(escaped, 0)
		if err != nil {
			t.Errorf("%s: %v", escaped, err)
		}
		if multibyte {
			return string(r)
		}
		return string([]byte{byte(r)})
	})
}
