package amqp091

import (
	"net"
	"sync"
	"time"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// outboxFull is how many bytes wait for a client before its consumers are sent no
// more; with half of that they are again.
const outboxFull = 1 << 20

// An outbox is what waits to be written to a client, in order. Whatever fills it does
// not wait for the socket: one goroutine writes, which is there only while there is
// something to write.
type outbox struct {
	conn   net.Conn
	wait   time.Duration // for a write of a client that does not read
	flow   func()        // called when isFull has changed
	failed func()        // called when writing fails

	mu      sync.Mutex
	buf     *buffer    // nil if nothing waits
	dirty   []*channel // that have confirms to write
	writing int        // bytes that are being written
	full    bool       // see isFull
	closed  bool
	busy    bool           // somebody writes
	writer  sync.WaitGroup // for that
}

// clientStalls is how long a client may stop reading before it is cut off.
const clientStalls = 30 * time.Second

func newOutbox(conn net.Conn, flow, failed func()) *outbox {
	return &outbox{conn: conn, wait: clientStalls, flow: flow, failed: failed}
}

// method puts a method in.
func (o *outbox) method(channel uint16, m wire.Method) {
	_ = o.put(func(buf []byte) ([]byte, error) { return wire.AppendMethod(buf, channel, m) })
}

// content puts a method in and the message that belongs to it, with nothing between
// them.
func (o *outbox) content(channel uint16, m wire.Method, message *streams.Message, frameMax uint32) error {
	return o.put(func(buf []byte) ([]byte, error) {
		buf, err := wire.AppendMethod(buf, channel, m)
		if err != nil {
			return buf, err
		}
		if buf, err = wire.AppendHeader(buf, channel, len(message.Body), message); err != nil {
			return buf, err
		}
		return wire.AppendBody(buf, channel, message.Body, frameMax), nil
	})
}

// heartbeat puts a heartbeat in, if nothing else waits.
func (o *outbox) heartbeat() {
	_ = o.put(func(buf []byte) ([]byte, error) {
		if len(buf) > 0 {
			return buf, nil
		}
		return wire.AppendHeartbeat(buf), nil
	})
}

// A buffer is used by one outbox after the other: most have nothing to write.
type buffer struct{ octets []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// keptBuffer is how large a buffer is kept for whoever is next.
const keptBuffer = 256 << 10

// free gives a buffer to whoever is next.
func (b *buffer) free() {
	if cap(b.octets) <= keptBuffer {
		b.octets = b.octets[:0]
		buffers.Put(b)
	}
}

// put appends what f appends, or nothing if it fails.
func (o *outbox) put(f func([]byte) ([]byte, error)) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	if o.buf == nil {
		o.buf = buffers.Get().(*buffer)
	}
	before := len(o.buf.octets)
	octets, err := f(o.buf.octets)
	if err != nil {
		octets = octets[:before]
	}
	o.buf.octets = octets
	filled := !o.full && len(octets)+o.writing > outboxFull
	o.full = o.full || filled
	o.rouse()
	o.mu.Unlock()
	if filled {
		go o.flow() // whoever puts something in may hold a lock of its channel
	}
	return err
}

// confirms notes that a channel has confirms to write.
func (o *outbox) confirms(ch *channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.dirty = append(o.dirty, ch)
	o.rouse()
}

// rouse has what waits written. The lock is held.
func (o *outbox) rouse() {
	if !o.busy {
		o.busy = true
		o.writer.Go(o.run)
	}
}

// run writes until nothing waits, or writing fails.
func (o *outbox) run() {
	for buf := o.take(); buf != nil; buf = o.take() {
		_ = o.conn.SetWriteDeadline(time.Now().Add(o.wait))
		if _, err := o.conn.Write(buf.octets); err != nil {
			o.close() // nobody writes any more
			o.failed()
			return
		}
		o.wrote(buf)
	}
}

// take takes everything that waits. It gives nil if nothing does, and whoever puts
// something in then has it written by another.
func (o *outbox) take() (buf *buffer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.dirty) > 0 {
		dirty := o.dirty
		o.dirty = nil
		o.mu.Unlock()
		for _, ch := range dirty {
			ch.writeConfirms()
		}
		o.mu.Lock()
	}
	buf, o.buf = o.buf, nil
	if buf == nil {
		o.busy = false
		return nil
	}
	o.writing = len(buf.octets)
	return buf
}

func (o *outbox) wrote(buf *buffer) {
	buf.free()
	o.mu.Lock()
	o.writing = 0
	freed := o.full && o.waiting() <= outboxFull/2
	o.full = o.full && !freed
	o.mu.Unlock()
	if freed {
		o.flow()
	}
}

// waiting is how many bytes wait to be written. The lock is held.
func (o *outbox) waiting() int {
	if o.buf == nil {
		return 0
	}
	return len(o.buf.octets)
}

// isFull reports whether the client is to be sent no more messages for now.
func (o *outbox) isFull() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full
}

// close takes nothing in any more.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// finish is close, and returns when everything is written, or writing has failed.
func (o *outbox) finish() {
	o.close()
	o.writer.Wait()
}
