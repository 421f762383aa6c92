package amqp091

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"warren/streams"
)

// Config is how a server works. The zero value works: it serves the virtual host
// "/" to guest with the password guest, from this machine only.
type Config struct {
	// VHosts are the virtual hosts: AMQP's name of each, and its name in package
	// streams. Default: "/" is [streams.DefaultVHost].
	VHosts map[string]string
	// Users are the users, by name. Default: guest with the password guest, which
	// may connect from a loopback address only.
	Users map[string]User
	// Session is how the nodes of the virtual hosts, and so the sessions of clients, work;
	// its VHost, User and Lead are set for each. Default: as package streams says.
	Session streams.Config
	// Product is what the server calls itself to clients. Some clients do only for
	// "RabbitMQ" what they would do for any. Default: "Warren".
	Product string
	// Version is the version that clients are told. Default: none.
	Version string
	// ChannelMax is how many channels a connection may have. Default: 2047.
	ChannelMax uint16
	// FrameMax is the largest frame in bytes, at least 4096. Default: 131072.
	FrameMax uint32
	// Heartbeat is how often each side shows that it lives, in whole seconds; a
	// client may ask for less, or for none. Default: 60s.
	Heartbeat time.Duration
	// HandshakeTimeout bounds the time from the connection to its opening.
	// Default: 10s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds how long a client is waited for that was told to close.
	// Default: 5s.
	CloseTimeout time.Duration
	// Logger is told of connections that are refused or break. Default: silent.
	Logger *slog.Logger
}

// minFrame is the smallest largest frame that AMQP allows.
const minFrame = 4096

func (c Config) withDefaults() Config {
	if c.VHosts == nil {
		c.VHosts = map[string]string{"/": streams.DefaultVHost}
	}
	if c.Product == "" {
		c.Product = "Warren"
	}
	if c.ChannelMax == 0 {
		c.ChannelMax = 2047
	}
	if c.FrameMax == 0 {
		c.FrameMax = 131072
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = time.Minute
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 10 * time.Second
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.VHosts, c.Users = maps.Clone(c.VHosts), maps.Clone(c.Users)
	return c
}

func (c Config) check() error {
	switch {
	case c.FrameMax < minFrame:
		return fmt.Errorf("the largest frame is %d bytes; use at least %d", c.FrameMax, minFrame)
	case c.Heartbeat < time.Second || c.Heartbeat%time.Second != 0 || c.Heartbeat > 65535*time.Second:
		return fmt.Errorf("the heartbeat is %v; use whole seconds, 1 to 65535", c.Heartbeat)
	case c.HandshakeTimeout < 0 || c.CloseTimeout < 0:
		return errors.New("a timeout is negative; use a positive duration")
	case c.Users != nil && len(c.Users) == 0:
		return errors.New("there are no users, so nobody could connect; leave Users nil for guest")
	}
	for vhost := range c.VHosts {
		if err := c.node(vhost).Validate(); err != nil {
			return fmt.Errorf("virtual host %q: %w", vhost, err)
		}
	}
	for name, user := range c.Users {
		if err := user.check(c.VHosts); err != nil {
			return fmt.Errorf("user %q: %w", name, err)
		}
	}
	return nil
}

// node is how the node of a virtual host works. It leads, because clients declare queues
// that expire.
func (c Config) node(vhost string) streams.Config {
	cfg := c.Session
	cfg.VHost, cfg.ShownVHost, cfg.User, cfg.Lead = c.VHosts[vhost], vhost, "", true
	if cfg.Logger == nil {
		cfg.Logger = c.Logger
	}
	return cfg
}
