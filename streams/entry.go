package streams

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/routing"
)

// An Entry is what a store has of a key: a value, or a marker that it is gone.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64    // of the store: it grows with every write
	Time     time.Time // of the write, by the broker's clock
	Gone     Absence
}

// Absence says whether, and why, an entry is a marker.
type Absence uint8

const (
	// Present is a value.
	Present Absence = iota
	// Expired is what the broker leaves of a value whose TTL is over.
	Expired
	// Deleted is what [Store.Delete] leaves.
	Deleted
)

func (a Absence) String() string {
	switch a {
	case Present:
		return "present"
	case Expired:
		return "expired"
	case Deleted:
		return "deleted"
	}
	return "absence " + strconv.Itoa(int(a))
}

// How a marker is marked: by the server, and by us in the words of NATS's
// key-value buckets, which the server knows: it leaves no marker of a marker.
const (
	operation = "KV-Operation"
	maxAge    = "MaxAge"
	purged    = "PURGE"
)

func absence(h nats.Header) Absence {
	if len(h) == 0 {
		return Present
	}
	switch reason := h.Get(jetstream.MarkerReasonHeader); {
	case reason == maxAge:
		return Expired
	case reason != "", h.Get(operation) != "":
		return Deleted
	}
	return Present
}

// parseTTL reads how long a message lives that does not live for ever, as the
// server does.
func parseTTL(h nats.Header) (time.Duration, bool) {
	text := h.Get(jetstream.MsgTTLHeader)
	if ttl, err := time.ParseDuration(text); err == nil {
		return ttl.Truncate(time.Second), ttl >= time.Second
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds <= 0 || seconds > int64(maxTTL/time.Second) {
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

// maxTTL is the longest time that there is.
const maxTTL = time.Duration(1<<63 - 1)

// overdue is how long after its end a value is not believed any more: the server takes
// it away within a second.
const overdue = 2 * time.Second

// isOver reports whether a value written at stamp is over, by what was written with it.
func isOver(h nats.Header, stamp, now time.Time) bool {
	ttl, ok := parseTTL(h)
	return ok && now.Sub(stamp)-overdue > ttl
}

// settle makes a marker of a value that is over and still there: a server that was
// killed may have brought it back. The broker's clock decides, as it shows now.
func (t *Store) settle(ctx context.Context, e Entry, h nats.Header) Entry {
	if e.Gone != Present || !isOver(h, e.Time, t.s.Now()) {
		return e
	}
	if err := t.s.clock.read(ctx); err != nil || !isOver(h, e.Time, t.s.Now()) {
		return e
	}
	e.Gone, e.Value = Expired, nil
	return e
}

// entryAt is the entry of a message of the store, or of its republished
// subjects, whose base is given.
func entryAt(base string, msg *nats.Msg, subject string, revision uint64, stamp time.Time) (Entry, bool) {
	key, ok := routing.SubjectKey(base, subject)
	if !ok || key == "" && subject == base {
		return Entry{}, false
	}
	return Entry{Key: key, Value: msg.Data, Revision: revision, Time: stamp, Gone: absence(msg.Header)}, true
}

// entryOf reads an entry as the broker tells it: on the republished subjects,
// and in answers to direct questions.
func (t *Store) entryOf(msg *nats.Msg) (Entry, bool) {
	revision := parseNumber(msg.Header.Get(jetstream.SequenceHeader))
	stamp, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil || revision == 0 {
		return Entry{}, false
	}
	return entryAt(t.base, msg, msg.Header.Get(jetstream.SubjectHeader), revision, stamp)
}

// subject is where a key is stored.
func (t *Store) subject(key string) (string, error) {
	if key == "" {
		return "", errPrecondition("the key is empty")
	}
	if len(key) > amqp.MaxShort {
		return "", errSyntax("the key is %d bytes long, more than %d", len(key), amqp.MaxShort)
	}
	return routing.KeySubject(t.base, key), nil
}

// filter is a pattern of keys as a subject with wildcards.
func (t *Store) filter(pattern string) (string, error) {
	words, err := patternSubject(pattern)
	if err != nil {
		return "", err
	}
	return t.base + "." + words, nil
}

// patternSubject keeps the wildcards of a pattern, which are whole words: * for
// any one, and > at the end for one or more. Everything else stands for itself.
func patternSubject(pattern string) (string, error) {
	if pattern == "" {
		return "", errPrecondition("the pattern is empty; use > for every key")
	}
	words := strings.Split(pattern, ".")
	for i, word := range words {
		switch {
		case word == "*", word == ">" && i == len(words)-1:
		case word == ">":
			return "", errPrecondition("the pattern '%s' goes on behind >", pattern)
		default:
			words[i] = routing.WordToken(word)
		}
	}
	return strings.Join(words, "."), nil
}
