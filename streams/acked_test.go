package streams_test

import (
	"os"
	"path/filepath"
	"testing"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestAcked_WhatAFullDiskKeptIsNotCounted: the server notes acks and takes the messages out
// of the stream after that. Here the second is lost, as on a disk that is full: the
// messages of a home are put back as they were before the acks.
func TestAcked_WhatAFullDiskKeptIsNotCounted(t *testing.T) {
	t.Parallel()
	server := embeddedtest.Start(t, embedded.Config{})
	r := newRig(t, server.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q", Durable: true})
	persistent := func(bodies ...string) {
		for _, body := range bodies {
			must(t, r.Publish(r.ctx, "", q, streams.Message{DeliveryMode: streams.Persistent, Body: []byte(body)}))
		}
	}
	persistent("1", "2", "3", "4", "5")
	must(t, r.Close(r.ctx))

	home := filepath.Join(server.Dir(), "jetstream", "$G", "streams", streams.DefaultVHost+"~q~q", "msgs")
	before := filepath.Join(t.TempDir(), "msgs")
	server.Stop(t)
	must(t, os.CopyFS(before, os.DirFS(home)))
	server.Restart(t)

	r = newRig(t, server.Connect(t), streams.Config{})
	c := r.consume(q, streams.ConsumeOptions{Prefetch: 3})
	held := r.take(r.pull(c), 3)
	must(t, c.Cancel(r.ctx)) // or it asks for the fourth
	must(t, held[2].Ack(streams.Multiple))
	must(t, r.Close(r.ctx))
	server.Stop(t)
	must(t, os.RemoveAll(home))
	must(t, os.CopyFS(home, os.DirFS(before)))
	server.Restart(t)

	r = newRig(t, server.Connect(t), streams.Config{})
	persistent("6")
	r.wantCounts(q, 3, 0, 0)
	wantBodies(t, r.drain(q), "4", "5", "6")
	r.wantCounts(q, 0, 0, 0)
}
