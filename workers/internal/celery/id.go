package celery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"warren/workers/internal/jsontext"
)

// An id is any text, as in Celery, where clients choose what they like. Here is how it
// becomes a word of a key, and a part of other names.

// longestID is how many bytes an id may have: as many as AMQP's correlation-id, in
// which Celery sends it too.
const longestID = 255

// longestWord is how long the word of an id may be, so that its keys are no longer than
// a key may be.
const longestWord = 160

// CheckID refuses what cannot be the id of a task.
func CheckID(id string) error {
	switch {
	case id == "":
		return Permanent(fmt.Errorf("the id of a task is empty; use a text of up to %d bytes", longestID))
	case len(id) > longestID:
		return Permanent(fmt.Errorf("task id %q has %d bytes; use %d at most", jsontext.Clip([]byte(id)), len(id), longestID))
	case !utf8.ValidString(id):
		return Permanent(fmt.Errorf("task id %q is not UTF-8", jsontext.Clip([]byte(id))))
	}
	return nil
}

// longestTask is how many bytes the name of a task may have.
const longestTask = 255

// CheckTask refuses what cannot be the name of a task.
func CheckTask(name string) error {
	if name == "" || len(name) > longestTask {
		return Permanent(fmt.Errorf("task %q: use a name of 1 to %d bytes", jsontext.Clip([]byte(name)), longestTask))
	}
	return nil
}

// IDWord is an id as a word of a key: most ids are words as they are.
func IDWord(id string) string { return encoded(id, &wordBytes) }

// IDName is an id as the first part of a name that goes on behind a colon or a tilde.
func IDName(id string) string { return encoded(id, &nameBytes) }

// encoded is a text of certain bytes: others become %XX, and what is too long then a
// hash. Two texts have two of them.
func encoded(id string, set *[256]bool) string {
	text := id
	for i := range len(id) {
		if !set[id[i]] {
			text = escaped(id, set)
			break
		}
	}
	if len(text) <= longestWord {
		return text
	}
	sum := sha256.Sum256([]byte(id))
	return "%%" + hex.EncodeToString(sum[:])
}

// wordBytes are those that a word has as they are, nameBytes those of a name.
var wordBytes, nameBytes = func() (word, name [256]bool) {
	for c := range 256 {
		word[c] = c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.ContainsRune("-_:=@", rune(c))
		name[c] = !strings.ContainsRune(":~%", rune(c))
	}
	return word, name
}()

// escaped writes the bytes that are not of a set as %XX.
func escaped(text string, set *[256]bool) string {
	const digits = "0123456789ABCDEF"
	to := make([]byte, 0, 3*len(text))
	for i := range len(text) {
		if c := text[i]; set[c] {
			to = append(to, c)
		} else {
			to = append(to, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(to)
}
