package streams

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A place is where a message for later waits. Messages of one id have different
// subjects: when the stream publishes one, it deletes all there is of its subject,
// and that could be another one that was to take its place.
type place struct {
	stream     string
	any        string // matches whatever waits under the id
	number     uint64 // among those of the session
	persistent bool
}

// placeHeaders is what may be added to the header of a message for later before it
// is sent, without the subject of another one.
const placeHeaders = 160

// expect makes the stream refuse a message unless the last of a subject, which
// may have wildcards, has that sequence, or 0 for none.
func expect(h nats.Header, seq uint64, subject string) {
	h.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(seq, 10))
	h.Set(expectedSubject, subject)
}

// placeToken is the last word of a message for later of this session.
func (n *node) placeToken(number uint64) string {
	return n.id + "-" + strconv.FormatUint(number, 36)
}

// supersede publishes a message for later again, now in the place of what the
// stream said waits under its id.
func (c *confirms) supersede(confirm *Confirm) {
	c.n.run(func() {
		done, err := c.takePlace(confirm)
		if done || err != nil {
			c.resolve(confirm, err)
		}
	})
}

// takePlace reports whether the message has lost its place already, to one that
// this session published after it.
func (c *confirms) takePlace(confirm *Confirm) (lost bool, err error) {
	ctx, cancel := context.WithDeadline(c.n.ctx, confirm.deadline)
	defer cancel()
	waits, at, err := jsapi.ReadLast(ctx, c.n.nc, confirm.place.stream, confirm.place.any)
	if err != nil {
		return false, err
	}
	again := *confirm.msg
	again.Header = maps.Clone(confirm.msg.Header)
	if waits != nil {
		if c.n.placedAfter(waits.Subject, confirm.place) {
			return true, nil
		}
		again.Header.Set(schedulerHeader, waits.Subject)
		again.Header.Set(scheduleNextHeader, "purge")
	}
	expect(again.Header, at.Seq, confirm.place.any)
	if err := c.n.awaitOnline(ctx); err != nil {
		return false, err
	}
	return false, hand(c.n.nc, &again)
}

// placedAfter reports whether what waits at a subject is of this session, and
// later than what is to have the place.
func (n *node) placedAfter(subject string, p *place) bool {
	token := subject[strings.LastIndexByte(subject, '.')+1:]
	digits, ours := strings.CutPrefix(token, n.id+"-")
	number, err := strconv.ParseUint(digits, 36, 64)
	return ours && err == nil && number > p.number
}
