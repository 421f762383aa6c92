package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// earlierStore is a store as it was while a limit kept one message a subject.
var earlierStore = jetstream.StreamConfig{
	Name: "warren~t~store", Subjects: []string{"warren.t.store.>"},
	MaxMsgsPerSubject: 1, MaxConsumers: 1 << 20, AllowDirect: true, AllowMsgTTL: true, AllowRollup: true,
	SubjectDeleteMarkerTTL: 10 * time.Minute,
	RePublish:              &jetstream.RePublish{Source: "warren.t.store.>", Destination: "warren.told.store.>"},
	Metadata:               map[string]string{"warren.store": "store"},
}

// earlierTopology is the same of the topology.
var earlierTopology = jetstream.StreamConfig{
	Name: "KV_warren-topology", Subjects: []string{"$KV.warren-topology.>"},
	MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, MaxConsumers: 1 << 20, AllowRollup: true,
	RePublish: &jetstream.RePublish{Source: "$KV.warren-topology.x.>", Destination: "warren.changed.>"},
}

// earlier makes a stream as an earlier release did, with each record written three
// times, and gives its last sequence.
func earlier(t *testing.T, nc *nats.Conn, cfg jetstream.StreamConfig, records map[string]string) uint64 {
	t.Helper()
	js := newJetStream(t, nc)
	_, err := js.CreateStream(t.Context(), cfg)
	must(t, err)
	last := uint64(0)
	for _, version := range []string{"damaged", "damaged", ""} {
		for subject, record := range records {
			if version != "" {
				record = version
			}
			ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Data: []byte(record), Header: nats.Header{
				"Nats-Expected-Last-Subject-Sequence": nil, "Warren-Put": {"token"},
			}})
			must(t, err)
			last = ack.Sequence
		}
	}
	return last
}

func earlierRecords(n int) map[string]string {
	records := make(map[string]string)
	for i := range n {
		records[fmt.Sprintf("warren.t.store.key.%d.=2A", i)] = fmt.Sprint(i)
	}
	return records
}

// wantCopied checks that a store has what an earlier release has stored, but what was
// deleted since.
func wantCopied(t *testing.T, store *streams.Store, n int, deleted ...string) {
	t.Helper()
	var got, want []string
	must(t, store.Range(t.Context(), ">", func(e streams.Entry) bool {
		got = append(got, show(e))
		return true
	}))
	for i := range n {
		if key := fmt.Sprintf("key.%d.*", i); !slices.Contains(deleted, key) {
			want = append(want, fmt.Sprintf("%s=%d", key, i))
		}
	}
	wantAnyOrder(t, "entries", got, want...)
}

// TestMigration_AStoreOfAnEarlierReleaseIsCopied by several sessions at once, none of
// which sees less than all of it, nor writes what is then lost.
func TestMigration_AStoreOfAnEarlierReleaseIsCopied(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	const n = 1200 // more than are copied at once
	last := earlier(t, nc, earlierStore, earlierRecords(n))
	s := newRig(t, nc, streams.Config{Timeout: time.Minute}).Session // eight of them copy at once
	var opening sync.WaitGroup
	for i := range 8 {
		opening.Go(func() {
			store, err := s.DeclareStore(t.Context(), "store", streams.StoreOptions{})
			if err != nil {
				t.Errorf("declare: %v", err)
				return
			}
			key := fmt.Sprintf("key.%d.*", i)
			if _, err := store.Get(t.Context(), key); err != nil {
				t.Errorf("get %s: %v", key, err)
			}
			if err := store.Delete(t.Context(), key); err != nil {
				t.Errorf("delete %s: %v", key, err)
			}
		})
	}
	opening.Wait()
	store := declareStore(t, s, streams.StoreOptions{})
	wantCopied(t, store, n, "key.0.*", "key.1.*", "key.2.*", "key.3.*", "key.4.*", "key.5.*", "key.6.*", "key.7.*")
	if revision := put(t, store, value("next", "1")); revision <= last {
		t.Errorf("the next write has revision %d, and there was %d before", revision, last)
	}
	_, err := stream(t, nc, earlierStore.Name)
	wantError(t, "the earlier stream", err, jetstream.ErrStreamNotFound)
}

// TestMigration_WhatIsReadTooLateIsCopied: a batch of which nothing comes for a second
// ends without a word, and what the server has sent of it is gone.
func TestMigration_WhatIsReadTooLateIsCopied(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"the first of three batches": 1200, "the only batch": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := embeddedtest.Listen(t)
			earlier(t, server.Connect(t), earlierStore, earlierRecords(n))
			l := newLine(t, server)
			s := newRig(t, l.connect(t), streams.Config{}).Session
			fetched, late := false, false
			l.watch(func(text string) bool {
				if fetched && strings.Contains(text, ".GET.warren~t~store") {
					late = true // the batch has ended
				}
				fetched = fetched || strings.Contains(text, ".MSG.NEXT.")
				return fetched && !late
			})
			wantCopied(t, declareStore(t, s, streams.StoreOptions{}), n)
			if !late {
				t.Error("no batch ended early")
			}
		})
	}
}

// TestMigration_GoesOnAfterAKill at each of its steps, and who is late changes
// nothing.
func TestMigration_GoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	for steps := 1; steps <= 3; steps++ {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			t.Parallel()
			nc := embeddedtest.Connect(t)
			earlier(t, nc, earlierStore, earlierRecords(3))
			s := open(t, nc)
			must(t, streams.HalfCopyStore(t.Context(), s, "store", steps))
			store := declareStore(t, s, streams.StoreOptions{})
			wantCopied(t, store, 3)
			_, err := store.Purge(t.Context(), "key.0.*")
			must(t, err)
			_, err = nc.Request(streams.LateCopy(s, "store", "key.0.=2A"), nil, time.Minute)
			wantError(t, "a late copy", err, nats.ErrNoResponders)
			wantCopied(t, declareStore(t, s, streams.StoreOptions{}), 3, "key.0.*")
		})
	}
}

// TestMigration_SessionsOfEarlierReleasesAreRefused, those that were there and those
// that come.
func TestMigration_SessionsOfEarlierReleasesAreRefused(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	js := newJetStream(t, nc)
	earlier(t, nc, earlierStore, earlierRecords(1))
	s := open(t, nc) // it has a topology from the start
	wantCopied(t, declareStore(t, s, streams.StoreOptions{}), 1)
	for _, cfg := range []jetstream.StreamConfig{earlierStore, earlierTopology} {
		_, err := js.CreateStream(t.Context(), cfg)
		var refused *jetstream.APIError
		if !errors.As(err, &refused) || refused.ErrorCode != 10065 {
			t.Errorf("make stream %s again: got %v, want that its subjects overlap", cfg.Name, err)
		}
	}
	_, err := nc.Request("warren.t.store.key.0", []byte("v"), time.Minute)
	wantError(t, "a write of a session that was there", err, nats.ErrNoResponders)
}

// TestMigration_WhatIsOverIsNotCopied, and what is not lives as long as it would have.
func TestMigration_WhatIsOverIsNotCopied(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		js := newJetStream(t, nc)
		earlier(t, nc, earlierStore, nil)
		for key, ttl := range map[string]string{"over": "1s", "long": "1h0m0s", "ever": "never", "marker": "1h"} {
			msg := &nats.Msg{Subject: "warren.t.store." + key, Data: []byte("v"), Header: nats.Header{"Nats-TTL": {ttl}}}
			if key == "marker" {
				msg.Header.Set("KV-Operation", "PURGE")
			}
			_, err := js.PublishMsg(t.Context(), msg)
			must(t, err)
		}
		time.Sleep(time.Minute)
		s, err := streams.Open(t.Context(), nc, streams.Config{})
		must(t, err)
		defer func() { must(t, s.Close(context.Background())) }()
		store := declareStore(t, s, streams.StoreOptions{})
		list := func() []string {
			keys, err := store.Keys(t.Context(), ">")
			must(t, err)
			return keys
		}
		wantAnyOrder(t, "keys", list(), "ever", "long")
		time.Sleep(59*time.Minute + 5*time.Second)
		wantAnyOrder(t, "keys after an hour", list(), "ever")
	})
}

// TestMigration_ALaterLayoutIsRefused with what to do.
func TestMigration_ALaterLayoutIsRefused(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	s := open(t, nc)
	declareStore(t, s, streams.StoreOptions{})
	for _, name := range []string{"warren~v~store", "warren~topology"} {
		have, err := stream(t, nc, name)
		must(t, err)
		cfg := have.CachedInfo().Config
		cfg.Metadata["warren.layout"] = "99"
		_, err = newJetStream(t, nc).UpdateStream(t.Context(), cfg)
		must(t, err)
	}
	_, err := s.DeclareStore(t.Context(), "store", streams.StoreOptions{})
	wantError(t, "declare the store", err, streams.ErrPreconditionFailed)
	_, err = streams.Open(t.Context(), nc, streams.Config{})
	wantError(t, "open a session", err, streams.ErrPreconditionFailed)
}

// TestMigration_AClusterCopiesToo, with as many replicas as before, while one of the
// servers is killed.
func TestMigration_AClusterCopiesToo(t *testing.T) {
	t.Parallel()
	nodes := embeddedtest.ProcessCluster(t, 3)
	nc := nodes.Connect(t)
	cfg := earlierStore
	cfg.Replicas = 3
	const n = 700
	earlier(t, nc, cfg, earlierRecords(n))
	s := openWith(t, nc, streams.Config{Timeout: time.Minute})
	must(t, streams.HalfCopyStore(t.Context(), s, "store", 1))
	leader := embeddedtest.Leader(t, nc, "warren~v~store")
	var opening sync.WaitGroup
	for range 2 {
		opening.Go(func() {
			_, err := s.DeclareStore(t.Context(), "store", streams.StoreOptions{})
			wantError(t, "declare", err, nil)
		})
	}
	nodes.Named(t, leader).Kill(t)
	opening.Wait()
	wantCopied(t, declareStore(t, s, streams.StoreOptions{}), n)
	info, err := stream(t, nc, "warren~v~store")
	must(t, err)
	if got := info.CachedInfo().Config.Replicas; got != 3 {
		t.Errorf("got %d replicas, want 3", got)
	}
}

// moveBack makes the topology one of an earlier release.
func moveBack(t *testing.T, nc *nats.Conn) {
	t.Helper()
	topology, err := stream(t, nc, "warren~topology")
	must(t, err)
	info, err := topology.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	must(t, err)
	records := make(map[string]string)
	for subject := range info.State.Subjects {
		msg, err := topology.GetLastMsgForSubject(t.Context(), subject)
		must(t, err)
		records["$KV.warren-topology"+strings.TrimPrefix(subject, "warren.topology")] = string(msg.Data)
	}
	must(t, newJetStream(t, nc).DeleteStream(t.Context(), "warren~topology"))
	earlier(t, nc, earlierTopology, records)
}

// TestMigration_TheTopologyOfAnEarlierRelease has its queues, their bindings and
// exchanges, and what was in them.
func TestMigration_TheTopologyOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	before := newRig(t, nc, streams.Config{})
	logs := streams.Exchange{Name: "logs", Kind: streams.Topic, Durable: true}
	must(t, before.DeclareExchange(before.ctx, logs))
	before.queue(streams.Queue{Name: "tasks", Durable: true})
	before.bind("logs", "tasks", "a.#")
	must(t, before.Close(before.ctx))
	moveBack(t, nc)
	r := newRig(t, nc, streams.Config{})
	wantList(t, "queues", queueNames(t, r.Session), "tasks")
	r.queue(streams.Queue{Name: "tasks", Durable: true})
	must(t, r.DeclareExchange(r.ctx, logs))
	r.bind("logs", "tasks", "b")
	r.publish("logs", "a.b", "1")
	wantBodies(t, r.drain("tasks"), "1")
	bindings, err := r.Bindings(r.ctx)
	must(t, err)
	wantList(t, "bindings", []string{fmt.Sprint(bindings)}, "[{ tasks tasks map[]} {logs tasks a.# map[]} {logs tasks b map[]}]")
	_, err = r.DeleteQueue(r.ctx, "tasks")
	must(t, err)
	wantList(t, "queues", queueNames(t, r.Session))
}
