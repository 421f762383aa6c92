package streams_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// requests are what sessions ask of JetStream while f runs.
func requests(t *testing.T, nc *nats.Conn, f func()) []string {
	t.Helper()
	var mu sync.Mutex
	var list []string
	sub, err := nc.Subscribe("$JS.API.>", func(msg *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, strings.TrimPrefix(msg.Subject, "$JS.API.")+" "+string(msg.Data))
	})
	must(t, err)
	must(t, nc.Flush())
	f()
	must(t, nc.Flush())
	must(t, sub.Drain())
	for sub.IsValid() {
		must(t, nc.Flush())
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(list)
}

// aRound is what a session may ask on its own account meanwhile: every few seconds it
// clears away what others have left.
const aRound = 20

// wantFew checks that a call asked a few things, and read no messages.
func wantFew(t *testing.T, what string, asked []string, most int) {
	t.Helper()
	if len(asked) > most+aRound {
		t.Errorf("%s asked %d things, want at most %d: %q", what, len(asked), most, asked[:min(len(asked), 20)])
	}
}

// fillMany publishes small messages in transactions.
func (r rig) fillMany(exchange, key string, n int, mode streams.DeliveryMode) {
	r.Helper()
	ms := make([]streams.Message, 1000)
	for i := range ms {
		ms[i] = streams.Message{DeliveryMode: mode, Body: []byte("m")}
	}
	for ; n > 0; n -= len(ms) {
		must(r, r.PublishAll(r.ctx, exchange, key, ms[:min(n, len(ms))]))
	}
}

// TestCount_AnOldBacklogIsNotRead: after a restart, clean or not, a call asks no
// more of the broker than before, however much waits there.
func TestCount_AnOldBacklogIsNotRead(t *testing.T) {
	t.Parallel()
	const backlog, small = 50_000, 5000
	for name, start := range map[string]func(*testing.T) breaker{
		"restart": func(t *testing.T) breaker { t.Helper(); return embeddedtest.Listen(t) },
		"kill":    func(t *testing.T) breaker { t.Helper(); return killed{embeddedtest.Process(t, embedded.Config{})} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			r := newRig(t, server.Connect(t), streams.Config{})
			bound := r.queue(streams.Queue{Name: "bound", Durable: true})
			home := r.queue(streams.Queue{Name: "home", Durable: true})
			must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "x", Kind: streams.Topic, Durable: true}))
			r.bind("x", bound, "a.*")
			r.fillMany("x", "a.b", backlog, streams.Persistent)
			r.fillMany("", home, small, streams.Persistent)
			server.Restart(t)
			nc := server.Connect(t)
			r = newRig(t, nc, streams.Config{})
			r.fillMany("x", "a.b", 10, streams.Transient) // of this life
			const most = 12
			wantFew(t, "inspect", requests(t, nc, func() {
				r.wantCounts(bound, backlog+10, 0, 0)
				r.wantCounts(home, small, 0, 0)
			}), 2*most)
			wantFew(t, "declare", requests(t, nc, func() { r.queue(streams.Queue{Name: bound, Durable: true}) }), most)
			wantFew(t, "list", requests(t, nc, func() {
				list, err := r.Queues(r.ctx)
				must(t, err)
				if fmt.Sprint(list[0].Ready, list[1].Ready) != fmt.Sprint(backlog+10, small) {
					t.Errorf("listed %+v", list)
				}
			}), 2*most)
			wantFew(t, "get", requests(t, nc, func() { must(t, r.get(bound).Ack()) }), 2*most)
			wantFew(t, "consume", requests(t, nc, func() {
				c := r.consume(bound, streams.ConsumeOptions{Prefetch: 1})
				must(t, r.take(r.pull(c), 1)[0].Ack())
				must(t, c.Cancel(r.ctx))
			}), 3*most)
			_, err := r.DeleteQueue(r.ctx, bound, streams.IfEmpty)
			wantError(t, "delete a queue that is not empty", err, streams.ErrPreconditionFailed)
			wantFew(t, "delete", requests(t, nc, func() {
				if n, err := r.DeleteQueue(r.ctx, bound); err != nil || n < backlog {
					t.Errorf("deleted with %d messages, %v, want %d", n, err, backlog)
				}
			}), 3*most)
		})
	}
}

// mixed publishes messages by turns that end with the broker and that do not.
func (r rig) mixed(exchange, key string, n int) {
	r.Helper()
	ms := make([]streams.Message, 0, 1000)
	for i := range n {
		ms = append(ms, streams.Message{}, streams.Message{DeliveryMode: streams.Persistent, Body: []byte("kept")})
		if len(ms) == cap(ms) || i == n-1 {
			must(r, r.PublishAll(r.ctx, exchange, key, ms))
			ms = ms[:0]
		}
	}
}

func (r rig) ready(queue string) int {
	r.Helper()
	info, err := r.InspectQueue(r.ctx, queue)
	must(r, err)
	return info.Ready
}

// TestCount_LeavesOutWhatEndedWithTheBroker: exactly, of what is read; and a
// queue is empty that has nothing else, however much that is.
func TestCount_LeavesOutWhatEndedWithTheBroker(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{})
	must(t, r.DeclareExchange(r.ctx, streams.Exchange{Name: "x", Kind: streams.Topic, Durable: true}))
	few, many, gone := r.queue(streams.Queue{Name: "few", Durable: true}), r.queue(streams.Queue{Name: "many", Durable: true}), r.queue(streams.Queue{Name: "gone", Durable: true})
	home := r.queue(streams.Queue{Name: "home", Durable: true})
	for _, q := range []string{few, many, gone} {
		r.bind("x", q, q)
	}
	r.mixed("x", few, 200)
	r.mixed("", home, 200)
	r.mixed("x", many, 2000)
	r.fillMany("x", gone, 2000, streams.Transient)
	server.Restart(t)
	r = newRig(t, server.Connect(t), streams.Config{})
	r.fillMany("x", few, 1000, streams.Transient) // of this life
	r.fillMany("x", few, 1000, streams.Transient)
	r.wantCounts(few, 2200, 0, 0)
	r.wantCounts(home, 200, 0, 0)
	if got := r.ready(many); got < 2000 || got > 4000 {
		t.Errorf("got %d ready of 2000, and 2000 that ended with the broker", got)
	}
	if _, err := r.DeleteQueue(r.ctx, gone, streams.IfEmpty); err != nil {
		t.Errorf("delete a queue that has nothing of this life: %v", err)
	}
	if n, err := r.PurgeQueue(r.ctx, many); err != nil || n != 2000 {
		t.Errorf("purged %d, %v, want 2000", n, err)
	}
	r.wantCounts(many, 0, 0, 0)
}

// TestCount_ABindingCountsFromWhereItBegan: what was published before is not
// counted, and once it is passed no more is read than the first message.
func TestCount_ABindingCountsFromWhereItBegan(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.exchange("x", streams.Topic)
	q, other := r.queue(streams.Queue{Name: "q"}), r.queue(streams.Queue{Name: "other"})
	r.bind("x", other, "#")
	r.bind("x", q, "a")
	r.publish("x", "a", "1", "2")
	r.publish("x", "b", "unwanted", "unwanted")
	r.bind("x", q, "b")
	r.publish("x", "b", "3")
	r.fillMany("x", "b", 3000, streams.Transient)
	r.wantCounts(q, 3003, 0, 0)
	wantBodies(t, []string{string(r.get(q).Body), string(r.get(q).Body), string(r.get(q).Body)}, "1", "2", "3")
	for _, asked := range requests(t, nc, func() { r.wantCounts(q, 3000, 3, 0) }) {
		if strings.HasPrefix(asked, "DIRECT.GET") && strings.Contains(asked, `"batch":1000`) {
			t.Errorf("it read messages to count them: %s", asked)
		}
	}
}
