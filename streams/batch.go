package streams

import (
	"context"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go"
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
	id := []string{newID()}
	for i, msg := range b.msgs {
		out := nats.Msg{Subject: msg.Subject, Data: msg.Data, Header: maps.Clone(msg.Header)}
		if out.Header == nil {
			out.Header = make(nats.Header, 3)
		}
		out.Header[batchHeader] = id
		out.Header[batchNumberHeader] = []string{strconv.Itoa(i + 1)}
		if i == len(b.msgs)-1 {
			out.Header[batchCommitHeader] = committed
			out.Reply = reply
		}
		if err := nc.PublishMsg(&out); err != nil {
			return err
		}
	}
	return nil
}

var committed = []string{"1"}

// hasBatches reports whether the server knows them.
func (s *Session) hasBatches() bool {
	version := s.nc.ConnectedServerVersion()
	return version == "" || !olderThan(version, 2, 12)
}

// streamOf is the stream that a message is stored in.
func (s *Session) streamOf(exchange, key string) string {
	if exchange == "" {
		return s.vhost.homeStream(key)
	}
	return s.vhost.exchangeStream(exchange)
}

// allowBatches makes a stream take batches that was created without.
func (s *Session) allowBatches(ctx context.Context, name string) error {
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	if cfg.AllowAtomicPublish {
		return nil
	}
	cfg.AllowAtomicPublish = true
	_, err = s.js.UpdateStream(ctx, cfg)
	return err
}
