package workers

import (
	"context"
	"errors"
	"net"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams"
	"warren/workers/internal/celery"
)

// Lasting is how long the cause of an error lasts. It decides whether something is
// tried again, and lastingOf is the one place that says so.
type lasting int

const (
	// undecided is an error of which nobody knows: what failed is tried again, and
	// is given up after mostTries.
	undecided lasting = iota
	// passing goes by itself, like a broker that is away or has no room: what
	// failed is tried again for as long as it takes.
	passing
	// permanent comes again at every try: what failed is given up at once.
	permanent
)

// mostTries is how often something is tried that fails for an undecided reason.
const mostTries = 5

// lastingOf says how long the cause of an error lasts. Of several errors at once,
// one that is passing counts: the others are still there the next time.
func lastingOf(err error) lasting {
	if passes(err) {
		return passing
	}
	var ours *celery.PermanentError
	var amqp *streams.Error
	var api *jetstream.APIError
	switch {
	case errors.As(err, &ours), errors.Is(err, errBlob), errors.Is(err, nats.ErrMaxPayload):
		return permanent
	case errors.As(err, &api) && permanentCodes[api.ErrorCode]:
		return permanent
	case errors.As(err, &amqp) && permanentReplies[amqp.Code]:
		return permanent
	}
	return undecided
}

// permanentReplies are the reply codes of AMQP that are the answer to what was
// asked, and not to when.
var permanentReplies = map[int]bool{
	403: true, // access refused
	406: true, // precondition failed
	501: true, // frame error
	502: true, // syntax error
	503: true, // command invalid
	530: true, // not allowed
	540: true, // not implemented
}

// passingReplies are the reply codes of AMQP that say that the broker cannot now.
var passingReplies = map[int]bool{
	320: true, // connection forced
	506: true, // resource error
	541: true, // internal error
}

// permanentCodes are the errors of JetStream that say that a message is too large.
var permanentCodes = map[jetstream.ErrorCode]bool{10054: true, 10097: true, 10199: true}

// passingCodes are the errors of JetStream that say that there is no room, and have
// no status that says so.
var passingCodes = map[jetstream.ErrorCode]bool{10002: true, 10026: true, 10027: true, 10077: true}

func passes(err error) bool {
	for _, lost := range []error{
		streams.ErrUnconfirmed, streams.ErrClosed, streams.ErrConflict, ErrNotConnected,
		context.DeadlineExceeded, context.Canceled,
		nats.ErrConnectionClosed, nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrConnectionDraining,
		nats.ErrNoServers, nats.ErrNoResponders, nats.ErrTimeout, nats.ErrStaleConnection,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network net.Error
	var amqp *streams.Error
	var api *jetstream.APIError
	switch {
	case errors.As(err, &network):
		return true
	case errors.As(err, &api) && (api.Code >= 500 || api.Code == 429 || passingCodes[api.ErrorCode]):
		return true
	}
	return errors.As(err, &amqp) && passingReplies[amqp.Code]
}

// final reports whether something is given up that has failed so at a try of a
// number.
func final(err error, try int) bool {
	switch lastingOf(err) {
	case permanent:
		return true
	case undecided:
		return err != nil && try >= mostTries
	}
	return false
}
