package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A scan reads so many messages at once, and no more bytes than that but for one
// message.
const (
	scanBatch = 1000
	scanBytes = 8 << 20
)

// A scanRange is what is read of a stream: what the filters let through in
// [first, last].
type scanRange struct {
	filters     []string
	first, last uint64
	reading
}

// A sifting is what a scan has found: how much was read, how much of it was the
// queue's, and whether that was not all because it would have been too much.
type sifting struct {
	read, wanted int
	over         bool
}

// scan reads messages of a source's stream, and tells which are the queue's. It is
// for where the server cannot count them. A message that two filters let through
// counts once.
func (s *Session) scan(ctx context.Context, src *source, r scanRange) (found sifting, err error) {
	seen := make(map[uint64]struct{}) // by sequence: filters may cross
	for _, filter := range r.filters {
		for next := max(r.first, 1); next <= r.last; {
			batch, err := jsapi.UntilAnswered(ctx, func() (scanned, error) { return s.scanSome(ctx, src, filter, next) })
			if err != nil {
				return found, fmt.Errorf("count stream %q: %w", src.stream, err)
			}
			if batch.last == 0 {
				break
			}
			for _, m := range batch.list {
				if _, again := seen[m.seq]; again || m.seq > r.last {
					continue
				}
				seen[m.seq] = struct{}{}
				found.add(m.wanted)
			}
			if found.wanted >= r.enough {
				return found, nil
			}
			if found.read > r.most {
				return sifting{over: true}, nil
			}
			next = batch.last + 1
		}
	}
	return found, nil
}

func (f *sifting) add(wanted bool) {
	f.read++
	if wanted {
		f.wanted++
	}
}

// firstSince is the sequence of the first message of a stream that came at a time
// or later; 0 says that there is none.
func (s *Session) firstSince(ctx context.Context, stream string, at time.Time) (first uint64, err error) {
	err = s.readBatch(ctx, stream, storedRequest{Batch: 1, Since: &at}, func(_ *nats.Msg, a arrival) { first = a.seq })
	return first, err
}

// countFrom counts what a stream has of a subject from a sequence on. The server looks
// for that in its index of subjects as it answers.
func (s *Session) countFrom(ctx context.Context, stream, subject string, from uint64) (uint64, error) {
	request := storedRequest{Seq: max(from, 1), Batch: 1, Subject: subject}
	return jsapi.UntilAnswered(ctx, func() (n uint64, err error) {
		err = s.readBatch(ctx, stream, request, func(msg *nats.Msg, _ arrival) {
			n = 1 + parseNumber(msg.Header.Get("Nats-Num-Pending"))
		})
		return n, err
	})
}

// storedRequest asks a stream for messages of a subject: for one, or a batch, from
// a sequence on, or for the last.
type storedRequest struct {
	Seq     uint64 `json:"seq,omitempty"`
	Batch   int    `json:"batch,omitempty"`
	Subject string `json:"next_by_subj,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	Most    int    `json:"max_bytes,omitempty"` // of the batch
	// Since is for a batch of what came at a time or later.
	Since *time.Time `json:"start_time,omitempty"`
}

// scanned is a batch of messages, and the last sequence that was read, 0 for none.
type scanned struct {
	last uint64
	list []sighting
}

// A sighting is a message that was read, and whether it is the queue's.
type sighting struct {
	seq    uint64
	wanted bool
}

// scanSome reads one batch of a filter's messages from a sequence on.
func (s *Session) scanSome(ctx context.Context, src *source, filter string, next uint64) (batch scanned, err error) {
	request := storedRequest{Seq: next, Batch: scanBatch, Most: scanBytes, Subject: filter}
	err = s.readBatch(ctx, src.stream, request, func(msg *nats.Msg, a arrival) {
		batch.last = a.seq
		batch.list = append(batch.list, sighting{a.seq, src.sieve.wants(msg, a)})
	})
	return batch, err
}

// readBatch reads one batch of a stream's messages.
func (s *Session) readBatch(ctx context.Context, stream string, request storedRequest, each func(*nats.Msg, arrival)) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	in, err := newReplies(s.nc, request.Batch+1)
	if err != nil {
		return err
	}
	defer in.close()
	if err := in.send("$JS.API.DIRECT.GET."+stream, body); err != nil {
		return err
	}
	for {
		msg, err := in.nextInTime(ctx)
		if err != nil {
			return err
		}
		if status := msg.Header.Get("Status"); status != "" {
			return scanError(status, msg.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return err
		}
		each(stored(msg, seq))
	}
}

func scanError(status, description string) error {
	switch status {
	case "204", "404":
		return nil // the end of a batch, or nothing there
	case noResponders:
		return nats.ErrNoResponders
	}
	return errors.New(status + " " + description)
}

// stored shows a message read from a stream as a consumer would have got it.
func stored(msg *nats.Msg, seq uint64) (*nats.Msg, arrival) {
	stamp, _ := time.Parse(time.RFC3339Nano, msg.Header.Get("Nats-Time-Stamp"))
	as := *msg
	as.Subject = msg.Header.Get("Nats-Subject")
	return &as, arrival{seq: seq, stamp: stamp.UnixNano()}
}

// firstStored reads the first message of a subject from a sequence on, as it is: the
// answer of nextStored is half as long again, which of a large message is more than the
// server sends. nil says that there is none, or no stream.
func (s *Session) firstStored(ctx context.Context, stream, subject string, from uint64) (first *nats.Msg, at arrival, err error) {
	request := storedRequest{Seq: max(from, 1), Batch: 1, Subject: subject}
	_, err = jsapi.UntilAnswered(ctx, func() (struct{}, error) {
		first = nil
		return struct{}{}, s.readBatch(ctx, stream, request, func(msg *nats.Msg, a arrival) { first, at = msg, a })
	})
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, arrival{}, nil
	}
	return first, at, err
}

// nextStored reads the first message of a subject, which may have wildcards, from
// a sequence on; nil says that there is none.
func (s *Session) nextStored(ctx context.Context, stream, subject string, from uint64) (*nats.Msg, arrival, error) {
	return absentIfGone(s.readStored(ctx, stream, storedRequest{Seq: from, Subject: subject}))
}

// lastStored reads the last message of a subject, which may have wildcards; nil
// says that there is none. Of many subjects the server finds that one faster than
// the first.
func (s *Session) lastStored(ctx context.Context, stream, subject string) (*nats.Msg, arrival, error) {
	return absentIfGone(s.readStored(ctx, stream, storedRequest{LastFor: subject}))
}

// absentIfGone finds nothing in a stream that has gone.
func absentIfGone(msg *nats.Msg, a arrival, err error) (*nats.Msg, arrival, error) {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, arrival{}, nil
	}
	return msg, a, err
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
	if found.Error != nil && found.Error.ErrorCode == jsapi.CodeNotAvailable {
		return nil, fmt.Errorf("read stream %q: %w", stream, found.Error)
	}
	return found, nil
}

// readStored reads one message; nil says that there is none. It asks the stream's
// leader, which knows everything that was confirmed.
func (s *Session) readStored(ctx context.Context, stream string, request storedRequest) (*nats.Msg, arrival, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, arrival{}, err
	}
	found, err := jsapi.Ask(ctx, func(ctx context.Context) (*storedAnswer, error) {
		answer, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
		if err != nil {
			return nil, err
		}
		return parseStored(stream, answer.Data)
	})
	if err != nil {
		return nil, arrival{}, err
	}
	switch {
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, arrival{}, nil
	case found.Error != nil:
		return nil, arrival{}, fmt.Errorf("read stream %q: %w", stream, found.Error)
	case found.Message == nil:
		return nil, arrival{}, fmt.Errorf("read stream %q: an answer without a message", stream)
	}
	m := found.Message
	msg := &nats.Msg{Subject: m.Subject, Data: m.Data}
	if len(m.Header) > 0 {
		if msg.Header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return nil, arrival{}, fmt.Errorf("read stream %q: %w", stream, err)
		}
	}
	return msg, arrival{seq: m.Seq, stamp: m.Time.UnixNano()}, nil
}
