package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"warren/streams/internal/amqp"
)

// The types of frames.
const (
	FrameMethod    = 1
	FrameHeader    = 2
	FrameBody      = 3
	FrameHeartbeat = 8
)

// frameEnd is the last octet of every frame.
const frameEnd = 0xCE

// frameOverhead is what a frame has around its payload.
const frameOverhead = 8

// ProtocolHeader is what a client of AMQP 0-9-1 sends first, and what a server
// answers to any other beginning before it hangs up.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

// A Frame is the beginning of a frame: its payload comes next.
type Frame struct {
	Type    uint8
	Channel uint16
	Size    int // of the payload
}

// A Reader reads frames, one after the other: [Reader.Next], then
// [Reader.Payload] or [Reader.ReadInto], and so on. It is used by one goroutine.
type Reader struct {
	r       *bufio.Reader
	max     uint32
	size    int // of the payload that is to be read
	head    [7]byte
	payload []byte
}

// NewReader makes a reader of frames of at most max bytes, overhead included;
// 0 is no limit.
func NewReader(r *bufio.Reader, max uint32) *Reader { return &Reader{r: r, max: max} }

// SetMax sets how large the next frames may be.
func (r *Reader) SetMax(max uint32) { r.max = max }

// Next reads the beginning of a frame. A type that AMQP does not have, and a frame
// that is too large, are 501; a stream that ends between two frames is [io.EOF].
func (r *Reader) Next() (Frame, error) {
	b := &r.head
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{b[0], binary.BigEndian.Uint16(b[1:]), int(binary.BigEndian.Uint32(b[3:]))}
	switch f.Type {
	case FrameMethod, FrameHeader, FrameBody, FrameHeartbeat:
	default:
		return f, frameError("there is no frame type %d (channel %d)", f.Type, f.Channel)
	}
	if r.max > 0 && uint64(f.Size)+frameOverhead > uint64(r.max) {
		return f, frameError("a frame of type %d has %d bytes; %d are negotiated", f.Type, f.Size+frameOverhead, r.max)
	}
	r.size = f.Size
	return f, nil
}

// Payload reads the payload of the frame, which is valid until the next call.
func (r *Reader) Payload() ([]byte, error) {
	if cap(r.payload) < r.size {
		r.payload = make([]byte, r.size)
	}
	p := r.payload[:r.size]
	if r.size > keptPayload {
		r.payload = nil
	}
	return p, r.ReadInto(p)
}

// keptPayload is how large a buffer a reader keeps for the next frame.
const keptPayload = 4096

// ReadInto reads the payload of the frame into p, which has its size. A frame that
// does not end as frames do is 501.
func (r *Reader) ReadInto(p []byte) error {
	if _, err := io.ReadFull(r.r, p); err != nil {
		return unexpected(err)
	}
	end, err := r.r.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	if end != frameEnd {
		return frameError("a frame of %d bytes ends with %#02x and not with %#02x", r.size+frameOverhead, end, frameEnd)
	}
	return nil
}

// unexpected is the end of the stream within a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendMethod appends a frame with a method. A field that AMQP cannot carry is an
// error of 502, and nothing is appended.
func AppendMethod(dst []byte, channel uint16, m Method) ([]byte, error) {
	start := len(dst)
	dst, err := appendMethod(beginFrame(dst, FrameMethod, channel), m)
	return endFrame(dst, start, err)
}

// AppendHeader appends a frame with a content header: the size of the body that
// follows, and the properties of a message. A property that AMQP cannot carry is an
// error of 502, and nothing is appended.
func AppendHeader(dst []byte, channel uint16, size int, m *amqp.Message) ([]byte, error) {
	start := len(dst)
	dst, err := appendHeader(beginFrame(dst, FrameHeader, channel), uint64(size), m)
	return endFrame(dst, start, err)
}

// AppendBody appends a body in frames of at most max bytes, overhead included; 0 is
// no limit. An empty body has no frame.
func AppendBody(dst []byte, channel uint16, body []byte, max uint32) []byte {
	room := len(body)
	if max > 0 {
		room = min(room, int(max)-frameOverhead)
	}
	for len(body) > 0 {
		n := min(room, len(body))
		start := len(dst)
		dst = append(beginFrame(dst, FrameBody, channel), body[:n]...)
		dst, _ = endFrame(dst, start, nil)
		body = body[n:]
	}
	return dst
}

// AppendHeartbeat appends a heartbeat.
func AppendHeartbeat(dst []byte) []byte {
	return append(beginFrame(dst, FrameHeartbeat, 0), frameEnd)
}

// beginFrame appends the beginning of a frame whose size endFrame writes.
func beginFrame(dst []byte, kind uint8, channel uint16) []byte {
	return append(dst, kind, byte(channel>>8), byte(channel), 0, 0, 0, 0)
}

// endFrame ends the frame that begins at start, or takes it back after an error.
func endFrame(dst []byte, start int, err error) ([]byte, error) {
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(dst[start+3:], uint32(len(dst)-start-7))
	return append(dst, frameEnd), nil
}
