package amqp091

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// A connection is one client: its socket, its session and its channels. One
// goroutine reads and does what the client asks for, and one writes when there is
// something to write.
type connection struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	frames *wire.Reader
	out    *outbox

	client     streams.Table // what it says of itself
	user       string
	session    *streams.Session
	channelMax uint16
	frameMax   uint32
	heartbeat  time.Duration
	ending     atomic.Bool // connection.close was sent: only its answer counts
	lost       func()      // ends what waits for the client's sake

	flowing  sync.Mutex // held while the flow of a channel is changed
	mu       sync.Mutex
	channels map[uint16]*channel
	roomless map[*channel]bool // those whose messages the broker has no room for
}

// errHungUp is the end of a connection that needs no word, or has had it.
var errHungUp = errors.New("the connection is closed")

// readBuffer is how much is read from a client at once.
const readBuffer = 4096

func newConnection(s *Server, conn net.Conn) *connection {
	c := &connection{server: s, conn: conn, channels: make(map[uint16]*channel), roomless: make(map[*channel]bool)}
	c.in = bufio.NewReaderSize(&patientReader{c}, readBuffer)
	c.frames = wire.NewReader(c.in, minFrame)
	c.out = newOutbox(conn, c.flow, c.cutOff)
	return c
}

// A patientReader reads from the client, which has two heartbeats of time to send
// something.
type patientReader struct{ c *connection }

func (r *patientReader) Read(p []byte) (int, error) {
	if r.c.heartbeat > 0 && !r.c.ending.Load() {
		_ = r.c.conn.SetReadDeadline(time.Now().Add(2 * r.c.heartbeat))
	}
	return r.c.conn.Read(p)
}

// run serves the client until it is gone, or the context ends.
func (c *connection) run(ctx context.Context) {
	alive, lost := context.WithCancel(ctx)
	defer lost()
	c.lost = lost
	err := c.serve(ctx, alive)
	c.leave()
	if err == nil || errors.Is(err, errClosing) {
		c.drain(errors.Is(err, errClosing))
	}
	c.out.finish()
	_ = c.conn.Close()
}

// cutOff ends a connection that cannot be written to.
func (c *connection) cutOff() {
	_ = c.conn.Close() // the reader notices
	c.lost()           // even if it waits for the broker to have room
}

// errClosing is the end of a connection that the client, or the server, has closed
// in good order.
var errClosing = errors.New("the client closes the connection")

// serve does what the client asks for until it closes the connection, which is
// errClosing, or is told to, which is nil, or is lost. What it asks for is done while
// the client is alive.
func (c *connection) serve(ctx, alive context.Context) error {
	opened, err := c.handshake(alive)
	if err != nil || !opened {
		return c.end(err)
	}
	stop := context.AfterFunc(ctx, func() {
		c.sendClose(newError(320, "CONNECTION_FORCED", "broker forced connection closure with reason 'shutdown'"), wire.ID{})
	})
	defer stop()
	defer c.beat()()
	for {
		err := c.next(alive)
		if c.ending.Load() && err == nil {
			return nil
		}
		if err != nil {
			return c.end(err)
		}
	}
}

// end tells the client why the connection ends, if there is anybody to tell. What is
// no condition of AMQP is the end of the socket.
func (c *connection) end(err error) error {
	var e *streams.Error
	switch {
	case err == nil, errors.Is(err, errClosing), errors.Is(err, errHungUp):
		return err
	case !errors.As(err, &e):
		if !errors.Is(err, io.EOF) && !c.ending.Load() {
			c.server.cfg.Logger.Info("lost an AMQP client", "address", c.conn.RemoteAddr(), "error", err)
		}
		return errHungUp
	}
	reason, _ := condition(err)
	c.server.cfg.Logger.Warn("closed the connection of an AMQP client", "address", c.conn.RemoteAddr(), "reason", reason)
	c.sendClose(reason, causeOf(err))
	return nil
}

// sendClose sends connection.close, once, and gives the client some time to answer.
func (c *connection) sendClose(reason *streams.Error, cause wire.ID) {
	if c.ending.Swap(true) {
		return
	}
	c.out.method(0, wire.ConnectionClose{
		ReplyCode: uint16(reason.Code), ReplyText: replyText(reason), ClassID: cause.Class, MethodID: cause.Method,
	})
	_ = c.conn.SetReadDeadline(time.Now().Add(c.server.cfg.CloseTimeout))
}

// abort closes the connection, from any goroutine.
func (c *connection) abort(err error) {
	reason, _ := condition(err)
	c.server.cfg.Logger.Error("closed the connection of an AMQP client", "address", c.conn.RemoteAddr(), "reason", reason)
	c.sendClose(reason, causeOf(err))
}

// beat sends heartbeats, twice as often as agreed, until it is stopped.
func (c *connection) beat() (stop func()) {
	if c.heartbeat == 0 {
		return func() {}
	}
	var mu sync.Mutex
	stopped := false
	var timer *time.Timer
	send := func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			c.out.heartbeat()
			timer.Reset(c.heartbeat / 2)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(c.heartbeat/2, send)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// leave ends the session: what was published is with the broker, what is unsettled
// is back in its queues, and exclusive queues are gone.
func (c *connection) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), c.server.cfg.CloseTimeout)
	defer cancel()
	for _, ch := range c.allChannels() {
		if !c.isBlocked() { // else nobody knows when the broker will have room
			ch.flush(ctx)
		}
		ch.silence()
	}
	if c.session == nil {
		return
	}
	if err := c.session.Close(context.Background()); err != nil {
		c.server.cfg.Logger.Warn("could not end a session in good order", "address", c.conn.RemoteAddr(), "error", err)
	}
}

// drain sends close-ok if it is the client that closes, and reads until the client
// hangs up or answers, or has had its time.
func (c *connection) drain(answer bool) {
	if answer {
		c.ending.Store(true)
		c.out.method(0, wire.ConnectionCloseOk{})
		c.out.close()
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(c.server.cfg.CloseTimeout))
	for {
		f, err := c.frames.Next()
		if err != nil {
			return
		}
		payload, err := c.frames.Payload()
		if err != nil {
			return
		}
		if f.Type != wire.FrameMethod || f.Channel != 0 {
			continue
		}
		m, _ := wire.ParseMethod(payload)
		switch m.(type) {
		case *wire.ConnectionCloseOk:
			return
		case *wire.ConnectionClose:
			c.out.method(0, wire.ConnectionCloseOk{})
			return
		}
	}
}

// next reads a frame and does what it asks for.
func (c *connection) next(ctx context.Context) error {
	f, err := c.frames.Next()
	if err != nil {
		return err
	}
	if f.Channel == 0 || f.Type == wire.FrameHeartbeat {
		return c.control(f)
	}
	ch := c.channel(f.Channel)
	if ch == nil {
		return c.openChannel(f)
	}
	if f.Type == wire.FrameBody && !ch.closing {
		return ch.ended(ctx, ch.body(ctx, f))
	}
	payload, err := c.frames.Payload()
	if err != nil {
		return err
	}
	if f.Type == wire.FrameHeader && !ch.closing {
		return ch.ended(ctx, ch.header(ctx, payload))
	}
	if f.Type != wire.FrameMethod {
		return nil // of a channel that is closing
	}
	return ch.method(ctx, payload)
}

// control does what comes on channel 0.
func (c *connection) control(f wire.Frame) error {
	payload, err := c.frames.Payload()
	switch {
	case err != nil:
		return err
	case f.Type == wire.FrameHeartbeat:
		return nil
	case f.Type != wire.FrameMethod:
		return newError(505, "UNEXPECTED_FRAME", "content on channel 0")
	}
	m, err := wire.ParseMethod(payload)
	if err != nil {
		return err
	}
	switch m.(type) {
	case *wire.ConnectionClose:
		return errClosing
	case *wire.ConnectionCloseOk:
		return errHungUp
	case *wire.ConnectionUpdateSecret:
		c.out.method(0, wire.ConnectionUpdateSecretOk{})
		return nil
	}
	return newError(503, "COMMAND_INVALID", "%s on channel 0 of an open connection", wire.Name(m))
}

// openChannel opens the channel that a frame is for, which nobody has opened.
func (c *connection) openChannel(f wire.Frame) error {
	payload, err := c.frames.Payload()
	if err != nil {
		return err
	}
	m, err := wire.ParseMethod(payload)
	if _, is := m.(*wire.ChannelOpen); f.Type != wire.FrameMethod || err != nil || !is {
		return blamed{newError(504, "CHANNEL_ERROR", "expected 'channel.open'"), wire.IDOf(m)}
	}
	if c.channelMax > 0 && f.Channel > c.channelMax {
		return newError(530, "NOT_ALLOWED", "channel %d; the negotiated channel_max is %d", f.Channel, c.channelMax)
	}
	ch, err := newChannel(c, f.Channel)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.channels[f.Channel] = ch
	c.mu.Unlock()
	c.out.method(f.Channel, wire.ChannelOpenOk{})
	return nil
}

func (c *connection) channel(id uint16) *channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[id]
}

func (c *connection) allChannels() []*channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*channel, 0, len(c.channels))
	for _, ch := range c.channels {
		all = append(all, ch)
	}
	return all
}

func (c *connection) forget(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.channels, ch.id)
}

// flow stops the deliveries of a client that does not keep up with them, or lets
// them come again.
func (c *connection) flow() {
	for _, ch := range c.allChannels() {
		ch.flow()
	}
}
