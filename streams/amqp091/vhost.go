package amqp091

import (
	"context"

	"github.com/nats-io/nats.go"

	"warren/streams"
)

// A virtualHost has the node of a virtual host, on which each client has a session. It is
// opened by whoever needs it first.
type virtualHost struct {
	nc  *nats.Conn
	cfg streams.Config

	opening chan struct{} // has room for who opens the node, or closes it
	opened  *streams.Node
}

func newVirtualHost(nc *nats.Conn, cfg streams.Config) *virtualHost {
	return &virtualHost{nc: nc, cfg: cfg, opening: make(chan struct{}, 1)}
}

// node is the node, which is opened if it is not open.
func (v *virtualHost) node(ctx context.Context) (*streams.Node, error) {
	select {
	case v.opening <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-v.opening }()
	if v.opened != nil {
		return v.opened, nil
	}
	node, err := streams.OpenNode(ctx, v.nc, v.cfg)
	if err != nil {
		return nil, err
	}
	v.opened = node
	return node, nil
}

// close ends the node; it may be opened again.
func (v *virtualHost) close() error {
	v.opening <- struct{}{}
	defer func() { <-v.opening }()
	node := v.opened
	v.opened = nil
	if node == nil {
		return nil
	}
	return node.Close(context.Background())
}
