package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"warren/streams/internal/amqp"
)

// specification is what amqp0-9-1.extended.xml says of methods.
type specification struct {
	Domains []struct {
		Name string `xml:"name,attr"`
		Type string `xml:"type,attr"`
	} `xml:"domain"`
	Classes []struct {
		Name    string `xml:"name,attr"`
		Index   uint16 `xml:"index,attr"`
		Methods []struct {
			Name   string `xml:"name,attr"`
			Index  uint16 `xml:"index,attr"`
			Fields []struct {
				Domain   string `xml:"domain,attr"`
				Type     string `xml:"type,attr"`
				Reserved string `xml:"reserved,attr"`
			} `xml:"field"`
		} `xml:"method"`
	} `xml:"class"`
}

// readSpecification reads the specification that comes with amqp091-go.
func readSpecification(t *testing.T) specification {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/rabbitmq/amqp091-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "spec", "amqp0-9-1.stripped.extended.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var spec specification
	if err := xml.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestMethods_AreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	kindOf := map[string]kind{
		"bit": kindBit, "octet": kindUint8, "short": kindUint16, "long": kindUint32, "longlong": kindUint64,
		"shortstr": kindShortStr, "longstr": kindLongStr, "table": kindTable,
	}
	spec := readSpecification(t)
	for _, d := range spec.Domains {
		if _, basic := kindOf[d.Name]; !basic {
			kindOf[d.Name] = kindOf[d.Type]
		}
	}
	specified := map[ID]bool{}
	for _, c := range spec.Classes {
		for _, m := range c.Methods {
			id := ID{c.Index, m.Index}
			specified[id] = true
			l := layouts.byID[id]
			if l == nil {
				t.Errorf("there is no %s.%s %v", c.Name, m.Name, id)
				continue
			}
			if want := c.Name + "." + strings.ReplaceAll(m.Name, "-", "_"); l.name != want {
				t.Errorf("%v is named %s, want %s", id, l.name, want)
			}
			var got, want []field
			for _, f := range l.fields {
				got = append(got, field{kind: f.kind, reserved: f.reserved})
			}
			for _, f := range m.Fields {
				want = append(want, field{kind: kindOf[f.Domain+f.Type], reserved: f.Reserved == "1"})
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s has the fields %v, want %v", l.name, got, want)
			}
		}
	}
	for id, l := range layouts.byID {
		if !specified[id] && l.name != "connection.update_secret" && l.name != "connection.update_secret_ok" {
			t.Errorf("%s %v is not in the specification", l.name, id)
		}
	}
	if n := len(layouts.byID); n != 64 {
		t.Errorf("%d methods, want 64", n)
	}
}

// arbitrary fills a method with values of every kind.
func arbitrary(r *rand.Rand, l *layout) Method {
	m := reflect.New(l.of)
	for i, f := range l.fields {
		if f.reserved {
			continue
		}
		v := m.Elem().Field(i)
		switch f.kind {
		case kindBit:
			v.SetBool(r.Intn(2) == 0)
		case kindShortStr, kindLongStr:
			v.SetString(strings.Repeat("é", r.Intn(100)))
		case kindTable:
			v.Set(reflect.ValueOf(amqp.Table{"n": r.Int63(), "t": amqp.Table{"x": "y"}}))
		default:
			v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
		}
	}
	return m.Interface()
}

func TestMethods_ComeBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(1))
	for id, l := range layouts.byID {
		for range 20 {
			want := arbitrary(r, l)
			encoded, err := appendMethod(nil, want)
			if err != nil {
				t.Fatalf("%s: %v", l.name, err)
			}
			got, err := ParseMethod(encoded)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, %v, want %+v", l.name, got, err, want)
			}
			general, err := appendLayout(nil, want)
			if err != nil || !bytes.Equal(general, encoded) {
				t.Errorf("%s: % x by hand, % x in general, %v", l.name, encoded, general, err)
			}
			if _, err := ParseMethod(encoded[:len(encoded)-1]); code(err) != 501 && code(err) != 502 {
				t.Errorf("%s without its last byte: %v, want 501 or 502", l.name, err)
			}
			if _, err := ParseMethod(append(encoded, 0)); code(err) != 501 {
				t.Errorf("%s with a byte more: %v, want 501", l.name, err)
			}
			if IDOf(got) != id || Name(got) != l.name {
				t.Errorf("%T is %v %s, want %v %s", got, IDOf(got), Name(got), id, l.name)
			}
		}
	}
}

// code is the reply code of an error.
func code(err error) int {
	var e *amqp.Error
	errors.As(err, &e)
	if e == nil {
		return 0
	}
	return e.Code
}

// The octets are those that the specification's grammar gives: bits that stand
// together share an octet, the first in the lowest place.
func TestMethods_Octets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method Method
		want   string
	}{
		{QueueDeclare{Queue: "q", Durable: true, NoWait: true, Arguments: amqp.Table{}}, "\x00\x32\x00\x0a\x00\x00\x01q\x12\x00\x00\x00\x00"},
		{&QueueDeclare{Queue: "q", Passive: true, Exclusive: true}, "\x00\x32\x00\x0a\x00\x00\x01q\x05\x00\x00\x00\x00"},
		{&BasicPublish{Exchange: "x", RoutingKey: "k", Immediate: true}, "\x00\x3c\x00\x28\x00\x00\x01x\x01k\x02"},
		{&BasicDeliver{ConsumerTag: "c", DeliveryTag: 258, Redelivered: true, Exchange: "x"}, "\x00\x3c\x00\x3c\x01c\x00\x00\x00\x00\x00\x00\x01\x02\x01\x01x\x00"},
		{&BasicNack{DeliveryTag: 1, Requeue: true}, "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x01\x02"},
		{&BasicNack{DeliveryTag: 1, Multiple: true}, "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x00\x01\x01"},
		{ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}, "\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c"},
		{ConnectionOpen{VirtualHost: "/"}, "\x00\x0a\x00\x28\x01/\x00\x00"},
		{ChannelOpenOk{}, "\x00\x14\x00\x0b\x00\x00\x00\x00"},
	} {
		if got, err := appendMethod(nil, c.method); err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", Name(c.method), got, err, c.want)
		}
	}
}

func TestMethods_WhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, m := range []Method{
		QueueDeclare{Queue: long}, &BasicPublish{Exchange: long}, &BasicPublish{RoutingKey: long},
		&BasicDeliver{ConsumerTag: long}, &BasicDeliver{Exchange: long},
		QueueDeclare{Arguments: amqp.Table{"f": func() {}}},
	} {
		got, err := AppendMethod([]byte("before"), 1, m)
		if code(err) != 502 || string(got) != "before" {
			t.Errorf("%s: got %q, %v, want 502 and nothing written", Name(m), got, err)
		}
	}
	for _, m := range []Method{nil, 7, struct{}{}} {
		if got, err := AppendMethod(nil, 1, m); err == nil {
			t.Errorf("%#v: got % x, want an error", m, got)
		}
	}
	if got := Name(nil); got != "none" || IDOf(nil) != (ID{}) {
		t.Errorf("nil is %s %v, want none and zeros", got, IDOf(nil))
	}
}

func TestMethods_WhatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]int{
		"":                             501,
		"\x00\x3c\x00":                 501,
		"\x00\x3c\x00\x29":             540, // basic has no method 41
		"\x00\x1e\x00\x0a":             540, // nor is there a class access
		"\x00\x3c\x00\x50\x00\x00\x01": 501,
		"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x03\x01kZ": 502, // no type Z
	} {
		if m, err := ParseMethod([]byte(payload)); code(err) != want {
			t.Errorf("%q: got %+v, %v, want %d", payload, m, err, want)
		}
	}
}

// What is read is written again as the same bytes, but for the order and width that
// tables and bits leave open: then as what reads as the same.
func FuzzMethod(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for _, l := range layouts.byID {
		encoded, err := appendMethod(nil, arbitrary(r, l))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := ParseMethod(payload)
		if err != nil {
			if c := code(err); c != 501 && c != 502 && c != 540 {
				t.Fatalf("%q is refused with %v", payload, err)
			}
			return
		}
		encoded, err := appendMethod(nil, m)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", m, err)
		}
		again, err := ParseMethod(encoded)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, %v, want %+v", again, err, m)
		}
		l, _, _ := layouts.of(m)
		if general := (&reader{rest: payload[4:]}).layout(l); !reflect.DeepEqual(general, m) {
			t.Fatalf("by hand %+v, in general %+v", m, general)
		}
	})
}

func BenchmarkMethod(b *testing.B) {
	for _, m := range []Method{
		&BasicPublish{Exchange: "logs", RoutingKey: "kern.critical", Mandatory: true},
		&BasicDeliver{ConsumerTag: "ctag-1", DeliveryTag: 7, Exchange: "logs", RoutingKey: "kern.critical"},
		&BasicAck{DeliveryTag: 7},
		&BasicNack{DeliveryTag: 7},
	} {
		encoded, _ := appendMethod(nil, m)
		b.Run("append/"+Name(m), func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 256)
			for range b.N {
				_, _ = appendMethod(dst, m)
			}
		})
		b.Run("parse/"+Name(m), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				_, _ = ParseMethod(encoded)
			}
		})
	}
}

func (f field) String() string {
	text := strconv.Itoa(int(f.kind))
	if f.reserved {
		text += " reserved"
	}
	return text
}
