package streams

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A listing reads all records of the topology below a filter in one pass,
// through a consumer of its own.
type listing struct {
	jsapi.Replies
	nc       *nats.Conn
	consumer *jetstream.ConsumerInfo
	broken   func(subject string, err error) // told of each record whether it can be read
}

// listRecords lists records, from the first one on when a pass breaks off. A
// record that is written meanwhile moves to the end of the stream and is met
// there, perhaps for a second time, so a pass goes on to the end, and the last
// version of a record counts. What is damaged is left out, and told by a DamagedError
// beside the list.
func listRecords[T any](ctx context.Context, t *topology, filter string) ([]T, error) {
	var broken damage
	records, err := jsapi.UntilAnswered(ctx, func() (map[string]T, error) {
		l, err := t.beginListing(ctx, filter)
		if err != nil {
			return nil, err
		}
		defer l.end()
		broken = make(damage)
		l.broken = func(subject string, err error) {
			if key := strings.TrimPrefix(subject, t.prefix); err == nil {
				delete(broken, key)
			} else {
				broken[key] = err
			}
		}
		return readRecords[T](ctx, l)
	})
	if err != nil {
		return nil, fmt.Errorf("list records %q: %w", filter, err)
	}
	return slices.Collect(maps.Values(records)), broken.error()
}

func (t *topology) beginListing(ctx context.Context, filter string) (*listing, error) {
	ctx, cancel := context.WithTimeout(ctx, jsapi.AnswerTime)
	defer cancel()
	consumer, err := t.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject:     t.prefix + filter,
		DeliverPolicy:     jetstream.DeliverAllPolicy, // the stream keeps one message a record
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	l := &listing{nc: t.js.Conn(), consumer: consumer.CachedInfo()}
	const end = 1 // the answer that says so
	l.Replies, err = jsapi.NewReplies(l.nc, l.size()+end)
	return l, err
}

// end takes the consumer away. Nobody waits for that: it would go by itself.
func (l *listing) end() {
	l.Close()
	_ = l.nc.Publish("$JS.API.CONSUMER.DELETE."+l.consumer.Stream+"."+l.consumer.Name, nil)
}

// size is how many records a listing asks for at once: all that there are, with room for
// those that change meanwhile.
func (l *listing) size() int {
	const changes = 256
	return 2*int(l.consumer.NumPending) + changes
}

// readRecords reads the records by subject. Asked for more than there is, the
// server tells where the stream ends by looking; the count it keeps is behind
// at times.
func readRecords[T any](ctx context.Context, l *listing) (map[string]T, error) {
	records := make(map[string]T, l.consumer.NumPending)
	if l.consumer.NumPending == 0 {
		return records, nil
	}
	for size := l.size(); ; {
		if err := l.ask(size); err != nil {
			return nil, err
		}
		taken, err := takeRecords(ctx, l, size, records)
		if err != nil {
			return nil, err
		}
		if taken < size {
			return records, nil
		}
	}
}

// ask asks for records that are there now.
func (l *listing) ask(size int) error {
	return l.Ask(nextSubject(l.consumer.Stream, l.consumer.Name), fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, size))
}

// takeRecords reads up to size records into a map by subject.
func takeRecords[T any](ctx context.Context, l *listing, size int, records map[string]T) (taken int, err error) {
	for ; taken < size; taken++ {
		msg, err := l.NextInTime(ctx)
		if err != nil {
			return taken, err
		}
		switch msg.Header.Get("Status") {
		case "":
		case "404", "408":
			return taken, nil // the end
		default:
			return taken, jsapi.ErrBrokenOff // the consumer, or its leader, has gone
		}
		var record T
		err = decodeRecord(msg.Data, any(&record).(stampedRecord))
		if l.broken(msg.Subject, err); err != nil {
			delete(records, msg.Subject)
			continue
		}
		records[msg.Subject] = record
	}
	return taken, nil
}
