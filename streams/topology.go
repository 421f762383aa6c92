package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"
)

// The topology of a virtual host, its exchanges, queues and bindings, is a stream
// with one record an exchange and one a queue, which has its bindings, see [pages].
// Records change by compare-and-set only; the configuration of streams and consumers
// is derived from them.
type topology struct {
	js     broker
	stream jetstream.Stream
	prefix string
	pages  pages
}

// errConflict says that somebody else changed the record first.
var errConflict = errors.New("the record was changed by another session")

// maxConsumers is set on every stream: unset, the server allows 1000.
const maxConsumers = 1 << 20

func openTopology(ctx context.Context, js broker, v vhost, replicas int) (*topology, error) {
	base := v.topologySubject()
	stream, err := migration{
		js: js, base: base,
		from: "KV_" + v.earlierTopology(), fromBase: "$KV." + v.earlierTopology(),
		old: v.movingSubject(v.topologyStream()),
		to: jetstream.StreamConfig{
			Name:         v.topologyStream(),
			Description:  "exchanges, queues and bindings of virtual host " + string(v),
			Storage:      jetstream.FileStorage,
			Replicas:     replicas,
			MaxConsumers: maxConsumers,
			// Reads go to the leader: a record read is the record that stands.
			AllowDirect: false,
			RePublish:   &jetstream.RePublish{Source: base + ".x.>", Destination: v.changeSubject() + ".>"},
		},
	}.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the topology of vhost %q: %w", string(v), err)
	}
	return &topology{js: js, stream: stream, prefix: base + "."}, nil
}

// ensureStream opens a stream, creating it when it is not there yet.
func ensureStream(ctx context.Context, js broker, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, cfg.Name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = createStream(ctx, js, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return js.Stream(ctx, cfg.Name)
	}
	return stream, err
}

// createStream creates a stream, and tries again for a moment what the server
// cannot do yet: take a name whose last stream it is still clearing away, or
// find servers for the replicas in a cluster that has only just come together.
func createStream(ctx context.Context, js broker, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	const tries = 8 // 5 ms to 640 ms: 1.3 s in all
	for try, wait := 1, 5*time.Millisecond; ; try, wait = try+1, 2*wait {
		stream, err := js.CreateStream(ctx, cfg)
		if !isAPIError(err, codeStreamCreate, codeNoPeers, codeNotAvailable) || try == tries || sleep(ctx, wait) != nil {
			return stream, err
		}
	}
}

func exchangeKey(name string) string { return "x." + routing.NameToken(name) }
func queueKey(name string) string    { return "q." + routing.NameToken(name) }

// get reads one record; revision 0 says that there is none.
func (t *topology) get(ctx context.Context, key string, into stampedRecord) (uint64, error) {
	msg, err := lastMessage(ctx, t.stream, t.prefix+key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := decodeRecord(msg.Data, into); err != nil {
		return 0, t.damaged(key, err)
	}
	return msg.Sequence, nil
}

// put writes a record over the revision it was read at, 0 for a new one, and
// gives back the new revision.
func (t *topology) put(ctx context.Context, key string, record stampedRecord, revision uint64) (uint64, error) {
	record.stamp()
	data, err := json.Marshal(record)
	if err != nil {
		return 0, fmt.Errorf("write record %q: %w", key, err)
	}
	if err := t.fits("record '"+key+"'", len(data)); err != nil {
		return 0, err
	}
	msg := &nats.Msg{Subject: t.prefix + key, Data: data, Header: nats.Header{}}
	msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	return compareAndSet(ctx, t.js, t.stream, msg, revision)
}

// remove takes away the record of that revision and no other.
func (t *topology) remove(ctx context.Context, revision uint64) error {
	tries := 0
	err := changedOnly(ctx, func(ctx context.Context) error {
		tries++
		return t.stream.DeleteMsg(ctx, revision)
	})
	if !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return err
	}
	// The client keeps the server's reason to itself.
	_, missing := again(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return t.stream.GetMsg(ctx, revision)
	})
	if !errors.Is(missing, jetstream.ErrMsgNotFound) {
		return err
	}
	if tries > 1 {
		return nil // taken away the first time
	}
	return errConflict
}

// exchanges lists every exchange record.
func (t *topology) exchanges(ctx context.Context) ([]exchangeRecord, error) {
	return listRecords[exchangeRecord](ctx, t, "x.>")
}

// queues lists every queue record, with its bindings.
func (t *topology) queues(ctx context.Context) ([]queueRecord, error) {
	list, damaged := listRecords[queueRecord](ctx, t, "q.>")
	if damaged != nil && !isDamage(damaged) {
		return nil, damaged
	}
	broken := make(damage)
	t.pages.keep(list)
	for i := range list {
		err := t.gather(ctx, &list[i])
		if errors.Is(err, errPageGone) { // it was changed since it was listed
			var now *queueRecord
			if now, _, err = t.queue(ctx, list[i].Name); err == nil {
				list[i] = *now
			}
		}
		if errors.Is(err, errDamaged) {
			broken[queueKey(list[i].Name)], list[i].Life = err, ""
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	list = slices.DeleteFunc(list, func(rec queueRecord) bool { return rec.Life == "" })
	return list, cmp.Or(damaged, broken.error())
}

// writeHeader names a write, for whoever made it to know it again.
const writeHeader = "Warren-Write"

// compareAndSet publishes a message only if the subject's last sequence in its
// stream is still the given one. It is sent again for want of an answer, and may
// then find that it was written the first time.
func compareAndSet(ctx context.Context, js broker, stream jetstream.Stream, msg *nats.Msg, sequence uint64) (uint64, error) {
	if msg.Header == nil {
		msg.Header = nats.Header{}
	}
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(sequence, 10))
	msg.Header.Set(writeHeader, newID())
	tries := 0
	ack, err := changed(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
		tries++
		ack, err := js.publish(ctx, stream, msg)
		if isAPIError(err, codeWrongLastSequenceConstant) {
			// A write is under way that the servers have not agreed on, perhaps this
			// one as it was sent before. What becomes of it decides.
			err = errUndecided
		}
		return ack, err
	})
	switch {
	case isConflict(err) && tries > 1:
		return ownWrite(ctx, stream, msg)
	case isConflict(err):
		return 0, errConflict
	case err != nil:
		return 0, err
	}
	return ack.Sequence, nil
}

// errUndecided says that another write must come to its end first.
var errUndecided = errors.New("the record is being changed")

// ownWrite is the sequence of a write that may have been made unnoticed.
func ownWrite(ctx context.Context, stream jetstream.Stream, msg *nats.Msg) (uint64, error) {
	last, err := lastMessage(ctx, stream, msg.Subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, errConflict
	}
	if err != nil {
		return 0, err
	}
	if last.Header.Get(writeHeader) != msg.Header.Get(writeHeader) {
		return 0, errConflict
	}
	return last.Sequence, nil
}

// JetStream's own error codes, as far as decisions hang on them.
const (
	codeAccountFull               jetstream.ErrorCode = 10002
	codeNoPeers                   jetstream.ErrorCode = 10005
	codeNotAvailable              jetstream.ErrorCode = 10008
	codeNoResources               jetstream.ErrorCode = 10023
	codeMemoryFull                jetstream.ErrorCode = 10028
	codeStoreFull                 jetstream.ErrorCode = 10047
	codeDuplicateInProcess        jetstream.ErrorCode = 10158
	codeBatchDisabled             jetstream.ErrorCode = 10174
	codeBatchIncomplete           jetstream.ErrorCode = 10176
	codeBatchHeader               jetstream.ErrorCode = 10177
	codeBatchTooLarge             jetstream.ErrorCode = 10199
	codeBatchDuplicate            jetstream.ErrorCode = 10201
	codeTooManyBatches            jetstream.ErrorCode = 10210
	codeStreamCreate              jetstream.ErrorCode = 10049
	codeWrongLastSequence         jetstream.ErrorCode = 10071
	codeSubjectOverlap            jetstream.ErrorCode = 10065
	codeWrongLastSequenceConstant jetstream.ErrorCode = 10164
)

// isConflict reports whether the last sequence was not as expected.
func isConflict(err error) bool {
	return isAPIError(err, codeWrongLastSequence, codeWrongLastSequenceConstant)
}

func isAPIError(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode == code {
			return true
		}
	}
	return false
}
