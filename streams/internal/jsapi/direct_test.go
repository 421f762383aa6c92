package jsapi_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams/internal/jsapi"
)

// TestRead reads what a stream has in each way, what it has not, and from none.
func TestRead(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	js, err := jetstream.New(nc)
	must(t, err)
	cfg := jetstream.StreamConfig{Name: "s", Subjects: []string{"s.>"}, AllowDirect: true}
	_, err = js.CreateStream(t.Context(), cfg)
	must(t, err)
	began := time.Now().Add(-time.Second)
	for i := range 5 {
		msg := &nats.Msg{Subject: fmt.Sprintf("s.%d", i%2), Data: []byte{byte('a' + i)}}
		if i > 2 {
			msg.Header = nats.Header{"N": {fmt.Sprint(i)}}
		}
		_, err := js.PublishMsg(t.Context(), msg)
		must(t, err)
	}
	ctx := t.Context()
	found := func(msg *nats.Msg, at jsapi.Position, err error) string {
		t.Helper()
		must(t, err)
		if msg == nil {
			return "none"
		}
		if at.Stamp < began.UnixNano() {
			t.Errorf("%s was stored at %v", msg.Data, time.Unix(0, at.Stamp))
		}
		return fmt.Sprintf("%d %s %s %s", at.Seq, msg.Subject, msg.Data, msg.Header.Get("N"))
	}
	for what, got := range map[string]string{
		"3 s.0 c ":  found(jsapi.ReadNext(ctx, nc, "s", "s.0", 2)),
		"4 s.1 d 3": found(jsapi.ReadNext(ctx, nc, "s", "s.*", 4)),
		"5 s.0 e 4": found(jsapi.ReadLast(ctx, nc, "s", "s.>")),
		"2 s.1 b ":  found(jsapi.ReadFirst(ctx, nc, "s", "s.1", 0)),
	} {
		if got != what {
			t.Errorf("got %q, want %q", got, what)
		}
	}
	for _, got := range []string{
		found(jsapi.ReadNext(ctx, nc, "s", "s.0", 6)), found(jsapi.ReadLast(ctx, nc, "s", "s.2")), found(jsapi.ReadFirst(ctx, nc, "s", "s.2", 1)),
		found(jsapi.ReadNext(ctx, nc, "other", "s.0", 1)), found(jsapi.ReadLast(ctx, nc, "other", "s.0")), found(jsapi.ReadFirst(ctx, nc, "other", "s.0", 1)),
	} {
		if got != "none" {
			t.Errorf("got %q, want none", got)
		}
	}
	if n, err := jsapi.CountFrom(ctx, nc, "s", "s.0", 2); n != 2 || err != nil {
		t.Errorf("counted %d, error %v; want 2", n, err)
	}
	if n, err := jsapi.CountFrom(ctx, nc, "s", "s.2", 0); n != 0 || err != nil {
		t.Errorf("counted %d, error %v; want none", n, err)
	}
	if seq, err := jsapi.FirstSince(ctx, nc, "s", began); seq != 1 || err != nil {
		t.Errorf("the first is %d, error %v; want 1", seq, err)
	}
	if seq, err := jsapi.FirstSince(ctx, nc, "s", time.Now().Add(time.Hour)); seq != 0 || err != nil {
		t.Errorf("the first of an hour from now is %d, error %v; want 0", seq, err)
	}
	wantBatch(t, nc)
}

// wantBatch reads messages in batches, and from no stream.
func wantBatch(t *testing.T, nc *nats.Conn) {
	t.Helper()
	var seqs []uint64
	note := func(_ *nats.Msg, at jsapi.Position) { seqs = append(seqs, at.Seq) }
	must(t, jsapi.ReadBatch(t.Context(), nc, "s", jsapi.ReadRequest{Seq: 2, Batch: 3, Subject: "s.>"}, note))
	if fmt.Sprint(seqs) != "[2 3 4]" {
		t.Errorf("a batch has the messages %v", seqs)
	}
	err := jsapi.ReadBatch(t.Context(), nc, "other", jsapi.ReadRequest{Seq: 1, Batch: 3, Subject: "s.>"}, note)
	if !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a batch of no stream: got error %v", err)
	}
}
