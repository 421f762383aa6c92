package amqp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// fullMessage has all properties.
func fullMessage() Message {
	return Message{
		ContentType: "text/plain", ContentEncoding: "gzip",
		Headers:      Table{"x-retries": int32(3), "tenant": "acme", "sampled": true},
		DeliveryMode: Persistent, Priority: 9, CorrelationID: "c-1", ReplyTo: "amq.gen-1",
		Expiration: "60000", MessageID: "m-1", Timestamp: time.Unix(1700000000, 0).UTC(),
		Type: "order", UserID: "guest", AppID: "shop", ClusterID: "c", Body: []byte("hello"),
	}
}

func TestMessageHeadersAreReadable(t *testing.T) {
	t.Parallel()
	m := fullMessage()
	m.Headers = nil
	m.Zero = PropertyHeaders
	got, err := EncodeProperties(&m)
	want := nats.Header{
		"Amqp-Content-Type": {"text/plain"}, "Amqp-Content-Encoding": {"gzip"}, "Amqp-Headers": {""},
		"Amqp-Delivery-Mode": {"2"}, "Amqp-Priority": {"9"}, "Amqp-Correlation-Id": {"c-1"},
		"Amqp-Reply-To": {"amq.gen-1"}, "Amqp-Expiration": {"60000"}, "Amqp-Message-Id": {"m-1"},
		"Amqp-Timestamp": {"1700000000"}, "Amqp-Type": {"order"}, "Amqp-User-Id": {"guest"},
		"Amqp-App-Id": {"shop"}, "Amqp-Cluster-Id": {"c"},
	}
	if err != nil || !reflect.DeepEqual(nats.Header(got), want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestMessageWithoutPropertiesHasNoHeaders(t *testing.T) {
	t.Parallel()
	m := Message{Body: []byte("hello"), Headers: Table{}}
	if h, err := EncodeProperties(&m); h != nil || err != nil {
		t.Errorf("got %v, %v, want none", h, err)
	}
	DecodeProperties(&m, nil)
	if want := (Message{Body: []byte("hello")}); !reflect.DeepEqual(m, want) {
		t.Errorf("got %v, want %v", m, want)
	}
}

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	wire := newWire(t)
	var every Property = 1<<len(propertyHeaders) - 1
	for _, want := range []Message{
		{},
		fullMessage(),
		{Zero: every},
		{Zero: PropertyPriority | PropertyTimestamp, DeliveryMode: Transient},
		{Headers: everyType(), Priority: 255, DeliveryMode: 255},
		{Timestamp: time.Unix(0, 0).UTC(), Type: " a ", AppID: "%", UserID: "\t\r\n\x00\x7f", MessageID: "\xff größe \xc3"},
		{Timestamp: time.Unix(math.MinInt64, 0).UTC(), ClusterID: strings.Repeat("%", 255)},
	} {
		checkRoundTrip(t, wire, want)
	}
}

func checkRoundTrip(t *testing.T, wire *wire, want Message) {
	t.Helper()
	h, err := EncodeProperties(&want)
	if err != nil {
		t.Fatalf("%v: %v", want, err)
	}
	got := Message{Body: want.Body, Type: "left over"}
	DecodeProperties(&got, wire.carry(t, h))
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%v came back from %v as %v", want, h, got)
	}
}

func TestMessageEncodeNamesTheProperty(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for want, m := range map[string]Message{
		"property 'correlation-id' is 256": {CorrelationID: long},
		"property 'content-type' is 256":   {ContentType: long},
		"property 'cluster-id' is 256":     {ClusterID: long},
	} {
		if h, err := EncodeProperties(&m); !errors.Is(err, ErrPreconditionFailed) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want 406 with %q", h, err, want)
		}
	}
	m := Message{Headers: Table{"a": Table{"b": uint64(1)}}}
	if h, err := EncodeProperties(&m); err == nil || !strings.Contains(err.Error(), "'headers.a.b'") {
		t.Errorf("got %v, %v, want an error that names headers.a.b", h, err)
	}
}

func TestMessageDecodeForeignHeaders(t *testing.T) {
	t.Parallel()
	table := Table{"Tenant": int8(1)}
	text, err := table.text("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		h    nats.Header
		want Message
	}{
		{"strings", nats.Header{"Trace": {"a"}, "Empty": {""}}, Message{Headers: Table{"Trace": "a", "Empty": ""}}},
		{"several values", nats.Header{"Via": {"a", "b"}}, Message{Headers: Table{"Via": []any{"a", "b"}}}},
		{"no values", nats.Header{"Via": {}}, Message{}},
		{"those of NATS", nats.Header{"Nats-Msg-Id": {"1"}}, Message{}},
		{"the table wins", nats.Header{"Tenant": {"a"}, "Amqp-Headers": {text}}, Message{Headers: table}},
		{"an empty table and more", nats.Header{"A": {"b"}, "Amqp-Headers": {""}}, Message{Headers: Table{"A": "b"}}},
		{"an empty table spelt out", nats.Header{"Amqp-Headers": {"AAAAAA=="}}, Message{Headers: Table{}, Zero: PropertyHeaders}},
		{"an empty table spelt out and more", nats.Header{"A": {"b"}, "Amqp-Headers": {"AAAAAA=="}},
			Message{Headers: Table{"A": "b"}}},
		{"zeros in words", nats.Header{"Amqp-Priority": {"0"}, "Amqp-Timestamp": {"-62135596800"}},
			Message{Zero: PropertyPriority | PropertyTimestamp}},
		{"small hex digits", nats.Header{"Amqp-Type": {"%2a"}}, Message{Type: "*"}},
		{"unknown", nats.Header{"Amqp-New": {"1"}}, Message{Headers: Table{"Amqp-New": "1"}}},
		{"too long", nats.Header{"Amqp-Type": {strings.Repeat("x", 256)}, strings.Repeat("y", 256): {"z"}},
			Message{Headers: Table{"Amqp-Type": strings.Repeat("x", 256)}}},
		{"twice", nats.Header{"Amqp-Type": {"a", "b"}}, Message{Headers: Table{"Amqp-Type": []any{"a", "b"}}}},
	} {
		m := Message{Priority: 3, Zero: PropertyType}
		DecodeProperties(&m, c.h)
		if !reflect.DeepEqual(m, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, m, c.want)
		}
	}
}

func TestMessageDecodeLeavesBrokenHeaders(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"Amqp-Priority": "256", "Amqp-Delivery-Mode": "two", "Amqp-Timestamp": "now",
		"Amqp-Headers": "?", "Amqp-Type": "100%", "Amqp-App-Id": "%2", "Amqp-User-Id": "%G0",
	} {
		var m Message
		DecodeProperties(&m, nats.Header{name: {value}})
		if want := (Message{Headers: Table{name: value}}); !reflect.DeepEqual(m, want) {
			t.Errorf("%s: got %v, want %v", name, m, want)
		}
	}
}

func TestMessageSizeIsWhatTheServerCounts(t *testing.T) {
	t.Parallel()
	wire := newWire(t)
	full := fullMessage()
	for _, m := range []Message{{}, {Body: []byte("hello")}, full} {
		h, err := EncodeProperties(&m)
		if err != nil {
			t.Fatal(err)
		}
		wire.carry(t, h)
		if got, want := (&nats.Msg{Header: h, Data: m.Body}).Size(), wire.headerBytes+len(m.Body); got != want {
			t.Errorf("size is %d, want %d", got, want)
		}
	}
}

func TestHeaderText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "a b": "a b", "größe": "größe", "\ufffd": "\ufffd", "100%": "100%25",
		" ": "%20", " a ": "%20a%20", "  a": "%20 a", "\ta\r\n\x00\x7f": "%09a%0D%0A%00%7F", "\xffü\xc3": "%FFü%C3",
	} {
		got := EscapeHeader(text)
		if got != want {
			t.Errorf("EscapeHeader(%q) = %q, want %q", text, got, want)
		}
		if back, err := UnescapeHeader(got); err != nil || back != text {
			t.Errorf("UnescapeHeader(%q) = %q, %v, want %q", got, back, err, text)
		}
	}
	// Others may write the digits in small letters.
	if got, err := UnescapeHeader("%af%0f%9a"); err != nil || got != "\xaf\x0f\x9a" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, text := range []string{"%", "%4", "%4g", "%@0", "%:0", "%`0", "%/0"} {
		if got, err := UnescapeHeader(text); err == nil {
			t.Errorf("UnescapeHeader(%q) = %q, want it refused", text, got)
		}
	}
}

func TestPropertyNames(t *testing.T) {
	t.Parallel()
	if got, want := (PropertyContentType | PropertyUserID).String(), "content-type, user-id"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := HeaderOf(PropertyClusterID); got != "Amqp-Cluster-Id" {
		t.Errorf("the header of the last property is %q", got)
	}
}

func FuzzMessage(f *testing.F) {
	wire := newWire(f)
	f.Add("text/plain", " a\r\n%", "", uint8(2), uint8(0), int64(1700000000), uint16(0xffff), []byte{0, 0, 0, 0}, "Amqp-Priority", "x")
	f.Add("", "", "\xff", uint8(0), uint8(9), int64(0), uint16(0), []byte{0, 0, 0, 3, 1, 'a', 'V'}, "Trace", "")
	f.Fuzz(func(t *testing.T, a, b, c string, mode, priority uint8, at int64, zero uint16, table []byte, name, value string) {
		m := Message{
			ContentType: a, ContentEncoding: b, CorrelationID: c, ReplyTo: a, Expiration: b, MessageID: c,
			Type: a + b, UserID: b + c, AppID: a + c, ClusterID: c + b,
			DeliveryMode: DeliveryMode(mode), Priority: priority, Timestamp: time.Unix(at, 0).UTC(),
		}
		if t, err := parseTable(string(table)); err == nil && len(t) > 0 {
			m.Headers = t
		}
		m.Zero = Property(zero) &^ m.Properties() & (1<<len(propertyHeaders) - 1)
		if h, err := EncodeProperties(&m); err == nil {
			if mode == 0 {
				h = wire.carry(t, h)
			}
			var got Message
			if DecodeProperties(&got, h); !reflect.DeepEqual(got, m) {
				t.Fatalf("%v came back from %v as %v", m, h, got)
			}
			if h == nil {
				h = nats.Header{}
			}
			nats.Header(h).Add(name, value)
			checkForeign(t, h)
		} else if !errors.Is(err, ErrPreconditionFailed) {
			t.Fatal(err)
		}
		checkForeign(t, nats.Header{name: {value}, propertyHeaders[mode%14]: {a}, propertyHeaders[priority%14]: {b}})
	})
}

// checkForeign checks that whatever was decoded can be sent on.
func checkForeign(t *testing.T, h nats.Header) {
	t.Helper()
	var m, again Message
	DecodeProperties(&m, h)
	encoded, err := EncodeProperties(&m)
	if err != nil {
		t.Fatalf("%v is read as %v: %v", h, m, err)
	}
	if len(m.Headers) == 0 {
		m.Headers = nil
	}
	if DecodeProperties(&again, encoded); !reflect.DeepEqual(again, m) {
		t.Fatalf("%v is read as %v, which came back as %v", h, m, again)
	}
}

// wire is a connection of the real client to a server that knows just enough to
// give back the headers of what was published.
type wire struct {
	nc          *nats.Conn
	published   chan []byte
	headerBytes int // of the message carried last
}

func newWire(tb testing.TB) *wire {
	tb.Helper()
	w := &wire{published: make(chan []byte, 1)}
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.serve(server)
	}()
	nc, err := nats.Connect("nats://wire", nats.SetCustomDialer(pipe{client}), nats.NoReconnect())
	if err != nil {
		tb.Fatal(err)
	}
	w.nc = nc
	tb.Cleanup(func() {
		nc.Close()
		<-done
	})
	return w
}

// pipe dials the one connection it is.
type pipe struct{ net.Conn }

func (p pipe) Dial(string, string) (net.Conn, error) { return p.Conn, nil }

// serve speaks the protocol of NATS until the connection ends.
func (w *wire) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	fmt.Fprint(conn, `INFO {"server_id":"wire","version":"2.15.2","proto":1,"headers":true,"max_payload":67108864}`+"\r\n")
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var header, total int
		switch {
		case line == "PING\r\n":
			fmt.Fprint(conn, "PONG\r\n")
		case strings.HasPrefix(line, "HPUB"):
			if _, err := fmt.Sscanf(line, "HPUB w %d %d", &header, &total); err != nil {
				return
			}
			payload := make([]byte, total+2)
			if _, err := io.ReadFull(lines, payload); err != nil {
				return
			}
			w.published <- payload[:header]
		}
	}
}

// carry publishes the headers and returns what a subscriber gets.
func (w *wire) carry(tb testing.TB, h nats.Header) nats.Header {
	tb.Helper()
	w.headerBytes = 0
	if len(h) == 0 {
		return nil
	}
	if err := w.nc.PublishMsg(&nats.Msg{Subject: "w", Header: h}); err != nil {
		tb.Fatal(err)
	}
	if err := w.nc.Flush(); err != nil {
		tb.Fatal(err)
	}
	encoded := <-w.published
	w.headerBytes = len(encoded)
	carried, err := nats.DecodeHeadersMsg(encoded)
	if err != nil {
		tb.Fatal(err)
	}
	return carried
}

func BenchmarkMessage(b *testing.B) {
	full := fullMessage()
	bare := full
	bare.Headers = nil
	for _, c := range []struct {
		name string
		m    Message
	}{
		{"empty", Message{}},
		{"persistent", Message{DeliveryMode: Persistent}},
		{"full", full},
		{"noTable", bare},
	} {
		h, err := EncodeProperties(&c.m)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncodeProperties(&c.m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			var m Message
			for b.Loop() {
				DecodeProperties(&m, h)
			}
		})
	}
}
