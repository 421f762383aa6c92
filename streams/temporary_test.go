package streams_test

import (
	"slices"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestTemporaryQueue_IsBoundWithEachKey: it gets what its keys match, each message once.
func TestTemporaryQueue_IsBoundWithEachKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("logs", streams.Topic)
	info, err := r.DeclareTemporaryQueue(r.ctx, "logs", "kern.*", "*.critical")
	must(t, err)
	for _, key := range []string{"cron.info", "kern.info", "cron.critical", "kern.critical"} {
		r.publish("logs", key, key)
	}
	if got, want := r.drain(info.Name), []string{"kern.info", "cron.critical", "kern.critical"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTemporaryQueue_EndsWithItsSession: it is exclusive, and its messages go with it.
func TestTemporaryQueue_EndsWithItsSession(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), open(t, nc)
	r.exchange("logs", streams.Fanout)
	info, err := other.DeclareTemporaryQueue(r.ctx, "logs")
	must(t, err)
	r.publish("logs", "any key", "1")
	_, err = r.InspectQueue(r.ctx, info.Name)
	wantError(t, "inspect another session's", err, streams.ErrResourceLocked)
	must(t, other.Close(r.ctx))
	_, err = r.InspectQueue(r.ctx, info.Name)
	wantError(t, "inspect after the end of its session", err, streams.ErrNotFound)
}

// TestTemporaryQueue_NoneIsLeftUnbound: what cannot be bound is not left behind.
func TestTemporaryQueue_NoneIsLeftUnbound(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	r.exchange("logs", streams.Topic)
	_, err := r.DeclareTemporaryQueue(r.ctx, "missing")
	wantError(t, "bind to an exchange that is not there", err, streams.ErrNotFound)
	_, err = r.DeclareTemporaryQueue(r.ctx, "", "key")
	wantError(t, "bind to the default exchange", err, streams.ErrAccessRefused)
	queues, err := r.Queues(r.ctx)
	must(t, err)
	if len(queues) > 0 {
		t.Errorf("left behind: %+v", queues)
	}
}
