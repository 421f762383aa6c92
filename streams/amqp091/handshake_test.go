package amqp091_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"warren/streams"
	"warren/streams/amqp091"
	"warren/streams/amqp091/internal/wire"
)

func TestHandshake_AnotherProtocolIsToldOurs(t *testing.T) {
	answers := func(wants map[string]string) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			for header, want := range wants {
				c := connect(t, url)
				c.write(header)
				if got, _ := io.ReadAll(c.conn); string(got) != want {
					t.Errorf("%q: got %q, want %q", header, got, want)
				}
			}
		}
	}
	const other, http, amqp10 = "AMQP\x00\x00\x09\x02", "GET / HT", "AMQP\x03\x01\x00\x00"
	onBothBut43(t,
		answers(map[string]string{other: wire.ProtocolHeader, http: wire.ProtocolHeader}),
		answers(map[string]string{other: wire.ProtocolHeader, http: amqp10}))
}

// A client that speaks another protocol is hung up on at once, however long the
// server would wait for one that closes.
func TestHandshake_AnotherProtocolIsHungUpOn(t *testing.T) {
	t.Parallel()
	c := connect(t, listen(t, amqp091.Config{CloseTimeout: time.Hour}))
	c.write("GET / HTTP/1.1\r\nHost: broker\r\n\r\n")
	if got, err := io.ReadAll(c.conn); err != nil || string(got) != wire.ProtocolHeader {
		t.Errorf("got %q, %v, want %q and the end", got, err, wire.ProtocolHeader)
	}
}

func TestHandshake_WrongPassword(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := connect(t, url)
		c.start("wrong", streams.Table{})
		if m := c.next(); m != nil {
			t.Errorf("a client that knows no refusals got %s, want the end", wire.Name(m))
		}
		c = connect(t, url)
		c.start("wrong", streams.Table{"capabilities": streams.Table{"authentication_failure_close": true}})
		got := want[*wire.ConnectionClose](c)
		if got.ReplyCode != 403 || !strings.HasPrefix(got.ReplyText, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN") {
			t.Errorf("got %d %q", got.ReplyCode, got.ReplyText)
		}
	})
}

func TestHandshake_UnknownVirtualHost(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := connect(t, url)
		c.start("guest", streams.Table{})
		want[*wire.ConnectionTune](c)
		c.send(0, wire.ConnectionTuneOk{ChannelMax: 100, FrameMax: 131072})
		c.send(0, wire.ConnectionOpen{VirtualHost: "nowhere"})
		got := want[*wire.ConnectionClose](c)
		if got.ReplyCode != 530 || got.ReplyText != "NOT_ALLOWED - vhost nowhere not found" {
			t.Errorf("got %d %q", got.ReplyCode, got.ReplyText)
		}
	})
}

func TestHandshake_TunesToTheSmaller(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := connect(t, url)
		c.start("guest", streams.Table{})
		if got := want[*wire.ConnectionTune](c); got.ChannelMax != 2047 || got.FrameMax != 131072 || got.Heartbeat != 60 {
			t.Errorf("got %+v, want 2047, 131072 and 60", *got)
		}
		c.send(0, wire.ConnectionTuneOk{ChannelMax: 1, FrameMax: 8192})
		c.send(0, wire.ConnectionOpen{VirtualHost: "/"})
		want[*wire.ConnectionOpenOk](c)
		c.send(1, wire.ChannelOpen{})
		want[*wire.ChannelOpenOk](c)
		c.send(2, wire.ChannelOpen{})
		if got := want[*wire.ConnectionClose](c); got.ReplyCode != 530 && got.ReplyCode != 504 {
			t.Errorf("a second channel of one: got %d %q", got.ReplyCode, got.ReplyText)
		}
	})
}

// Many clients send tune-ok and open in one segment.
func TestHandshake_InOneSegment(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c := connect(t, url)
		c.start("guest", streams.Table{})
		want[*wire.ConnectionTune](c)
		frames, err := wire.AppendMethod(nil, 0, wire.ConnectionTuneOk{ChannelMax: 100, FrameMax: 131072})
		if err != nil {
			t.Fatal(err)
		}
		if frames, err = wire.AppendMethod(frames, 0, wire.ConnectionOpen{VirtualHost: "/"}); err != nil {
			t.Fatal(err)
		}
		c.write(string(frames))
		want[*wire.ConnectionOpenOk](c)
		c.send(0, wire.ConnectionClose{ReplyCode: 200})
		want[*wire.ConnectionCloseOk](c)
	})
}
