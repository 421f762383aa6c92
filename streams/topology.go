package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// The topology of a virtual host, its exchanges, queues and bindings, is a stream
// with one record an exchange and one a queue, which has its bindings, see [pages].
// Records change by compare-and-set only; the configuration of streams and consumers
// is derived from them.
type topology struct {
	*site
	stream jetstream.Stream
	prefix string
	pages  pages
}

// errConflict says that somebody else changed the record first.
var errConflict = jsapi.ErrConflict

// maxConsumers is set on every stream: unset, the server allows 1000.
const maxConsumers = 1 << 20

func newTopology(at *site) *topology {
	return &topology{site: at, prefix: at.vhost.topologySubject() + "."}
}

// open opens the stream of the records, and creates it if the broker has none.
func (t *topology) open(ctx context.Context) error {
	v, base := t.vhost, t.vhost.topologySubject()
	stream, err := migration{
		js: t.js, base: base,
		from: "KV_" + v.earlierTopology(), fromBase: "$KV." + v.earlierTopology(),
		old: v.movingSubject(v.topologyStream()),
		to: jetstream.StreamConfig{
			Name:         v.topologyStream(),
			Description:  "exchanges, queues and bindings of virtual host " + string(v),
			Storage:      jetstream.FileStorage,
			Replicas:     t.cfg.Replicas,
			MaxConsumers: maxConsumers,
			// Reads go to the leader: a record read is the record that stands.
			AllowDirect: false,
			RePublish:   &jetstream.RePublish{Source: base + ".x.>", Destination: v.changeSubject() + ".>"},
		},
	}.open(ctx)
	if err != nil {
		return fmt.Errorf("open the topology of vhost %q: %w", string(v), err)
	}
	t.stream = stream
	return nil
}

func exchangeKey(name string) string { return "x." + routing.NameToken(name) }
func queueKey(name string) string    { return "q." + routing.NameToken(name) }

// get reads one record; revision 0 says that there is none.
func (t *topology) get(ctx context.Context, key string, into stampedRecord) (uint64, error) {
	msg, err := jsapi.LastMessage(ctx, t.stream, t.prefix+key)
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
	return jsapi.CompareAndSet(ctx, t.js, t.stream, msg, revision)
}

// remove takes away the record of that revision and no other.
func (t *topology) remove(ctx context.Context, revision uint64) error {
	tries := 0
	err := jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		tries++
		return t.stream.DeleteMsg(ctx, revision)
	})
	if !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return err
	}
	// The client keeps the server's reason to itself.
	_, missing := jsapi.Ask(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
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
