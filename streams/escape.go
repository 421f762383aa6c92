package streams

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// appendEscape appends c as mark and two hex digits.
func appendEscape(dst []byte, mark, c byte) []byte {
	return append(dst, mark, hexDigits[c>>4], hexDigits[c&15])
}

// unescape undoes appendEscape throughout s. It says false when a mark is not
// followed by two hex digits.
func unescape(s string, mark byte) (string, bool) {
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

// parseHeaderText undoes headerText.
func parseHeaderText(value string) (string, error) {
	text, ok := unescape(value, '%')
	if !ok || len(text) > maxShort {
		return "", errSyntax("no property can be %q", value)
	}
	return text, nil
}

// headerText returns a text as a header value that gives it back: control
// characters, blanks at the ends, '%' and what is not UTF-8 become %XX.
func headerText(text string) string {
	if plainHeader(text) {
		return text
	}
	dst := make([]byte, 0, 3*len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		edge := i == 0 || i == len(text)-1
		if headerForbids[text[i]] || r == ' ' && edge || r == utf8.RuneError && size == 1 {
			dst = appendEscape(dst, '%', text[i])
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
