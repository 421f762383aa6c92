package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// moveSteps is how many steps a move has that HalfMove knows.
const moveSteps = 6

func TestAnExchangeMovesToFilesForADurableQueue(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.exchange("x", streams.Topic)
	short := r.queue(streams.Queue{Name: "short"})
	r.bind("x", short, "a.#")
	r.publish("x", "a.1", "1", "2")
	wantStreams(t, nc, "warren~m~x")
	must(t, r.Bind(r.ctx, streams.Binding{Exchange: "x", Queue: r.queue(streams.Queue{Name: "long", Durable: true}), Key: "#"}))
	r.publish("x", "a.2", "3")
	r.publish("x", "b", "4")
	wantStreams(t, nc, "warren~m~x", "warren~x~x") // "short" has messages in it
	r.wantCounts(short, 3, 0, 0)
	wantBodies(t, r.drain("long"), "3", "4")
	got := r.drain(short)
	slices.Sort(got)
	wantBodies(t, got, "1", "2", "3")
	bindings, err := r.Bindings(r.ctx)
	must(t, err)
	want := "[{ long long map[]} { short short map[]} {x long # map[]} {x short a.# map[]}]"
	if fmt.Sprint(bindings) != want {
		t.Errorf("bindings: %v, want %s", bindings, want)
	}
	// The next change of a queue finds that nothing is left.
	must(t, r.Unbind(r.ctx, streams.Binding{Exchange: "x", Queue: short, Key: "a.#"}))
	wantStreams(t, nc, "warren~x~x")
}

// wantStreams checks which streams exchanges have.
func wantStreams(t *testing.T, nc *nats.Conn, want ...string) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	got := []string{}
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		if name == "warren~m~x" || name == "warren~x~x" {
			got = append(got, name)
		}
	}
	must(t, names.Err())
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the exchange has the streams %v, want %v", got, want)
	}
}

// TestMove_OneReplicaOfACluster: a server of a cluster may go alone, and what it had only in
// memory with it, so that messages are in files unless there are more replicas.
func TestMove_OneReplicaOfACluster(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.Cluster(t, 3)
	for replicas, want := range map[int]string{1: "warren~x~x", 3: "warren~m~x"} {
		nc := nodes.Connect(t)
		r := newRig(t, nc, streams.Config{Replicas: replicas})
		r.exchange("x", streams.Fanout)
		short := r.queue(streams.Queue{Name: "short"})
		r.bind("x", short, "")
		wantStreams(t, nc, want)
		must(t, r.DeleteExchange(r.ctx, "x"))
		_, err := r.DeleteQueue(r.ctx, short)
		must(t, err)
	}
}

func TestNothingIsLostOrDoubledWhileAnExchangeMoves(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.exchange("x", streams.Fanout)
	short := r.queue(streams.Queue{Name: "short"})
	r.bind("x", short, "")
	const around = 100 // messages before and after the move
	begun, bound := make(chan struct{}), make(chan struct{})
	sent := make(chan [2]int, 1)
	publisher := newRig(t, nc, streams.Config{})
	go func() {
		defer close(sent)
		p, err := publisher.Publisher(streams.PublisherOptions{Window: 16})
		if err != nil {
			t.Error(err)
			return
		}
		n, after := 0, 0
		for ; after == 0 || n < after+around; n++ {
			if n == around {
				close(begun)
			}
			if after == 0 && isDone(bound) {
				after = n
			}
			if _, err := p.Publish(r.ctx, "x", "", streams.Message{Body: []byte(strconv.Itoa(n))}); err != nil {
				t.Error(err)
			}
		}
		if err := p.Flush(r.ctx); err != nil {
			t.Error(err)
		}
		sent <- [2]int{after, n}
	}()
	<-begun
	var binding sync.WaitGroup
	for i := range 3 {
		o := newRig(t, nc, streams.Config{})
		binding.Go(func() {
			o.bind("x", o.queue(streams.Queue{Name: "long" + strconv.Itoa(i), Durable: true}), "")
			o.bind("x", o.queue(streams.Queue{Name: "late" + strconv.Itoa(i)}), "")
		})
	}
	binding.Wait()
	close(bound)
	numbers, ok := <-sent
	if !ok {
		return
	}
	after, total := numbers[0], numbers[1]
	for q, first := range map[string]int{short: 0, "long0": after, "late0": after, "long1": after, "late1": after, "long2": after, "late2": after} {
		got := r.takeAll(q)
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s has messages twice", q)
		}
		from, _ := slices.BinarySearch(got, first)
		if len(got)-from != total-first {
			t.Errorf("%s has %d of %d messages", q, len(got)-from, total-first)
		}
	}
}

// The stream that an exchange leaves stores what it was sent before, however much lies
// in front of it, and the queue gets it.
func TestMove_KeepsWhatWasUnderWay(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r := newRig(t, nc, streams.Config{})
	r.exchange("x", streams.Fanout)
	short := r.queue(streams.Queue{Name: "short"})
	r.bind("x", short, "")
	slowDown(t, nc, "warren~m~x")
	long := r.queue(streams.Queue{Name: "long", Durable: true})
	publisher := newRig(t, nc, streams.Config{Timeout: time.Minute})
	p, err := publisher.Publisher(streams.PublisherOptions{Window: 10000})
	must(t, err)
	begun, bound := make(chan struct{}), make(chan struct{})
	sent := 0
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for ; !isDone(bound); sent++ {
			if sent == 10000 {
				close(begun)
			}
			_, err := p.Publish(r.ctx, "x", "", streams.Message{Body: []byte(strconv.Itoa(sent))})
			must(t, err)
		}
	})
	<-begun
	r.bind("x", long, "")
	close(bound)
	publishing.Wait()
	must(t, p.Flush(r.ctx))
	next := r.pull(r.consume(short, streams.ConsumeOptions{AutoAck: true}))
	got := make(map[string]bool)
	for len(got) < sent {
		d, err, ok := next()
		if !ok || err != nil {
			t.Fatalf("%d of %d messages came: %v", len(got), sent, err)
		}
		got[string(d.Body)] = true
	}
}

// slowDown gives a stream so many consumers that it takes long to store a message.
func slowDown(t *testing.T, nc *nats.Conn, stream string) {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	for i := range 300 {
		_, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{
			Durable: "slow" + strconv.Itoa(i), AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy,
			FilterSubject: "warren.x.x",
		})
		must(t, err)
	}
}

func isDone(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// takeAll consumes what a queue has, as numbers.
func (r rig) takeAll(queue string) (numbers []int) {
	r.Helper()
	info, err := r.InspectQueue(r.ctx, queue)
	if err != nil {
		r.Fatal(err)
	}
	next := r.pull(r.consume(queue, streams.ConsumeOptions{AutoAck: true}))
	for range info.Ready {
		n, err := strconv.Atoi(string(r.take(next, 1)[0].Body))
		if err != nil {
			r.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	r.wantCounts(queue, 0, 0, 1)
	return numbers
}

func TestAHalfDoneMoveIsFinishedByOthers(t *testing.T) {
	t.Parallel()
	for steps := range moveSteps + 1 {
		for name, goOn := range map[string]func(r rig, x streams.Binding){
			"publish": func(r rig, _ streams.Binding) { r.publish("x", "", "3") },
			"bind": func(r rig, x streams.Binding) {
				must(r, r.Bind(r.ctx, x))
				r.publish("x", "", "3")
			},
			"durable": func(r rig, _ streams.Binding) {
				r.bind("x", r.queue(streams.Queue{Name: "long", Durable: true}), "")
				r.publish("x", "", "3")
				wantBodies(r, r.drain("long"), "3")
			},
			"again": func(r rig, x streams.Binding) {
				must(r, r.Unbind(r.ctx, x))
				r.publish("x", "", "unwanted")
				must(r, r.Bind(r.ctx, x))
				r.publish("x", "", "3")
			},
			"delete": func(r rig, x streams.Binding) {
				must(r, r.DeleteExchange(r.ctx, "x"))
				if err := r.Publish(r.ctx, "x", "", streams.Message{}); !errors.Is(err, streams.ErrNotFound) {
					r.Errorf("publish to what is deleted: %v, want 404", err)
				}
				r.exchange("x", streams.Fanout)
				r.publish("x", "", "unwanted")
				must(r, r.Bind(r.ctx, x))
				r.publish("x", "", "3")
			},
		} {
			t.Run(fmt.Sprintf("%s after %d", name, steps), func(t *testing.T) {
				t.Parallel()
				nc := embeddedtest.Connect(t)
				r := newRig(t, nc, streams.Config{})
				r.exchange("x", streams.Fanout)
				x := streams.Binding{Exchange: "x", Queue: r.queue(streams.Queue{Name: "short"})}
				must(t, r.Bind(r.ctx, x))
				other := newRig(t, nc, streams.Config{})
				other.publish("x", "", "1")
				must(t, streams.HalfMove(r.ctx, r.Session, "x", steps))
				if steps < 3 || steps > 3 {
					other.publish("x", "", "2")
				}
				goOn(other, x)
				got := r.drain("short")
				slices.Sort(got)
				want := []string{"1", "2", "3"}
				if steps == 3 {
					want = []string{"1", "3"}
				}
				wantBodies(t, got, want...)
				bindings, err := r.Bindings(r.ctx)
				must(t, err)
				standing := slices.DeleteFunc(bindings, func(b streams.Binding) bool { return b.Exchange == "" || b.Queue != "short" })
				if len(standing) != 1 {
					t.Errorf("bindings: %v, want one", standing)
				}
			})
		}
	}
}

func TestADurableQueueKeepsWhatATransientExchangeGaveIt(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{})
	r.exchange("x", streams.Fanout)
	r.bind("x", r.queue(streams.Queue{Name: "short"}), "")
	r.publish("x", "", "lost")
	r.bind("x", r.queue(streams.Queue{Name: "long", Durable: true}), "")
	must(t, r.Publish(r.ctx, "x", "", streams.Message{Body: []byte("kept"), DeliveryMode: streams.Persistent}))
	server.Restart(t)
	r = newRig(t, server.Connect(t), streams.Config{})
	wantBodies(t, r.drain("long"), "kept")
	if err := r.Publish(context.Background(), "x", "", streams.Message{}); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("publish to a transient exchange after a restart: %v, want 404", err)
	}
}
