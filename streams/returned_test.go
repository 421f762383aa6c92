package streams_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"warren/streams"
)

// unroutable gives what finds no queue, in each way in which that turns out.
func unroutable(t *testing.T, s *streams.Session) map[string]streams.Binding {
	t.Helper()
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "amq.topic", Queue: "q", Key: "narrow"})
	bind(t, s, streams.Binding{Exchange: "amq.headers", Queue: "q", Args: streams.Table{"n": 1}})
	return map[string]streams.Binding{
		"no such queue":            {Exchange: "", Key: "mis sing.\xff"},
		"nothing was ever bound":   {Exchange: "amq.fanout", Key: "*"},
		"no filter takes it":       {Exchange: "amq.topic", Key: ""},
		"a filter, but no binding": {Exchange: "amq.headers", Key: "narrow"},
	}
}

// laden is a message with all properties a message can have.
func laden() streams.Message {
	return streams.Message{
		ContentType: "text/plain", ContentEncoding: "gzip", DeliveryMode: streams.Persistent,
		CorrelationID: " blanks ", ReplyTo: "amq.gen-1", MessageID: "id\r\n", Type: "ü€",
		Timestamp: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		UserID:    "guest", AppID: "%", ClusterID: "\xff", Zero: streams.PropertyPriority,
		Headers: streams.Table{
			"n": int64(2), "deep": streams.Table{"array": []any{"two", nil}},
			"Nats-Msg-Id": "the publisher's own", "Nats-Trace-Dest": "this too",
		},
		Body: []byte("\x00\r\nbody"),
	}
}

func TestReturnedMessageIsWhatWasPublished(t *testing.T) {
	t.Parallel()
	s := one(t)
	p := publisher(t, s, streams.PublisherOptions{})
	for why, to := range unroutable(t, s) {
		bare, full := streams.Message{Body: []byte("bare")}, laden()
		want := &streams.Returned{Exchange: to.Exchange, Key: to.Key, Message: bare}
		wantReturned(t, why+", bare", s.Publish(t.Context(), to.Exchange, to.Key, bare, streams.Mandatory), want)
		want.Message = full
		err := s.Publish(t.Context(), to.Exchange, to.Key, full, streams.Mandatory, streams.Deduplicate)
		wantReturned(t, why+", laden", err, want)
		c, err := p.Publish(t.Context(), to.Exchange, to.Key, full, streams.Mandatory)
		if err != nil {
			t.Fatalf("%s, through a publisher: %v", why, err)
		}
		wantReturned(t, why+", waited for", c.Wait(t.Context()), want)
		wantReturned(t, why+", of the confirm", c.Err(), want)
		wantReturned(t, why+", of the flush", p.Flush(t.Context()), want)
	}
	wantList(t, "messages", drain(t, s, "q"))
}

func TestReturnedMessageTakesAnotherID(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareExchange(t, s, streams.Exchange{Name: "x", Kind: streams.Fanout})
	m := streams.Message{MessageID: "same", Body: []byte("first")}
	err := s.Publish(t.Context(), "x", "", m, streams.Mandatory, streams.Deduplicate)
	wantError(t, "to nobody", err, streams.ErrNoRoute)
	declareQueue(t, s, streams.Queue{Name: "q"})
	bind(t, s, streams.Binding{Exchange: "x", Queue: "q"})
	send(t, s, "x", "", m, streams.Mandatory, streams.Deduplicate)
	m.MessageID, m.Body = "another", []byte("second")
	send(t, s, "x", "", m, streams.Mandatory, streams.Deduplicate)
	wantList(t, "messages", drain(t, s, "q"), "second")
}

func wantReturned(t *testing.T, what string, err error, want *streams.Returned) {
	t.Helper()
	var condition *streams.Error
	if !errors.As(err, &condition) || condition.Code != 312 {
		t.Errorf("%s: got %v, want 312", what, err)
		return
	}
	var got *streams.Returned
	if !errors.As(err, &got) {
		t.Errorf("%s: got %v without the message, want it in there", what, err)
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v back, want %+v", what, got, want)
	}
	if condition.Detail != got.Error() {
		t.Errorf("%s: got detail %q, want %q", what, condition.Detail, got.Error())
	}
}

// Each outcome tells its message, whatever came of it and in which way.
func TestConfirmTellsItsMessage(t *testing.T) {
	t.Parallel()
	s := one(t)
	unroutable(t, s)
	var got []string
	p := publisher(t, s, streams.PublisherOptions{Window: 8, Confirmed: func(c *streams.Confirm) {
		m := c.Message()
		got = append(got, fmt.Sprintf("%q %q %s %v %t", c.Exchange(), c.Key(), m.Body, m.Headers["n"], c.Err() == nil))
	}})
	var want []string
	for i := range int64(100) {
		to := []streams.Binding{{Key: "q"}, {Key: "missing"}, {Exchange: "amq.topic", Key: "narrow"},
			{Exchange: "amq.topic", Key: "wide"}, {Exchange: "amq.headers", Key: "h"}}[i%5]
		m := streams.Message{Headers: streams.Table{"n": i % 3}, Body: fmt.Append(nil, i)}
		if _, err := p.Publish(t.Context(), to.Exchange, to.Key, m, streams.Mandatory); err != nil {
			t.Fatal(err)
		}
		m.Headers["n"] = "changed afterwards"
		routed := to.Key == "q" || to.Key == "narrow" || to.Key == "h" && i%3 == 1
		want = append(want, fmt.Sprintf("%q %q %d %d %t", to.Exchange, to.Key, i, i%3, routed))
	}
	wantError(t, "flush", p.Flush(t.Context()), streams.ErrNoRoute)
	wantList(t, "outcomes", got, want...)
}

// A confirm that nobody has answered knows its message as well.
func TestConfirmTellsItsMessageBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	s := one(t)
	declareQueue(t, s, streams.Queue{Name: "q"})
	p := publisher(t, s, streams.PublisherOptions{})
	for _, flags := range [][]streams.PublishFlag{nil, {streams.Mandatory}, {streams.Mandatory, streams.Deduplicate}} {
		want := laden()
		c, err := p.Publish(t.Context(), "amq.fanout", "key", want, flags...)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Message(); !reflect.DeepEqual(got, want) || c.Exchange() != "amq.fanout" || c.Key() != "key" {
			t.Errorf("got %q %q %+v, want %q %q %+v", c.Exchange(), c.Key(), got, "amq.fanout", "key", want)
		}
	}
	wantError(t, "flush", p.Flush(t.Context()), streams.ErrNoRoute)
}
