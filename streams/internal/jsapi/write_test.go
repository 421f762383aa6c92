package jsapi_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams/internal/jsapi"
)

// forgetful is a client to which the answer to its first write is lost.
type forgetful struct {
	jetstream.JetStream
	stored bool   // whether the server got that write
	after  func() // is called before the write is sent again
	writes int
}

func (f *forgetful) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	f.writes++
	if f.writes > 1 {
		return f.JetStream.PublishMsg(ctx, msg, opts...)
	}
	if f.stored {
		if _, err := f.JetStream.PublishMsg(ctx, msg, opts...); err != nil {
			return nil, err
		}
	}
	<-ctx.Done()
	f.after()
	return nil, ctx.Err()
}

// TestCompareAndSet_AnswerIsLost: a write that is sent again for want of an answer is
// known again when it was made, and is not taken for another's.
func TestCompareAndSet_AnswerIsLost(t *testing.T) {
	for name, test := range map[string]struct {
		stored, other bool
		want          uint64
		err           error
	}{
		"of a write that was made":                  {stored: true, want: 1},
		"of a write that was not made":              {want: 1},
		"and somebody else writes":                  {other: true, err: jsapi.ErrConflict},
		"of a write over which somebody else wrote": {stored: true, other: true, err: jsapi.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			embeddedtest.Bubble(t, func(t *testing.T) {
				_, nc := embeddedtest.NewLine(t)
				js, err := jetstream.New(nc)
				must(t, err)
				stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "records", Subjects: []string{"record.*"}, MaxMsgsPerSubject: 1})
				must(t, err)
				client := &forgetful{JetStream: js, stored: test.stored, after: func() {
					if test.other {
						_, err := js.Publish(t.Context(), "record.a", []byte("other"))
						must(t, err)
					}
				}}
				msg := &nats.Msg{Subject: "record.a", Data: []byte("own")}
				got, err := jsapi.CompareAndSet(t.Context(), jsapi.Client{JetStream: client}, stream, msg, 0)
				if got != test.want || !errors.Is(err, test.err) {
					t.Errorf("got sequence %d and error %v, want %d and %v", got, err, test.want, test.err)
				}
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
