package embeddedtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestBubbleDelayIsExact(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		publish(t, nc)
		c, err := newJetStream(t, nc).CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{
			AckPolicy: jetstream.AckExplicitPolicy,
		})
		if err != nil {
			t.Fatal(err)
		}
		const delay = 90 * time.Minute
		if err := next(t, c).NakWithDelay(delay); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		next(t, c)
		if got := time.Since(start); got != delay {
			t.Errorf("redelivered after %v, want %v", got, delay)
		}
	})
}

func TestBubbleTTLIsExact(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		nc := embeddedtest.Connect(t)
		const ttl = 2 * time.Hour
		kv, err := newJetStream(t, nc).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "leases", TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.PutString(t.Context(), "leader", "me"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl - time.Second)
		if _, err := kv.Get(t.Context(), "leader"); err != nil {
			t.Errorf("a second before its TTL: got %v, want the key", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := kv.Get(t.Context(), "leader"); !errors.Is(err, jetstream.ErrKeyNotFound) {
			t.Errorf("a second after its TTL: got %v, want %v", err, jetstream.ErrKeyNotFound)
		}
	})
}

func TestBubbleSurvivesRestart(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		s := embeddedtest.Start(t, embedded.Config{})
		publish(t, s.Connect(t))
		s.Restart(t)
		wantMessages(t, s.Connect(t), 1)
	})
}

// The client's pooled timers are what ends a process when they leave a bubble.
func TestBubbleLeavesNoTimerBehind(t *testing.T) {
	outside := embeddedtest.Connect(t)
	flush := func(t *testing.T, times int) {
		t.Helper()
		for range times {
			if err := outside.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush(t, 10)
	for range 3 {
		embeddedtest.Bubble(t, func(t *testing.T) {
			nc := embeddedtest.Connect(t)
			for range 20 {
				if err := nc.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			if _, err := nc.Request("nobody.answers", nil, time.Hour); err == nil {
				t.Error("got a reply, want none")
			}
			sub, err := nc.SubscribeSync("silence")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sub.NextMsg(time.Hour); err == nil {
				t.Error("got a message, want none")
			}
			if got := time.Since(start); got != time.Hour {
				t.Errorf("waited %v, want 1h", got)
			}
		})
		flush(t, 10)
	}
}

func next(t *testing.T, c jetstream.Consumer) jetstream.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	m, err := c.Next(jetstream.FetchContext(ctx))
	if err != nil {
		t.Fatalf("next message: %v", err)
	}
	return m
}
