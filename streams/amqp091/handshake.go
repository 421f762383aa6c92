package amqp091

import (
	"context"
	"io"
	"runtime"
	"strings"
	"time"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// loginRefused is RabbitMQ's text, which clients show.
const loginRefused = "Login was refused using authentication mechanism %s. For details see the broker logfile."

// handshake is everything from the client's first byte to connection.open-ok. It
// says false when the connection has ended instead.
func (c *connection) handshake(ctx context.Context) (bool, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.server.cfg.HandshakeTimeout))
	header := make([]byte, len(wire.ProtocolHeader))
	if _, err := io.ReadFull(c.in, header); err != nil {
		return false, err
	}
	if string(header) != wire.ProtocolHeader {
		return false, c.sayProtocol()
	}
	c.out.method(0, wire.ConnectionStart{
		VersionMinor: 9, ServerProperties: c.server.properties(), Mechanisms: "AMQPLAIN PLAIN", Locales: "en_US",
	})
	start, err := expect[*wire.ConnectionStartOk](c)
	if err != nil {
		return false, err
	}
	c.client = start.ClientProperties
	if err := c.authenticate(start); err != nil {
		return false, err
	}
	heartbeat, err := c.tune()
	if err != nil {
		return false, err
	}
	open, err := expect[*wire.ConnectionOpen](c)
	if err != nil {
		return false, err
	}
	vhost := open.VirtualHost
	if vhost == "" {
		vhost = "/"
	}
	if c.session, err = c.server.open(ctx, vhost, c.user); err != nil {
		return false, err
	}
	c.heartbeat = heartbeat
	_ = c.conn.SetReadDeadline(time.Time{})
	c.out.method(0, wire.ConnectionOpenOk{})
	return true, nil
}

// sayProtocol tells who speaks another protocol which one is spoken here, and hangs
// up. What comes meanwhile is read: a socket that is closed with something unread in
// it takes back what it has sent.
func (c *connection) sayProtocol() error {
	if _, err := io.WriteString(c.conn, wire.ProtocolHeader); err != nil {
		return err
	}
	if half, can := c.conn.(interface{ CloseWrite() error }); can && half.CloseWrite() == nil {
		_ = c.conn.SetReadDeadline(time.Now().Add(c.server.cfg.CloseTimeout))
		_, _ = io.Copy(io.Discard, io.LimitReader(c.in, largestGreeting))
	}
	return errHungUp
}

// largestGreeting is how much is read of a client that speaks another protocol.
const largestGreeting = 1 << 20

// expect reads one method of the handshake.
func expect[M wire.Method](c *connection) (M, error) {
	m, err := c.readMethod()
	if err != nil {
		return *new(M), err
	}
	wanted, ok := m.(M)
	if !ok {
		return wanted, newError(503, "COMMAND_INVALID", "expected %s and not %s", wire.Name(wanted), wire.Name(m))
	}
	return wanted, nil
}

// readMethod reads a method of channel 0, and passes over heartbeats.
func (c *connection) readMethod() (wire.Method, error) {
	for {
		f, err := c.frames.Next()
		if err != nil {
			return nil, err
		}
		payload, err := c.frames.Payload()
		switch {
		case err != nil:
			return nil, err
		case f.Type == wire.FrameHeartbeat:
			continue
		case f.Type != wire.FrameMethod || f.Channel != 0:
			return nil, newError(504, "CHANNEL_ERROR", "a frame of type %d on channel %d before the connection is open", f.Type, f.Channel)
		}
		return wire.ParseMethod(payload)
	}
}

// capabilities are those of RabbitMQ that Warren has.
var capabilities = []string{
	"publisher_confirms", "basic.nack", "consumer_cancel_notify", "authentication_failure_close", "per_consumer_qos",
	blocked,
}

// properties is what the server tells of itself.
func (s *Server) properties() streams.Table {
	able := streams.Table{}
	for _, capability := range capabilities {
		able[capability] = true
	}
	return streams.Table{
		"product": s.cfg.Product, "version": s.cfg.Version, "platform": runtime.Version(),
		"information": "AMQP 0-9-1 on NATS JetStream", "capabilities": able,
	}
}

// can reports whether the client says that it has a capability.
func (c *connection) can(capability string) bool {
	capabilities, _ := c.client["capabilities"].(streams.Table)
	able, _ := capabilities[capability].(bool)
	return able
}

// authenticate finds out who the client is. One that would not understand a refusal
// is hung up on, as AMQP 0-9-1 asks.
func (c *connection) authenticate(start *wire.ConnectionStartOk) error {
	user, password, err := credentials(start)
	if err != nil {
		return err
	}
	refusal := c.server.logIn(user, password, c.conn.RemoteAddr())
	if refusal == nil {
		c.user = user
		return nil
	}
	c.server.cfg.Logger.Warn("refused an AMQP client", "user", user, "address", c.conn.RemoteAddr(), "reason", refusal)
	if !c.can("authentication_failure_close") {
		return errHungUp
	}
	return connectionError(403, "ACCESS_REFUSED", loginRefused, start.Mechanism)
}

// credentials reads the answer to a mechanism: PLAIN is authorization id, user and
// password with zeros between them, AMQPLAIN the fields of a table.
func credentials(start *wire.ConnectionStartOk) (user, password string, err error) {
	response := string(start.Response)
	switch start.Mechanism {
	case "PLAIN":
		parts := strings.Split(response, "\x00")
		if len(parts) == 3 {
			return parts[1], parts[2], nil
		}
	case "AMQPLAIN":
		var t streams.Table
		if t.UnmarshalBinary(append(length(response), response...)) == nil {
			user, isUser := t["LOGIN"].(string)
			password, isPassword := t["PASSWORD"].(string)
			if isUser && isPassword {
				return user, password, nil
			}
		}
	default:
		return "", "", connectionError(504, "CHANNEL_ERROR", "unknown authentication mechanism '%s'; use PLAIN or AMQPLAIN", start.Mechanism)
	}
	return "", "", connectionError(501, "FRAME_ERROR", "the response to %s is malformed", start.Mechanism)
}

// length is the length of a table's fields as it stands in front of them.
func length(fields string) []byte {
	n := len(fields)
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// tune agrees on limits: of what both offer the smaller, where 0 is no limit. The
// heartbeat is the client's choice.
func (c *connection) tune() (heartbeat time.Duration, err error) {
	cfg := c.server.cfg
	c.out.method(0, wire.ConnectionTune{ChannelMax: cfg.ChannelMax, FrameMax: cfg.FrameMax, Heartbeat: uint16(cfg.Heartbeat / time.Second)})
	ok, err := expect[*wire.ConnectionTuneOk](c)
	if err != nil {
		return 0, err
	}
	if ok.FrameMax != 0 && ok.FrameMax < minFrame {
		return 0, connectionError(530, "NOT_ALLOWED", "negotiated frame_max = %d is lower than the minimum allowed value (%d)", ok.FrameMax, minFrame)
	}
	if ok.FrameMax > cfg.FrameMax {
		return 0, connectionError(530, "NOT_ALLOWED", "negotiated frame_max = %d is higher than the maximum allowed value (%d)", ok.FrameMax, cfg.FrameMax)
	}
	c.channelMax = smaller(cfg.ChannelMax, ok.ChannelMax)
	c.frameMax = smaller(cfg.FrameMax, ok.FrameMax)
	c.frames.SetMax(c.frameMax)
	return time.Duration(ok.Heartbeat) * time.Second, nil
}

// smaller is the smaller of two limits, where 0 is none.
func smaller[N uint16 | uint32](a, b N) N {
	if b == 0 {
		return a
	}
	return min(a, b)
}
