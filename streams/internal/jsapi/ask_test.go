package jsapi

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestUnanswered(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		context.DeadlineExceeded, ErrBrokenOff, errUndecided, jetstream.ErrNoStreamResponse,
		&jetstream.APIError{ErrorCode: CodeNotAvailable}, fmt.Errorf("read: %w", ErrBrokenOff),
	} {
		if !Unanswered(err) {
			t.Errorf("%v says that nobody answered, and is taken for an answer", err)
		}
	}
	for _, err := range []error{
		nil, context.Canceled, ErrConflict, nats.ErrConnectionClosed, jetstream.ErrStreamNotFound, errors.New("other"),
		&jetstream.APIError{ErrorCode: CodeWrongLastSequence},
	} {
		if Unanswered(err) {
			t.Errorf("%v is an answer, and is asked for again", err)
		}
	}
}
