package streams

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// maxBatch is how many messages the broker takes in one batch.
const maxBatch = 1000

// The headers by which a stream knows the messages of one batch, and the last.
const (
	batchHeader       = "Nats-Batch-Id"
	batchNumberHeader = "Nats-Batch-Sequence"
	batchCommitHeader = "Nats-Batch-Commit"
)

// batchHeaders is what these take at most, with what begins a header.
const batchHeaders = 120

// minBatch is the first server with batches that may have message ids.
const minBatch = "2.12"

// A batch is messages of which their stream stores all or none. Its confirm is
// that of the last one.
type batch struct {
	stream string
	msgs   []*nats.Msg
}

// publish writes the messages, under an id of their own each time: the stream may
// not have done with the last one.
func (b *batch) publish(nc *nats.Conn, reply string) error {
	w := newBatchWriter(nc)
	last := len(b.msgs) - 1
	for _, msg := range b.msgs[:last] {
		if err := w.write(msg); err != nil {
			return err
		}
	}
	return w.commit(b.msgs[last], reply)
}

// A batchWriter writes the messages of one batch.
type batchWriter struct {
	nc    *nats.Conn
	bare  nats.Header // of a message that has none
	id    []string
	count int
}

func newBatchWriter(nc *nats.Conn) *batchWriter {
	return &batchWriter{nc: nc, bare: make(nats.Header, 3), id: []string{newID()}}
}

func (w *batchWriter) write(msg *nats.Msg) error {
	return hand(w.nc, w.next(msg))
}

// commit writes the last message. Only that is answered.
func (w *batchWriter) commit(msg *nats.Msg, reply string) error {
	last := w.next(msg)
	last.Header[batchCommitHeader] = []string{"1"}
	last.Reply = reply
	return hand(w.nc, last)
}

// next is the message as the next of the batch, until there is another one.
func (w *batchWriter) next(msg *nats.Msg) *nats.Msg {
	header := w.bare
	if len(msg.Header) > 0 {
		header = maps.Clone(msg.Header)
	}
	w.count++
	header[batchHeader] = w.id
	header[batchNumberHeader] = []string{strconv.Itoa(w.count)}
	return &nats.Msg{Subject: msg.Subject, Data: msg.Data, Header: header}
}

// batchError reads the answer to a batch. A broker that has no room left may have
// stored a part of it, and does not say so.
func batchError(ack []byte) error {
	err := ackError(ack)
	if err != nil && !storedNothing(err) {
		err = errors.Join(ErrUnconfirmed, err)
	}
	return err
}

// storedNothing reports whether a batch was refused before any of it was stored.
func storedNothing(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || isRefusedBefore(err) || jsapi.IsError(err,
		jsapi.CodeWrongLastSequence, jsapi.CodeWrongLastSequenceConstant, jsapi.CodeDuplicateInProcess,
		jsapi.CodeBatchDisabled, jsapi.CodeBatchIncomplete, jsapi.CodeBatchHeader, jsapi.CodeBatchTooLarge,
		jsapi.CodeBatchDuplicate, jsapi.CodeTooManyBatches)
}

// streamOf is the stream that a message is stored in.
func (n *node) streamOf(exchange, key string) string {
	if exchange == "" {
		return n.vhost.homeStream(key)
	}
	return n.vhost.originStream(origin{exchange, n.exchanges.volatile(exchange)})
}

// allowBatches makes a stream take batches that was created without.
func (n *node) allowBatches(ctx context.Context, name string) error {
	stream, err := n.js.Stream(ctx, name)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	if cfg.AllowAtomicPublish {
		return nil
	}
	cfg.AllowAtomicPublish = true
	_, err = n.js.UpdateStream(ctx, cfg)
	return err
}
