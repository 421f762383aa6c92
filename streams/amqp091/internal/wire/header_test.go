package wire

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"warren/streams/internal/amqp"
)

// everyProperty is a message with all fourteen properties.
func everyProperty() amqp.Message {
	return amqp.Message{
		ContentType: "text/plain", ContentEncoding: "gzip", DeliveryMode: amqp.Persistent, Priority: 9,
		Headers: amqp.Table{
			"bool": true, "i8": int8(-1), "u8": uint8(200), "i16": int16(-300), "u16": uint16(40000),
			"i32": int32(-70000), "u32": uint32(3e9), "i64": int64(math.MinInt64), "f32": float32(0.5), "f64": 0.1,
			"text": "é", "bytes": []byte{0, 255}, "time": time.Unix(1e9, 0).UTC(), "nil": nil,
			"decimal": amqp.Decimal{Scale: 2, Value: 314}, "table": amqp.Table{"k": "v"}, "array": []any{int32(1), "x"},
		},
		CorrelationID: "c", ReplyTo: "r", Expiration: "60000", MessageID: "m", Timestamp: time.Unix(1764400000, 0).UTC(),
		Type: "t", UserID: "guest", AppID: "a", ClusterID: "k",
	}
}

func TestHeader_ComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	all := everyProperty()
	for name, want := range map[string]amqp.Message{
		"every property": all,
		"none":           {},
		"zeros that were sent": {Zero: amqp.PropertyContentType | amqp.PropertyDeliveryMode | amqp.PropertyPriority |
			amqp.PropertyExpiration | amqp.PropertyClusterID, Headers: amqp.Table{}},
	} {
		encoded, err := appendHeader(nil, 1<<40, &want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		size, got, err := ParseHeader(encoded)
		if err != nil || size != 1<<40 {
			t.Fatalf("%s: size %d, %v", name, size, err)
		}
		if got.Headers == nil && want.Properties()&amqp.PropertyHeaders == 0 {
			got.Headers = want.Headers
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		for n := range encoded {
			if _, _, err := ParseHeader(encoded[:n]); code(err) != 501 && code(err) != 502 {
				t.Errorf("%s: the first %d of %d bytes: %v, want 501 or 502", name, n, len(encoded), err)
			}
		}
	}
}

func TestHeader_WhatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]int{
		"\x00\x3d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00":                       501, // class 61
		"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01":                       501, // more flags follow
		"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02":                       501, // no such property
		"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00over":                   501,
		"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x00\x00\x00\x00\x03\x01k?": 502,
	} {
		if size, m, err := ParseHeader([]byte(payload)); code(err) != want {
			t.Errorf("%q: got %d, %+v, %v, want %d", payload, size, m, err, want)
		}
	}
}

func TestHeader_WhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	for _, m := range []amqp.Message{
		{ContentType: strings.Repeat("x", 256)},
		{Headers: amqp.Table{"nan": math.NaN()}},
		{Headers: amqp.Table{"u64": uint64(1)}},
	} {
		if got, err := AppendHeader([]byte("before"), 1, 0, &m); code(err) != 502 || string(got) != "before" {
			t.Errorf("%+v: got %q, %v, want 502 and nothing written", m, got, err)
		}
	}
}

// receiver is amqp091-go at the other end of a pipe: it says what it reads in a
// content header.
type receiver struct {
	conn       net.Conn
	served     chan error
	deliveries <-chan amqp091.Delivery
}

// serve answers what a client asks for until it consumes, and then nothing but
// its close.
func serve(conn net.Conn, consuming chan<- struct{}) error {
	b := bufio.NewReader(conn)
	if _, err := io.ReadFull(b, make([]byte, len(ProtocolHeader))); err != nil {
		return err
	}
	answer := func(channel uint16, m Method) error {
		frame, err := AppendMethod(nil, channel, m)
		if err == nil {
			_, err = conn.Write(frame)
		}
		return err
	}
	err := answer(0, ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN", Locales: "en_US"})
	for r := NewReader(b, 0); err == nil; {
		f, failed := r.Next()
		payload, failed2 := r.Payload()
		if failed != nil || failed2 != nil {
			return nil
		}
		m, _ := ParseMethod(payload)
		switch m := m.(type) {
		case *ConnectionStartOk:
			err = answer(0, ConnectionTune{})
		case *ConnectionOpen:
			err = answer(0, ConnectionOpenOk{})
		case *ChannelOpen:
			err = answer(f.Channel, ChannelOpenOk{})
		case *BasicConsume:
			err = answer(f.Channel, BasicConsumeOk{ConsumerTag: m.ConsumerTag})
			close(consuming)
		case *ConnectionClose:
			err = answer(0, ConnectionCloseOk{})
		}
	}
	return err
}

func newReceiver() (*receiver, error) {
	server, client := net.Pipe()
	consuming, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- serve(server, consuming) }()
	conn, err := amqp091.Open(client, amqp091.Config{SASL: []amqp091.Authentication{&amqp091.PlainAuth{}}})
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume("q", "c", true, false, false, false, nil)
	<-consuming
	return &receiver{server, served, deliveries}, err
}

// read is what amqp091-go makes of a content header; false says that it has hung up.
func (r *receiver) read(payload []byte) (amqp091.Delivery, bool) {
	frames, _ := AppendMethod(nil, 1, &BasicDeliver{ConsumerTag: "c", DeliveryTag: 1})
	start := len(frames)
	frames, _ = endFrame(append(beginFrame(frames, FrameHeader, 1), payload...), start, nil)
	go func() { _, _ = r.conn.Write(frames) }()
	d, ok := <-r.deliveries
	return d, ok
}

// close hangs up, and waits until both ends have noticed.
func (r *receiver) close() {
	_ = r.conn.Close()
	if err := <-r.served; err != nil {
		panic(err)
	}
	for range r.deliveries {
		continue
	}
}

// sameProperties reports whether amqp091-go has read what we have.
func sameProperties(m amqp.Message, d amqp091.Delivery) bool {
	return m.ContentType == d.ContentType && m.ContentEncoding == d.ContentEncoding && uint8(m.DeliveryMode) == d.DeliveryMode &&
		m.Priority == d.Priority && m.CorrelationID == d.CorrelationId && m.ReplyTo == d.ReplyTo && m.Expiration == d.Expiration &&
		m.MessageID == d.MessageId && m.Type == d.Type && m.UserID == d.UserId && m.AppID == d.AppId &&
		(m.Timestamp.Equal(d.Timestamp) || m.Timestamp.IsZero() && d.Timestamp.IsZero()) &&
		reflect.DeepEqual(plain(m.Headers), theirs(d.Headers))
}

// plain is a value of ours in amqp091-go's types.
func plain(value any) any {
	switch v := value.(type) {
	case amqp.Table:
		t := map[string]any{}
		for key, value := range v {
			t[key] = plain(value)
		}
		return t
	case []any:
		a := []any{}
		for _, value := range v {
			a = append(a, plain(value))
		}
		return a
	case amqp.Decimal:
		return amqp091.Decimal{Scale: v.Scale, Value: v.Value}
	case time.Time:
		return v.Unix()
	}
	return value
}

// theirs is a value of amqp091-go's with its tables, arrays and times like plain's.
func theirs(value any) any {
	switch v := value.(type) {
	case amqp091.Table:
		t := map[string]any{}
		for key, value := range v {
			t[key] = theirs(value)
		}
		return t
	case []any:
		a := []any{}
		for _, value := range v {
			a = append(a, theirs(value))
		}
		return a
	case time.Time:
		return v.Unix()
	}
	return value
}

func TestHeader_IsWhatAmqp091Reads(t *testing.T) {
	t.Parallel()
	r, err := newReceiver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	want := everyProperty()
	encoded, err := appendHeader(nil, 0, &want)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := r.read(encoded)
	if !ok || !sameProperties(want, d) {
		t.Errorf("amqp091-go read %+v, %v, want %+v", d, ok, want)
	}
}

// What both read, they read as the same.
func FuzzHeader(f *testing.F) {
	for _, m := range []amqp.Message{everyProperty(), {}, {Zero: amqp.PropertyPriority | amqp.PropertyHeaders}} {
		encoded, err := appendHeader(nil, 0, &m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	var r *receiver
	f.Cleanup(func() {
		if r != nil {
			r.close()
		}
	})
	f.Fuzz(func(t *testing.T, payload []byte) {
		size, m, err := ParseHeader(payload)
		if err != nil {
			if c := code(err); c != 501 && c != 502 {
				t.Fatalf("%q is refused with %v", payload, err)
			}
			return
		}
		encoded, err := appendHeader(nil, size, &m)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", m, err)
		}
		if _, again, err := ParseHeader(encoded); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, %v, want %+v", again, err, m)
		}
		if size != 0 || bytes.Contains(payload, []byte("L")) {
			return // a body would have to follow; and the type L is signed to RabbitMQ alone
		}
		if r == nil {
			if r, err = newReceiver(); err != nil {
				t.Fatal(err)
			}
		}
		d, ok := r.read(payload)
		if !ok {
			r.close()
			r = nil // it may refuse what RabbitMQ takes
			return
		}
		if !sameProperties(m, d) {
			t.Fatalf("we read %+v, amqp091-go %+v", m, d)
		}
	})
}
