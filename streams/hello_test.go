package streams_test

import (
	"context"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func open(t *testing.T) *streams.Session {
	t.Helper()
	s, err := streams.Open(t.Context(), embeddedtest.Connect(t), streams.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.DeclareQueue(ctx, streams.Queue{Name: "hello"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, "", "hello", streams.Message{Body: []byte("hi")}); err != nil {
		t.Fatal(err)
	}
	info, err := s.InspectQueue(ctx, "hello")
	t.Logf("%+v %v", info, err)
	c, err := s.Consume(ctx, "hello", streams.ConsumeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	for d, err := range c.Deliveries(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s %d", d.Body, d.Tag)
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := s.DeclareExchange(ctx, streams.Exchange{Name: "logs", Kind: streams.Topic}); err != nil {
		t.Fatal(err)
	}
	q, err := s.DeclareQueue(ctx, streams.Queue{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, "logs", "a.b", streams.Message{Body: []byte("early")}, streams.Mandatory); err == nil {
		t.Error("mandatory: no error")
	} else {
		t.Log(err)
	}
	if err := s.Bind(ctx, streams.Binding{Exchange: "logs", Queue: q.Name, Key: "a.#"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, "logs", "a.b", streams.Message{Body: []byte("one")}, streams.Mandatory); err != nil {
		t.Error(err)
	}
	d, ok, err := s.Get(ctx, q.Name)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	t.Logf("%s key %s", d.Body, d.Key)
	if err := s.Unbind(ctx, streams.Binding{Exchange: "logs", Queue: q.Name, Key: "a.#"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(ctx, "logs", "a.b", streams.Message{Body: []byte("late")}); err != nil {
		t.Error(err)
	}
	list, err := s.Queues(ctx)
	t.Log(list, err)
	if err := d.Nack(streams.Requeue); err != nil {
		t.Fatal(err)
	}
	d, ok, err = s.Get(ctx, q.Name)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	t.Logf("%s %v", d.Body, d.Redelivered)
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	_, ok, err = s.Get(ctx, q.Name)
	t.Log(ok, err)
	x, err := s.Exchanges(ctx)
	t.Log(x, err)
	if err := s.DeleteExchange(ctx, "logs"); err != nil {
		t.Fatal(err)
	}
}
