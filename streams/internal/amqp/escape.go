package amqp

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// AppendEscape appends the byte c as the mark and two hex digits.
func AppendEscape(dst []byte, mark, c byte) []byte {
	return append(dst, mark, hexDigits[c>>4], hexDigits[c&15])
}

// Unescape undoes AppendEscape everywhere in s. It returns false if a mark is not
// followed by two hex digits.
func Unescape(s string, mark byte) (string, bool) {
	if strings.IndexByte(s, mark) < 0 {
		return s, true
	}
	dst := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != mark {
			dst = append(dst, s[i])
			continue
		}
		if len(s)-i < 3 {
			return "", false
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high|low > 15 {
			return "", false
		}
		dst = append(dst, high<<4|low)
		i += 2
	}
	return string(dst), true
}

// unhex returns the value of a hex digit, or 255.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// UnescapeHeader undoes [EscapeHeader]. A text that is too long for a property is an error.
func UnescapeHeader(value string) (string, error) {
	text, ok := Unescape(value, '%')
	if !ok || len(text) > MaxShort {
		return "", Errorf(ErrSyntax, "no property can be %q", value)
	}
	return text, nil
}

// EscapeHeader returns a text as a header value that gives it back: control
// characters, blanks at the ends, '%' and what is not UTF-8 become %XX.
func EscapeHeader(text string) string {
	if plainHeader(text) {
		return text
	}
	dst := make([]byte, 0, 3*len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		edge := i == 0 || i == len(text)-1
		if headerForbids[text[i]] || r == ' ' && edge || r == utf8.RuneError && size == 1 {
			dst = AppendEscape(dst, '%', text[i])
		} else {
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return string(dst)
}

func plainHeader(text string) bool {
	for i := range len(text) {
		if headerForbids[text[i]] {
			return false
		}
	}
	return !strings.HasPrefix(text, " ") && !strings.HasSuffix(text, " ") && utf8.ValidString(text)
}

// headerForbids says which bytes a header value cannot carry.
var headerForbids = func() (forbids [256]bool) {
	for c := range byte(' ') {
		forbids[c] = true
	}
	forbids['%'], forbids['\x7f'] = true, true
	return forbids
}()
