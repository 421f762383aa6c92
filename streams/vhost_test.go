package streams_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestCheckVHost(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	err := streams.CheckVHost(t.Context(), nc, "shop")
	if !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("before anybody opened it: got %v, want 404", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context()).Name() {
		t.Errorf("got the stream %s, want nothing created", name)
	}
	s, err := streams.Open(t.Context(), nc, streams.Config{VHost: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	if err := streams.CheckVHost(t.Context(), nc, "shop"); err != nil {
		t.Errorf("when it is open: got %v, want nil", err)
	}
	if err := streams.CheckVHost(t.Context(), nc, "a.b"); err == nil {
		t.Error("a.b: got nil, want an error")
	}
}
