package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// scanBatch is how many messages a scan reads at once.
const scanBatch = 1000

// scan counts the messages of a source's stream in [first, last] that are the
// queue's. It reads them all, and is for where the server cannot count them:
// when filters take more than bindings ask for, and after a restart.
func (s *Session) scan(ctx context.Context, src *source, first, last uint64) (int, error) {
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	total := 0
	for next := max(first, 1); next <= last; {
		read, wanted, err := s.scanSome(ctx, src, sub, next, last)
		if err != nil {
			return 0, fmt.Errorf("count stream %q: %w", src.stream, err)
		}
		if read == 0 {
			break
		}
		total += wanted
		next = read + 1
	}
	return total, nil
}

// scanSome reads one batch from a sequence on, and gives the last sequence it
// read, 0 for none, and how many of the messages were the queue's.
func (s *Session) scanSome(ctx context.Context, src *source, sub *nats.Subscription, next, last uint64) (read uint64, wanted int, err error) {
	body, err := json.Marshal(struct {
		Seq   uint64 `json:"seq"`
		Batch int    `json:"batch"`
	}{next, scanBatch})
	if err != nil {
		return 0, 0, err
	}
	if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+src.stream, sub.Subject, body); err != nil {
		return 0, 0, err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, 0, err
		}
		if status := msg.Header.Get("Status"); status != "" {
			return read, wanted, scanError(status, msg.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		read = seq
		if seq <= last && src.sieve.wants(stored(msg, seq)) {
			wanted++
		}
	}
}

func scanError(status, description string) error {
	if status == "204" || status == "404" {
		return nil // the end of a batch, or nothing there
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
