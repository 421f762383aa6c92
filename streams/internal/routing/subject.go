package routing

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"warren/streams/internal/amqp"
)

// maxToken is the length from which a name goes into file names as a hash.
const maxToken = 120

// NameToken returns the name of a queue, an exchange or a virtual host as one
// token of letters, digits, '_', '-' and '=': every other byte becomes =XX. Two
// names never share a token. The token is a valid key of a KV bucket.
func NameToken(name string) string {
	for i := range len(name) {
		if !nameByte(name[i]) {
			return string(appendName(nil, name))
		}
	}
	return name
}

// TokenName returns the name whose NameToken is token.
func TokenName(token string) (string, error) {
	name, ok := amqp.Unescape(token, '=')
	if !ok || NameToken(name) != token {
		return "", amqp.Errorf(amqp.ErrSyntax, "token '%s' is not one a name gives", token)
	}
	return name, nil
}

// StreamName returns the name of the JetStream stream of a queue (kind "q"), of an
// exchange (kind "x") or of a store (kind "t").
func StreamName(vhost, kind, name string) string {
	return fileToken(vhost) + "~" + kind + "~" + fileToken(name)
}

// ConsumerName returns the name of the consumers a queue reads with.
func ConsumerName(queue string) string { return fileToken(queue) }

// fileToken is NameToken for names that become names of files, which are
// limited to 255 bytes: a long token becomes a hash, set apart from every token
// by its two '='.
func fileToken(name string) string {
	token := NameToken(name)
	if len(token) <= maxToken {
		return token
	}
	sum := sha256.Sum256([]byte(name))
	return "==" + hex.EncodeToString(sum[:20])
}

func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if nameByte(name[i]) {
			dst = append(dst, name[i])
		} else {
			dst = amqp.AppendEscape(dst, '=', name[i])
		}
	}
	return dst
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// KeySubject returns the subject of a routing key behind base: a word of the
// key becomes a token of the subject. The empty key has no words, so its
// subject is base itself; an empty word is the token "=". What NATS forbids in a
// token or would take for a wildcard becomes =XX.
func KeySubject(base, key string) string {
	if key == "" {
		return base
	}
	if plainKey(key) {
		return base + "." + key
	}
	dst := make([]byte, 0, len(base)+1+3*len(key)+1)
	dst = append(dst, base...)
	for word := range strings.SplitSeq(key, ".") {
		dst = append(dst, '.')
		dst = appendWord(dst, word)
	}
	return string(dst)
}

// SubjectKey returns the routing key that KeySubject put behind base, and
// whether the subject is base or lies behind it. Tokens that KeySubject does not
// make, which other clients of NATS may publish, stand for themselves.
func SubjectKey(base, subject string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(subject, base)
	if !ok || rest == "" {
		return "", ok
	}
	if rest[0] != '.' {
		return "", false
	}
	rest = rest[1:]
	if strings.IndexByte(rest, '=') < 0 {
		return rest, true
	}
	words := strings.Split(rest, ".")
	for i, token := range words {
		words[i] = tokenWord(token)
	}
	return strings.Join(words, "."), true
}

// WordToken returns a word of a routing key as a token of a subject.
func WordToken(word string) string {
	if word != "" && plainKey(word) {
		return word
	}
	return string(appendWord(nil, word))
}

// tokenWord undoes WordToken.
func tokenWord(token string) string {
	if token == "=" {
		return ""
	}
	word, ok := amqp.Unescape(token, '=')
	if !ok || WordToken(word) != token {
		return token
	}
	return word
}

func appendWord(dst []byte, word string) []byte {
	if word == "" {
		return append(dst, '=')
	}
	for len(word) > 0 {
		r, size := utf8.DecodeRuneInString(word)
		if r < utf8.RuneSelf && !keyForbids[r] || r >= utf8.RuneSelf && r != utf8.RuneError {
			dst = append(dst, word[:size]...)
		} else {
			for i := range size {
				dst = amqp.AppendEscape(dst, '=', word[i])
			}
		}
		word = word[size:]
	}
	return dst
}

// plainKey reports whether the key can stand in a subject as it is.
func plainKey(key string) bool {
	last, wide := byte('.'), false
	for i := range len(key) {
		c := key[i]
		if keyForbids[c] || c == '.' && last == '.' {
			return false
		}
		wide = wide || c >= utf8.RuneSelf
		last = c
	}
	return last != '.' && (!wide || plainText(key))
}

// plainText reports whether s is UTF-8 without the replacement character, which
// the server takes for a sign of a damaged file.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError)
}

// keyForbids says which bytes of a routing key a subject cannot carry.
var keyForbids = func() (forbids [256]bool) {
	for c := range byte(' ' + 1) {
		forbids[c] = true
	}
	for _, c := range "*>=\x7f" {
		forbids[c] = true
	}
	return forbids
}()
