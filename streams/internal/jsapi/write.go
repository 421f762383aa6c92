package jsapi

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// writeHeader names a write, for whoever made it to know it again.
const writeHeader = "Warren-Write"

// CompareAndSet publishes a message only if the subject's last sequence in its
// stream is still the given one, and returns the new one; otherwise the error is
// [ErrConflict]. It is sent again for want of an answer, and may
// then find that it was written the first time.
func CompareAndSet(ctx context.Context, js Client, stream jetstream.Stream, msg *nats.Msg, sequence uint64) (uint64, error) {
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(sequence, 10))
	msg.Header.Set(writeHeader, nuid.Next())
	tries := 0
	ack, err := Change(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
		tries++
		ack, err := js.Store(ctx, stream, msg)
		if IsError(err, CodeWrongLastSequenceConstant) {
			// A write is under way that the servers have not agreed on, perhaps this
			// one as it was sent before. What becomes of it decides.
			err = errUndecided
		}
		return ack, err
	})
	switch {
	case IsConflict(err) && tries > 1:
		return ownWrite(ctx, stream, msg)
	case IsConflict(err):
		return 0, ErrConflict
	case err != nil:
		return 0, err
	}
	return ack.Sequence, nil
}

// ErrConflict says that another session changed the record first.
var ErrConflict = errors.New("the record was changed by another session")

// errUndecided says that another write must come to its end first.
var errUndecided = errors.New("the record is being changed")

// ownWrite is the sequence of a write that may have been made unnoticed.
func ownWrite(ctx context.Context, stream jetstream.Stream, msg *nats.Msg) (uint64, error) {
	last, err := LastMessage(ctx, stream, msg.Subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, ErrConflict
	}
	if err != nil {
		return 0, err
	}
	if last.Header.Get(writeHeader) != msg.Header.Get(writeHeader) {
		return 0, ErrConflict
	}
	return last.Sequence, nil
}
