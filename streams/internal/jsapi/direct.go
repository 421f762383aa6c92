package jsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ReadRequest asks a stream for messages of a subject: for one, or a batch, from
// a sequence on, or for the last.
type ReadRequest struct {
	Seq     uint64 `json:"seq,omitempty"`
	Batch   int    `json:"batch,omitempty"`
	Subject string `json:"next_by_subj,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	Most    int    `json:"max_bytes,omitempty"` // of the batch
	// Since is for a batch of what came at a time or later.
	Since *time.Time `json:"start_time,omitempty"`
}

// Position is where a message is in its stream, and when it was stored, in nanoseconds
// since 1970.
type Position struct {
	Seq   uint64
	Stamp int64
}

// ReadBatch reads one batch of a stream's messages. In a cluster any server that has the
// stream may answer. It asks once: [UntilAnswered] repeats it.
func ReadBatch(ctx context.Context, nc *nats.Conn, stream string, request ReadRequest, each func(*nats.Msg, Position)) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	const end = 1 // the answer that says so
	in, err := NewReplies(nc, request.Batch+end)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.Ask("$JS.API.DIRECT.GET."+stream, body); err != nil {
		return err
	}
	for {
		msg, err := in.NextInTime(ctx)
		if err != nil {
			return err
		}
		if status := msg.Header.Get("Status"); status != "" {
			return EndOfBatch(status, msg.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return err
		}
		each(asStored(msg, seq))
	}
}

// EndOfBatch reads the status of the last answer of a batch: nil when it was complete, or
// there was nothing, [nats.ErrNoResponders] when there is no stream.
func EndOfBatch(status, description string) error {
	switch status {
	case "204", "404":
		return nil
	case NoResponders:
		return nats.ErrNoResponders
	}
	return errors.New(status + " " + description)
}

// asStored shows a message read from a stream as a consumer would have got it.
func asStored(msg *nats.Msg, seq uint64) (*nats.Msg, Position) {
	stamp, _ := time.Parse(time.RFC3339Nano, msg.Header.Get("Nats-Time-Stamp"))
	as := *msg
	as.Subject = msg.Header.Get("Nats-Subject")
	return &as, Position{Seq: seq, Stamp: stamp.UnixNano()}
}

// FirstSince is the sequence of the first message of a stream that came at a time
// or later; 0 says that there is none.
func FirstSince(ctx context.Context, nc *nats.Conn, stream string, at time.Time) (uint64, error) {
	request := ReadRequest{Batch: 1, Since: &at}
	return UntilAnswered(ctx, func() (first uint64, err error) {
		err = ReadBatch(ctx, nc, stream, request, func(_ *nats.Msg, p Position) { first = p.Seq })
		return first, err
	})
}

// CountFrom counts what a stream has of a subject from a sequence on. The server looks
// for that in its index of subjects as it answers.
func CountFrom(ctx context.Context, nc *nats.Conn, stream, subject string, from uint64) (uint64, error) {
	request := ReadRequest{Seq: max(from, 1), Batch: 1, Subject: subject}
	return UntilAnswered(ctx, func() (n uint64, err error) {
		err = ReadBatch(ctx, nc, stream, request, func(msg *nats.Msg, _ Position) {
			left, _ := strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
			n = 1 + left
		})
		return n, err
	})
}

// ReadFirst reads the first message of a subject from a sequence on, as it is: the
// answer of [ReadNext] is half as long again, which of a large message is more than the
// server sends. nil says that there is none, or no stream.
func ReadFirst(ctx context.Context, nc *nats.Conn, stream, subject string, from uint64) (first *nats.Msg, at Position, err error) {
	request := ReadRequest{Seq: max(from, 1), Batch: 1, Subject: subject}
	_, err = UntilAnswered(ctx, func() (struct{}, error) {
		first = nil
		return struct{}{}, ReadBatch(ctx, nc, stream, request, func(msg *nats.Msg, p Position) { first, at = msg, p })
	})
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, Position{}, nil
	}
	return first, at, err
}

// ReadNext reads the first message of a subject, which may have wildcards, from
// a sequence on; nil says that there is none, or no stream.
func ReadNext(ctx context.Context, nc *nats.Conn, stream, subject string, from uint64) (*nats.Msg, Position, error) {
	return absentIfGone(ReadOne(ctx, nc, stream, ReadRequest{Seq: from, Subject: subject}))
}

// ReadLast reads the last message of a subject, which may have wildcards; nil
// says that there is none, or no stream. Of many subjects the server finds that one faster
// than the first.
func ReadLast(ctx context.Context, nc *nats.Conn, stream, subject string) (*nats.Msg, Position, error) {
	return absentIfGone(ReadOne(ctx, nc, stream, ReadRequest{LastFor: subject}))
}

// absentIfGone finds nothing in a stream that has gone.
func absentIfGone(msg *nats.Msg, at Position, err error) (*nats.Msg, Position, error) {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, Position{}, nil
	}
	return msg, at, err
}

// storedAnswer is what the leader of a stream says of one message.
type storedAnswer struct {
	Message *struct {
		Subject string    `json:"subject"`
		Seq     uint64    `json:"seq"`
		Header  []byte    `json:"hdrs"`
		Data    []byte    `json:"data"`
		Time    time.Time `json:"time"`
	} `json:"message"`
	Error *jetstream.APIError `json:"error"`
}

// parseStored reads an answer. That a cluster has no leader for a moment, because
// one was killed, is an error here: it is asked again.
func parseStored(stream string, text []byte) (*storedAnswer, error) {
	found := new(storedAnswer)
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("read stream %q: %w", stream, err)
	}
	if found.Error != nil && found.Error.ErrorCode == CodeNotAvailable {
		return nil, fmt.Errorf("read stream %q: %w", stream, found.Error)
	}
	return found, nil
}

// ReadOne reads one message; nil says that there is none. It asks the stream's
// leader, which knows everything that was confirmed.
func ReadOne(ctx context.Context, nc *nats.Conn, stream string, request ReadRequest) (*nats.Msg, Position, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, Position{}, err
	}
	found, err := Ask(ctx, func(ctx context.Context) (*storedAnswer, error) {
		answer, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
		if err != nil {
			return nil, err
		}
		return parseStored(stream, answer.Data)
	})
	if err != nil {
		return nil, Position{}, err
	}
	switch {
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, Position{}, nil
	case found.Error != nil:
		return nil, Position{}, fmt.Errorf("read stream %q: %w", stream, found.Error)
	case found.Message == nil:
		return nil, Position{}, fmt.Errorf("read stream %q: an answer without a message", stream)
	}
	m := found.Message
	msg := &nats.Msg{Subject: m.Subject, Data: m.Data}
	if len(m.Header) > 0 {
		if msg.Header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return nil, Position{}, fmt.Errorf("read stream %q: %w", stream, err)
		}
	}
	return msg, Position{Seq: m.Seq, Stamp: m.Time.UnixNano()}, nil
}
