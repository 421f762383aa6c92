package main

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// connectTimeout is how long a broker may take to say that it is one, which a
// busy machine does in seconds.
const connectTimeout = 5 * time.Second

// A dialer dials for the NATS client, which knows no context.
type dialer func(network, address string) (net.Conn, error)

// Dial dials.
func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// connect connects to one of the addresses. The end of the context ends the
// attempt, and not the connection: there will be something to hand back.
func (a addresses) connect(ctx context.Context, opts ...nats.Option) (*nats.Conn, error) {
	attempt, end := context.WithCancel(ctx)
	defer end()
	var connected atomic.Bool
	dial := dialer(func(network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(attempt, func() {
			if !connected.Load() {
				_ = conn.Close()
			}
		})
		return conn, nil
	})
	nc, err := nats.Connect(a.dial(), append(opts, nats.SetCustomDialer(dial), nats.SkipHostLookup(), nats.Timeout(connectTimeout))...)
	connected.Store(err == nil)
	if ctx.Err() != nil && err != nil {
		return nil, ctx.Err()
	}
	return nc, err
}
