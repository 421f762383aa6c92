package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"warren/workers/internal/jsontext"
)

// A failure travels to many: to the record of every task that ends with it, to the
// group that waits, to error callbacks, events and logs. A large one is kept apart, as
// a large result is, and what travels begins like it.

// largestFailure is the size of a failure that travels as it is.
const largestFailure = 16 << 10

// wordsOfGroup is how much the failures of a group say together in its ChordError. The
// record of each member has all of its own.
const wordsOfGroup = 1 << 20

// keepFailure keeps a failure apart, for a time, if it is large.
func (c *client) keepFailure(ctx context.Context, f Failure, ttl time.Duration) (Failure, error) {
	most := min(largestFailure, c.largest())
	text, err := jsontext.Marshal(f)
	if err != nil || len(text) <= most {
		return f, err
	}
	b, err := c.keepApart(ctx, text, max(ttl, joinExpires))
	if err != nil {
		return f, err
	}
	short := f.shorten(most / 2)
	short.whole = &b
	return short, nil
}

// wholeFailure is a failure with all its words, as far as they are still kept.
func (c *client) wholeFailure(ctx context.Context, f Failure) Failure {
	if f.whole == nil || f.whole.check() != nil {
		return f
	}
	text, err := c.fetchApart(ctx, *f.whole)
	var whole Failure
	if err != nil || json.Unmarshal(text, &whole) != nil {
		return f
	}
	return whole
}

// given is what an error callback gets: the failure, or where all of it is kept.
func (f Failure) given() (json.RawMessage, error) {
	if f.whole != nil {
		return f.whole.reference(), nil
	}
	return jsontext.Marshal(f)
}

// shorten cuts a failure to about so many bytes.
func (f Failure) shorten(most int) Failure {
	f.Message, f.Traceback = cut(f.Message, most/4), cut(f.Traceback, most/4)
	f.Type, f.Worker = cut(f.Type, most/16), cut(f.Worker, most/16)
	if len(f.Causes) == 0 {
		return f
	}
	const least = 1 << 10
	n := min(len(f.Causes), max(most/2/least, 1))
	causes := make([]Failure, n)
	for i := range causes {
		causes[i] = f.Causes[i].shorten(most / 2 / n)
	}
	f.Causes = causes
	return f
}

// cut leaves the beginning of a text, and says how much there was.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("... (%d bytes)", len(s))
}

// MarshalJSON writes a failure.
func (f Failure) MarshalJSON() ([]byte, error) {
	type plain Failure
	return jsontext.Marshal(struct {
		plain
		Whole *blob `json:"whole,omitempty"`
	}{plain(f), f.whole})
}
