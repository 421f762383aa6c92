package streams

const hexDigits = "0123456789ABCDEF"

// appendEscape appends c as mark and two hex digits.
func appendEscape(dst []byte, mark, c byte) []byte {
	return append(dst, mark, hexDigits[c>>4], hexDigits[c&15])
}

// unescape undoes appendEscape throughout s. It says false when a mark is not
// followed by two hex digits.
func unescape(s string, mark byte) (string, bool) {
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
