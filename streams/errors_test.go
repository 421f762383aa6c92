package streams

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"warren/streams/internal/amqp"
)

func TestErrorPrintsAsRabbitMQDoes(t *testing.T) {
	t.Parallel()
	err := errNotFound("no queue '%s' in vhost '%s'", "x", "y")
	if got, want := err.Error(), "404 NOT_FOUND - no queue 'x' in vhost 'y'"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := ErrNoRoute.Error(), "312 NO_ROUTE"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorIsItsCondition(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err  *Error
		want *Error
		code int
	}{
		{errNoRoute("x"), ErrNoRoute, 312},
		{errAccessRefused("x"), ErrAccessRefused, 403},
		{errNotFound("x"), ErrNotFound, 404},
		{errResourceLocked("x"), ErrResourceLocked, 405},
		{errPrecondition("x"), ErrPreconditionFailed, 406},
		{errSyntax("x"), amqp.ErrSyntax, 502},
		{errNotAllowed("x"), ErrNotAllowed, 530},
		{errNotImplemented("x"), ErrNotImplemented, 540},
	}
	for _, c := range cases {
		wrapped := fmt.Errorf("declare queue %q: %w", "hello", c.err)
		if !errors.Is(wrapped, c.want) || c.err.Code != c.code {
			t.Errorf("%v is not %v with code %d", c.err, c.want, c.code)
		}
		for _, other := range cases {
			if other.code != c.code && errors.Is(wrapped, other.want) {
				t.Errorf("%v is also %v", c.err, other.want)
			}
		}
	}
	if errors.Is(errNotFound("x"), errNotFound("y")) {
		t.Error("two cases of a condition are the same error")
	}
}

func TestErrorKeepsItsCauseAndHint(t *testing.T) {
	t.Parallel()
	err := withHint(errPrecondition("read table: %w", io.ErrUnexpectedEOF), "declare it again")
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Hint != "declare it again" {
		t.Errorf("got cause %v and hint %q", err.Err, err.Hint)
	}
	if ErrPreconditionFailed.Err != nil || ErrPreconditionFailed.Hint != "" {
		t.Error("the condition has taken on the case")
	}
}

// TestTransaction_RefusedHalfStored: of a batch that was refused for want of room a part
// may be stored; of one that was refused before its first message was looked at, none.
func TestTransaction_RefusedHalfStored(t *testing.T) {
	t.Parallel()
	for answer, stored := range map[string]bool{
		`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`:     true,
		`{"error":{"code":400,"err_code":10002,"description":"resource limits exceeded"}}`:   true,
		`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`:  true,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"}}`:     false,
		`{"error":{"code":400,"err_code":10201,"description":"batch contains a duplicate"}}`: false,
		`{"error":{"code":503,"err_code":10023,"description":"publishers are refused"}}`:     false,
	} {
		if err := batchError([]byte(answer)); err == nil || errors.Is(err, ErrUnconfirmed) != stored {
			t.Errorf("%s: got error %v, want unconfirmed %v", answer, err, stored)
		}
	}
	if err := batchError([]byte(`{"stream":"s","seq":1,"batch":"b","count":2}`)); err != nil {
		t.Errorf("got error %v of a batch that was stored", err)
	}
}
