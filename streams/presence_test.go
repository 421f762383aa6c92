package streams_test

import (
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// TestPresence_EndsByName: a session that ends before it has taken note of another life of
// the broker takes nobody else's record away.
func TestPresence_EndsByName(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	r, other := newRig(t, nc, streams.Config{}), newRig(t, nc, streams.Config{})
	streams.TakeForOwn(r.Session, other.Session)
	must(t, r.Close(r.ctx))
	if there, err := streams.IsPresent(r.ctx, other.Session); !there || err != nil {
		t.Errorf("the other session has a record: %t, %v; want that it has one", there, err)
	}
	gone, err := streams.IsPresent(other.ctx, r.Session)
	if gone || err != nil {
		t.Errorf("the session that ended has a record: %t, %v; want that it has none", gone, err)
	}
}
