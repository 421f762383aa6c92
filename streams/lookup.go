package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// Get reads the entry of a key as it stands. Without a value the error is
// [ErrNoEntry]; the entry says by a marker, for as long as there is one, why.
func (t *Store) Get(ctx context.Context, key string) (Entry, error) {
	found, err := ask(ctx, t, func(ctx context.Context) (storedEntry, error) { return t.read(ctx, key) })
	if err == nil && (found.Revision == 0 || found.Gone != Present) {
		err = ErrNoEntry
	}
	if err != nil {
		return found.Entry, fmt.Errorf("get %q from store %q: %w", key, t.name, err)
	}
	return found.Entry, nil
}

// Last reads the entry that was written last of the keys that match a pattern, as it
// stands: a marker, too. Without any the error is [ErrNoEntry].
func (t *Store) Last(ctx context.Context, pattern string) (Entry, error) {
	found, err := ask(ctx, t, func(ctx context.Context) (storedEntry, error) {
		filter, err := t.filter(pattern)
		if err != nil {
			return storedEntry{}, err
		}
		return t.readLast(ctx, filter)
	})
	if err == nil && found.Revision == 0 {
		err = ErrNoEntry
	}
	if err != nil {
		return found.Entry, fmt.Errorf("get the last of %q from store %q: %w", pattern, t.name, err)
	}
	return found.Entry, nil
}

// ask asks about a store, for as long as the session is open.
func ask[T any](ctx context.Context, t *Store, f func(context.Context) (T, error)) (T, error) {
	if t.s.isClosed() {
		var none T
		return none, ErrClosed
	}
	return call(ctx, t.s, f)
}

// storedEntry is an entry with the header it was written with.
type storedEntry struct {
	Entry
	header nats.Header
}

// read reads the entry of a key; revision 0 says that there is none. It asks the
// stream's leader, which knows everything that was confirmed.
func (t *Store) read(ctx context.Context, key string) (storedEntry, error) {
	none := storedEntry{Entry: Entry{Key: key}}
	subject, err := t.subject(key)
	if err != nil {
		return none, err
	}
	found, err := t.readLast(ctx, subject)
	if err != nil || found.Revision == 0 {
		return none, err
	}
	return found, nil
}

// readLast reads the last entry of a subject, which may have wildcards.
func (t *Store) readLast(ctx context.Context, subject string) (storedEntry, error) {
	msg, at, err := jsapi.ReadOne(ctx, t.s.nc, t.stream, jsapi.ReadRequest{LastFor: subject})
	if err != nil || msg == nil {
		return storedEntry{}, t.gone(err)
	}
	entry, _ := entryAt(t.base, msg, msg.Subject, at.Seq, time.Unix(0, at.Stamp))
	t.saw(entry.Revision)
	return storedEntry{t.settle(ctx, entry, msg.Header), msg.Header}, nil
}

// there says whether the store is.
func (t *Store) there(ctx context.Context) error {
	_, err := t.s.js.Stream(ctx, t.stream)
	return t.gone(err)
}

// How many keys are asked for at once, and how long they are together, at most.
// The server gives no more than 1024.
const (
	manyKeys  = 500
	manyBytes = 64 << 10
)

// GetMany reads the entries of many keys, markers among them. Keys without an
// entry are left out. Each entry is at least as new as what this Store has seen of
// it.
func (t *Store) GetMany(ctx context.Context, keys []string) (map[string]Entry, error) {
	entries, err := ask(ctx, t, func(ctx context.Context) (map[string]Entry, error) { return t.getMany(ctx, keys) })
	if err != nil {
		return nil, fmt.Errorf("get %d keys from store %q: %w", len(keys), t.name, err)
	}
	return entries, nil
}

func (t *Store) getMany(ctx context.Context, keys []string) (map[string]Entry, error) {
	entries := make(map[string]Entry, len(keys))
	for len(keys) > 0 {
		subjects, err := t.someSubjects(keys)
		if err != nil {
			return nil, err
		}
		some, err := t.getSome(ctx, keys[:len(subjects)], subjects)
		if err != nil {
			return nil, err
		}
		maps.Copy(entries, some)
		keys = keys[len(subjects):]
	}
	return entries, nil
}

// someSubjects are the subjects of as many keys as are asked for at once.
func (t *Store) someSubjects(keys []string) ([]string, error) {
	subjects, size := make([]string, 0, min(len(keys), manyKeys)), 0
	for _, key := range keys {
		subject, err := t.subject(key)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
		size += len(subject)
		if len(subjects) == manyKeys || size > manyBytes && len(subjects) > 0 {
			break
		}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// manyRequest asks for the last message of each of several subjects, from a
// sequence on.
type manyRequest struct {
	Subjects []string `json:"multi_last"`
	Seq      uint64   `json:"seq,omitempty"`
}

// getSome asks for some keys until the answer is complete. In a cluster, any server
// that has the stream may answer: one that does not know what this Store has seen
// is asked again, and the leader after a while, and where there is no telling.
func (t *Store) getSome(ctx context.Context, keys, subjects []string) (map[string]Entry, error) {
	entries := make(map[string]Entry, len(keys))
	known, began := t.latest.Load(), time.Now()
	for request := (manyRequest{Subjects: subjects}); ; {
		answer, err := jsapi.UntilAnswered(ctx, func() (manyAnswer, error) { return t.askMany(ctx, request, entries) })
		stale := t.replicated && answer.upTo < known
		switch {
		case err != nil:
			return nil, err
		case stale && (answer.none || time.Since(began) > jsapi.AnswerTime):
			return t.getEach(ctx, keys)
		case stale:
			clear(entries)
			request.Seq = 0
			err = jsapi.Sleep(ctx, time.Millisecond)
		case answer.pending == 0:
			return entries, nil
		default:
			request.Seq = answer.last + 1
		}
		if err != nil {
			return nil, err
		}
	}
}

// getEach asks the leader for one key after another.
func (t *Store) getEach(ctx context.Context, keys []string) (map[string]Entry, error) {
	entries := make(map[string]Entry)
	for _, key := range keys {
		found, err := t.read(ctx, key)
		if err != nil {
			return nil, err
		}
		if found.Revision != 0 {
			entries[key] = found.Entry
		}
	}
	return entries, nil
}

// manyAnswer is what the server says of an answer: that there is nothing, or up to
// where it knew the stream, and what is left to ask for behind the last message.
type manyAnswer struct {
	none                bool
	upTo, pending, last uint64
}

func (t *Store) askMany(ctx context.Context, request manyRequest, entries map[string]Entry) (answer manyAnswer, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	const end = 1 // the answer that says so
	in, err := jsapi.NewReplies(t.s.nc, len(request.Subjects)+end)
	if err != nil {
		return answer, err
	}
	defer in.Close()
	if err := in.Ask("$JS.API.DIRECT.GET."+t.stream, body); err != nil {
		return answer, err
	}
	for {
		msg, err := in.NextInTime(ctx)
		if err != nil {
			return answer, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
		case jsapi.NoResponders:
			return answer, cmp.Or(t.there(ctx), jsapi.ErrBrokenOff)
		default:
			return endOfMany(status, msg.Header)
		}
		if entry, ok := t.entryOf(msg); ok {
			entries[entry.Key] = t.settle(ctx, entry, msg.Header)
		}
	}
}

func endOfMany(status string, h nats.Header) (answer manyAnswer, err error) {
	answer.none = status == "404"
	answer.upTo = parseNumber(h.Get("Nats-UpTo-Sequence"))
	answer.pending = parseNumber(h.Get("Nats-Num-Pending"))
	answer.last = parseNumber(h.Get(jetstream.LastSequenceHeader))
	return answer, jsapi.EndOfBatch(status, h.Get("Description"))
}
