package streams

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/amqp"
)

// FuzzStoreKey: a key comes back from its subject as it was, no two keys share one,
// and the subject is one that NATS takes, and that patterns match word by word.
func FuzzStoreKey(f *testing.F) {
	for _, key := range []string{"a", "a.b", "..", "*", "a.>", "=", "=2A", "ü.\xff", "\ufffd", " \r\n", "a.=.b"} {
		f.Add(key, "a.b")
	}
	t := &Store{base: "warren.v.store"}
	f.Fuzz(func(test *testing.T, key, other string) {
		subject, err := t.subject(key)
		if key == "" || len(key) > amqp.MaxShort {
			if err == nil {
				test.Fatalf("key %q: got subject %q, want an error", key, subject)
			}
			return
		}
		if err != nil {
			test.Fatal(err)
		}
		entry, ok := entryAt(t.base, &nats.Msg{}, subject, 1, time.Time{})
		if !ok || entry.Key != key {
			test.Errorf("key %q came back from %q as %q", key, subject, entry.Key)
		}
		if another, err := t.subject(other); err == nil && (another == subject) != (other == key) {
			test.Errorf("keys %q and %q: subjects %q and %q", key, other, subject, another)
		}
		words := strings.Split(strings.TrimPrefix(subject, t.base+"."), ".")
		for _, word := range words {
			if word == "" || strings.ContainsAny(word, " \t\r\n\x00*>") {
				test.Errorf("key %q: subject %q has the token %q", key, subject, word)
			}
		}
		if want := strings.Count(key, ".") + 1; len(words) != want {
			test.Errorf("key %q: subject %q has %d tokens behind the base, want %d", key, subject, len(words), want)
		}
	})
}

func TestPatternSubject(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		">": ">", "a.*.b": "a.*.b", "a.>": "a.>", "a*.b": "a=2A.b", "a..>": "a.=.>", "=": "=3D",
	} {
		if got, err := patternSubject(pattern); got != want || err != nil {
			t.Errorf("pattern %q: got %q, %v; want %q", pattern, got, err, want)
		}
	}
}
