package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// newTestReader reads frames of at most 4096 bytes.
func newTestReader(stream string) *Reader {
	return NewReader(bufio.NewReader(strings.NewReader(stream)), 4096)
}

func TestFrames_ComeBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789"), 1000)
	stream := AppendHeartbeat(nil)
	stream, err := AppendMethod(stream, 65535, &BasicAck{DeliveryTag: 1})
	if err != nil {
		t.Fatal(err)
	}
	stream = AppendBody(stream, 7, body, 4096)
	stream = AppendBody(stream, 7, nil, 4096)
	r := newTestReader(string(stream))
	var got []byte
	var frames []Frame
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		payload, err2 := r.Payload()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		frames = append(frames, f)
		if f.Type == FrameBody {
			got = append(got, payload...)
		}
	}
	want := []Frame{{FrameHeartbeat, 0, 0}, {FrameMethod, 65535, 13}, {FrameBody, 7, 4088}, {FrameBody, 7, 4088}, {FrameBody, 7, 1824}}
	if !bytes.Equal(got, body) || len(frames) != len(want) {
		t.Fatalf("got %v and %d bytes, want %v and %d", frames, len(got), want, len(body))
	}
	for i := range want {
		if frames[i] != want[i] {
			t.Errorf("frame %d is %v, want %v", i, frames[i], want[i])
		}
	}
}

func TestFrames_WhatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	heartbeat := string(AppendHeartbeat(nil))
	for _, c := range []struct {
		what, stream string
		want         int
	}{
		{"a type that is none", "\x04\x00\x00\x00\x00\x00\x00\xce", 501},
		{"a protocol header", ProtocolHeader, 501},
		{"another end", heartbeat[:7] + "\xcd", 501},
		{"too large", "\x03\x00\x01\x00\x00\x0f\xf9", 501},
		{"nearly 4 GiB", "\x03\x00\x01\xff\xff\xff\xff", 501},
	} {
		r := newTestReader(c.stream)
		_, err := r.Next()
		if err == nil {
			_, err = r.Payload()
		}
		if code(err) != c.want {
			t.Errorf("%s: %v, want %d", c.what, err, c.want)
		}
	}
	for n := 1; n < len(heartbeat); n++ {
		r := newTestReader(heartbeat[:n])
		_, err := r.Next()
		if err == nil {
			_, err = r.Payload()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of a heartbeat: %v, want an unexpected end", n, err)
		}
	}
	largest := string(AppendBody(nil, 1, make([]byte, 4088), 4096))
	if _, err := newTestReader(largest).Next(); err != nil {
		t.Errorf("a frame of 4096 bytes: %v", err)
	}
}

// Every stream is read as frames that, written again, are the same stream up to
// where it is refused.
func FuzzFrames(f *testing.F) {
	f.Add(AppendHeartbeat(AppendBody(nil, 1, []byte("body"), 0)))
	f.Add([]byte(ProtocolHeader))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := newTestReader(string(stream))
		var written []byte
		for {
			f, err := r.Next()
			if err != nil {
				break
			}
			payload, err := r.Payload()
			if err != nil {
				break
			}
			start := len(written)
			written, _ = endFrame(append(beginFrame(written, f.Type, f.Channel), payload...), start, nil)
		}
		if !bytes.HasPrefix(stream, written) {
			t.Fatalf("%q was read as %q", stream, written)
		}
	})
}
