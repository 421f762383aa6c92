package streams_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// numbered is messages with the bodies, and the ids, prefix1 to prefixN.
func numbered(prefix string, n int) (ms []streams.Message, bodies []string) {
	for i := 1; i <= n; i++ {
		body := prefix + strconv.Itoa(i)
		ms = append(ms, streams.Message{Body: []byte(body), MessageID: body})
		bodies = append(bodies, body)
	}
	return ms, bodies
}

// TestATransactionStoresAllInOrder: with nothing between, also where the broker
// has to put some off, as it takes fifty at a time.
func TestATransactionStoresAllInOrder(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{true, false} {
		r := newRig(t, embeddedtest.Connect(t), streams.Config{})
		q := r.queue(streams.Queue{Name: "q", Durable: durable})
		const transactions, size = 60, 5
		var group sync.WaitGroup
		for i := range transactions {
			group.Go(func() {
				ms, _ := numbered(fmt.Sprint(i, "-"), size)
				wantError(t, "publish all", r.PublishAll(r.ctx, "", q, ms), nil)
			})
			group.Go(func() {
				wantError(t, "publish", r.Publish(r.ctx, "", q, streams.Message{Body: []byte("single")}), nil)
			})
		}
		group.Wait()
		r.wantCounts(q, transactions*(size+1), 0, 0)
		got := slices.DeleteFunc(r.drain(q), func(body string) bool { return body == "single" })
		for whole := range slices.Chunk(got, size) {
			prefix, _, _ := strings.Cut(whole[0], "-")
			_, want := numbered(prefix+"-", size)
			wantBodies(t, whole, want...)
		}
	}
}

func TestATransactionReachesEveryQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("x", streams.Topic)
	all, some := r.queue(streams.Queue{Name: "all"}), r.queue(streams.Queue{Name: "some"})
	r.bind("x", all, "#")
	r.bind("x", some, "a.*")
	ms, want := numbered("", 3)
	must(t, r.PublishAll(r.ctx, "x", "a.b", ms))
	must(t, r.PublishAll(r.ctx, "x", "c", ms))
	must(t, r.PublishAll(r.ctx, "amq.topic", "nobody", ms))
	wantBodies(t, r.drain(some), want...)
	wantBodies(t, r.drain(all), append(want, want...)...)
}

// TestATransactionLeavesNoTrace: what it stores looks as if it was published one
// by one.
func TestATransactionLeavesNoTrace(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	m := streams.Message{Type: "t", Headers: streams.Table{"a": "b"}, Body: []byte("x")}
	must(t, r.PublishAll(r.ctx, "", q, []streams.Message{{}, m, m}))
	must(t, r.Publish(r.ctx, "", q, streams.Message{}))
	must(t, r.Publish(r.ctx, "", q, m))
	var got [5]string
	for i := range got {
		got[i] = fmt.Sprintf("%+v", r.get(q).Message)
	}
	if got[0] != got[3] || got[1] != got[4] || got[2] != got[4] {
		t.Errorf("got %q, want the first as the fourth, and the others as the last", got)
	}
}

func TestATransactionIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{MaxPayload: 4 << 10})
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	many, _ := numbered("", 1001)
	large, _ := numbered("", 3)
	large[2].Body = make([]byte, 80<<10)
	later, _ := numbered("", 3)
	later[1].Expiration = "soon"
	for what, refused := range map[string]struct {
		exchange, key string
		ms            []streams.Message
		flags         streams.PublishFlag
		want          error
	}{
		"too many":              {"", q, many, 0, streams.ErrPreconditionFailed},
		"one too large":         {"", q, large, 0, streams.ErrPreconditionFailed},
		"one expires soon":      {"", q, later, 0, streams.ErrPreconditionFailed},
		"no exchange":           {"x", q, many[:2], 0, streams.ErrNotFound},
		"no queue":              {"", "nobody", many[:2], streams.Mandatory, streams.ErrNoRoute},
		"mandatory on exchange": {"amq.topic", q, many[:2], streams.Mandatory, streams.ErrNotImplemented},
		"an id twice":           {"", q, append(many[:2:2], many[0]), streams.Deduplicate, streams.ErrDuplicate},
	} {
		err := r.PublishAll(r.ctx, refused.exchange, refused.key, refused.ms, refused.flags)
		if !errors.Is(err, refused.want) || errors.Is(err, streams.ErrUnconfirmed) {
			t.Errorf("%s: got %v, want %v", what, err, refused.want)
		}
	}
	must(t, r.PublishAll(r.ctx, "", q, nil))
	must(t, r.PublishAll(r.ctx, "", "nobody", many[:2]))
	r.wantCounts(q, 0, 0, 0)
}

// TestATransactionIsPublishedOnce: one that is published again, because nobody
// knows, finds out.
func TestATransactionIsPublishedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	ms, want := numbered("", 1000)
	must(t, r.PublishAll(r.ctx, "", q, ms, streams.Mandatory, streams.Deduplicate))
	wantError(t, "again", r.PublishAll(r.ctx, "", q, ms, streams.Deduplicate), streams.ErrDuplicate)
	wantBodies(t, r.drain(q), want...)
}

// TestATransactionOnAStreamFromBefore: it was created without batches.
func TestATransactionOnAStreamFromBefore(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	forbidBatches(t, nc, "warren~q~q")
	ms, want := numbered("", 3)
	must(t, r.PublishAll(r.ctx, "", q, ms))
	wantBodies(t, r.drain(q), want...)
}

// forbidBatches makes a stream one that was created before there were any.
func forbidBatches(t *testing.T, nc *nats.Conn, name string) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(t.Context(), name)
	must(t, err)
	cfg := stream.CachedInfo().Config
	if !cfg.AllowAtomicPublish {
		t.Errorf("stream %s takes no batches", name)
	}
	cfg.AllowAtomicPublish = false
	_, err = js.UpdateStream(t.Context(), cfg)
	must(t, err)
}
