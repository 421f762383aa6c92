package workers

import (
	"context"
	"encoding/json"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A failure travels to many: to the record of every task that ends with it, to the
// group that waits, to error callbacks, events and logs. A large one is kept apart, as
// a large result is, and what travels begins like it.

// largestFailure is the size of a failure that travels as it is.
const largestFailure = 16 << 10

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
	return celery.Shorten(f, most/2, &b), nil
}

// wholeFailure is a failure with all its words, as far as they are still kept.
func (c *client) wholeFailure(ctx context.Context, f Failure) Failure {
	at := celery.KeptAt(f)
	if at == nil || at.Check() != nil {
		return f
	}
	text, err := c.fetchApart(ctx, *at)
	var whole Failure
	if err != nil || json.Unmarshal(text, &whole) != nil {
		return f
	}
	return whole
}
