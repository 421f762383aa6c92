package streams

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A Node is a process's part of a virtual host: what all sessions in it share. Each part
// has a lock of its own, and asks the broker without holding it.
type Node struct {
	*site
	*errands
	*link
	live       *live
	topology   *topology
	clock      *brokerClock
	epoch      *epoch
	attendance *attendance
	registry   *registry
	peers      *peers
	confirms   *confirms
	exchanges  exchangeCache
	changes    listening // of exchanges

	queueLocks   jsapi.KeyedLocks
	enrolling    jsapi.KeyedLocks
	sweeping     jsapi.KeyedLocks // by source: dropping what has ended
	fronts       fronts
	settledHomes settledHomes
	slow         sync.Map      // the pace of streams that batches paid for, by name
	places       atomic.Uint64 // counts messages for later
}

type node = Node

// A site is where a node works: JetStream, the virtual host, how the node is configured,
// and the node's id. It does not change once the node is open.
type site struct {
	js    jsapi.Client
	vhost vhost
	cfg   Config
	id    string
}

func newNode(nc *nats.Conn, v vhost, cfg Config, lease time.Duration) *Node {
	at := &site{vhost: v, cfg: cfg, id: newID()}
	n := &Node{site: at, errands: newErrands(context.Background()), live: &live{site: at}}
	n.link = newLink(nc, at, n.errands)
	n.clock = &brokerClock{site: at, link: n.link}
	n.epoch = &epoch{site: at, live: n.live, clock: n.clock}
	n.attendance = &attendance{site: at, link: n.link, live: n.live, lease: lease}
	n.registry = &registry{site: at, live: n.live}
	n.peers = &peers{site: at, link: n.link, registry: n.registry, attendance: n.attendance}
	return n
}

// connect checks that the server can do what a node needs, and opens the records.
func (n *Node) connect(ctx context.Context) error {
	if err := checkServer(n.nc); err != nil {
		return err
	}
	js, err := jetstream.New(n.nc)
	if err != nil {
		return err
	}
	n.js.JetStream = js
	if n.topology, err = openTopology(ctx, n.js, n.vhost, n.cfg.Replicas); err != nil {
		return hintJetStream(err)
	}
	n.registry.topology = n.topology
	return nil
}

// minServer is the first server with message traces and per-message expiry.
const minServer = "2.11"

func checkServer(nc *nats.Conn) error {
	if nc.IsClosed() {
		return nats.ErrConnectionClosed
	}
	version := nc.ConnectedServerVersion()
	if version != "" && olderThan(version, 2, 11) {
		return fmt.Errorf("the NATS server at %s is version %s; Warren needs %s or newer", nc.ConnectedUrlRedacted(), version, minServer)
	}
	return nil
}

func olderThan(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	have, err1 := strconv.Atoi(parts[0])
	haveMinor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return have < major || have == major && haveMinor < minor
}

// hintJetStream says what to do when the server has no JetStream.
func hintJetStream(err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("the NATS server has no JetStream; start it with JetStream enabled (nats-server -js): %w", err)
	}
	return err
}
