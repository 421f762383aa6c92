package jsapi

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
)

// JetStream's own error codes, as far as decisions depend on them.
const (
	CodeAccountFull               jetstream.ErrorCode = 10002
	CodeNoPeers                   jetstream.ErrorCode = 10005
	CodeNotAvailable              jetstream.ErrorCode = 10008
	CodeNoResources               jetstream.ErrorCode = 10023
	CodeMemoryFull                jetstream.ErrorCode = 10028
	CodeStoreFull                 jetstream.ErrorCode = 10047
	CodeStreamCreate              jetstream.ErrorCode = 10049
	CodeSubjectOverlap            jetstream.ErrorCode = 10065
	CodeWrongLastSequence         jetstream.ErrorCode = 10071
	CodeDuplicateInProcess        jetstream.ErrorCode = 10158
	CodeWrongLastSequenceConstant jetstream.ErrorCode = 10164
	CodeBatchDisabled             jetstream.ErrorCode = 10174
	CodeBatchIncomplete           jetstream.ErrorCode = 10176
	CodeBatchHeader               jetstream.ErrorCode = 10177
	CodeBatchTooLarge             jetstream.ErrorCode = 10199
	CodeBatchDuplicate            jetstream.ErrorCode = 10201
	CodeTooManyBatches            jetstream.ErrorCode = 10210
)

// IsError reports whether an error is JetStream's, with one of the codes.
func IsError(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode)
}

// IsConflict reports whether a write was refused because the last sequence was not as
// expected.
func IsConflict(err error) bool {
	return IsError(err, CodeWrongLastSequence, CodeWrongLastSequenceConstant)
}

// IsFull reports whether a server, an account or a stream has no room.
func IsFull(err error) bool {
	return IsError(err, CodeNoResources, CodeAccountFull, CodeMemoryFull, CodeStoreFull)
}

// NoRoom is the error for a broker that has no room for what is stored, 506. What the
// broker says itself is the cause, and part of the detail.
func NoRoom(cause error) *amqp.Error {
	err := amqp.Errorf(amqp.ErrResource, "the broker has no room: %w", cause)
	err.Hint = "Consume or purge queues, or give the broker more room, and try again."
	return err
}
