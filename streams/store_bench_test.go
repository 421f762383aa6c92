package streams_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// BenchmarkStore puts values of 256 bytes on 10,000 keys, 256 under way at once, as
// they are, with a TTL, and with an expectation, beside nats.go publishing the same
// messages to the same stream.
func BenchmarkStore(b *testing.B) {
	for _, transport := range embeddedtest.Transports {
		for _, kind := range []string{"plain", "ttl", "expect"} {
			b.Run(transport.Name+"/"+kind, func(b *testing.B) { benchStore(b, transport.Connect(b), kind) })
		}
	}
}

func benchStore(b *testing.B, nc *nats.Conn, kind string) {
	b.Helper()
	s, err := streams.Open(b.Context(), nc, streams.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	q := &benchTable{js: rawPublisher(b, nc, benchWindow), kind: kind, value: make([]byte, 256)}
	q.store = declareStore(b, s, streams.StoreOptions{})
	embeddedtest.Versus(b, "msg", q.begin, q.raw)
}

type benchTable struct {
	js    jetstream.JetStream
	store *streams.Store
	kind  string
	value []byte
}

func (q *benchTable) purge(b *testing.B) {
	b.Helper()
	if _, err := q.store.Purge(b.Context(), ">"); err != nil {
		b.Fatal(err)
	}
}

// key is the key of the nth write; where each expects to be the first, it is new.
func (q *benchTable) key(n int) string {
	if q.kind != "expect" {
		n %= 10_000
	}
	return "task." + strconv.Itoa(n)
}

const benchWindow = 256

func (q *benchTable) begin(b *testing.B, n int) time.Duration {
	b.Helper()
	q.purge(b)
	ctx := context.Background()
	window := make([]*streams.Pending, benchWindow)
	start := time.Now()
	for i := range n + benchWindow {
		slot := &window[i%benchWindow]
		if *slot != nil {
			if _, err := (*slot).Result(); err != nil {
				b.Fatal(err)
			}
			*slot = nil
		}
		if i < n {
			*slot = q.store.Begin(ctx, q.put(q.key(i)))
		}
	}
	return time.Since(start)
}

func (q *benchTable) put(key string) streams.Put {
	p := streams.Put{Key: key, Value: q.value}
	switch q.kind {
	case "ttl":
		p.TTL = time.Hour
	case "expect":
		p.Expect = streams.Absent
	}
	return p
}

func (q *benchTable) raw(b *testing.B, n int) time.Duration {
	b.Helper()
	q.purge(b)
	start := time.Now()
	for i := range n {
		if _, err := q.js.PublishMsgAsync(q.message(q.key(i)), jetstream.WithStallWait(30*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	<-q.js.PublishAsyncComplete()
	return time.Since(start)
}

func (q *benchTable) message(key string) *nats.Msg {
	msg := &nats.Msg{Subject: "warren.v.store." + key, Data: q.value}
	switch q.kind {
	case "ttl":
		msg.Header = nats.Header{jetstream.MsgTTLHeader: {"3600s"}}
	case "expect":
		msg.Header = nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}}
	}
	return msg
}
