package compare

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"warren/streams"
)

// warrenLease is the lease that Warren's queues have unless they say otherwise.
const warrenLease = 10 * time.Second

// closeTimeout is how long clearing away may take.
const closeTimeout = 30 * time.Second

// warren is Warren on a nats-server, in a virtual host of its own.
type warren struct {
	server   Server
	replicas int
	features Features
	vhost    string
}

// NewWarren is Warren on a server, which it takes over: its Close closes that, too,
// and so does a failure.
func NewWarren(ctx context.Context, s Server, replicas int) (Target, error) {
	w := &warren{server: s, replicas: replicas, vhost: "compare-" + nuid.Next()}
	f, err := natsFeatures(ctx, s, replicas)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	f.Client = "warren " + moduleVersion("warren") + " on nats.go " + nats.Version
	f.Lease = warrenLease
	w.features = f
	return w, nil
}

// natsFeatures asks a server what it is.
func natsFeatures(ctx context.Context, s Server, replicas int) (Features, error) {
	nc, err := s.Dial()
	if err != nil {
		return Features{}, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return Features{}, err
	}
	if _, err := js.AccountInfo(ctx); err != nil {
		return Features{}, err
	}
	sync, _ := s.Sync()
	return Features{
		Broker: "nats-server", Version: nc.ConnectedServerVersion(), Transport: s.Transport(),
		Classes: natsClasses(s), Sync: sync, Replicas: max(replicas, 1), MaxBytes: nc.MaxPayload(),
	}, nil
}

func (w *warren) Name() string                                 { return "warren " + w.server.Label() }
func (w *warren) Features() Features                           { return w.features }
func (w *warren) Usage(ctx context.Context) (Usage, bool)      { return w.server.Usage(ctx) }
func (w *warren) Traffic() Traffic                             { return w.server.Traffic() }
func (w *warren) Restart(ctx context.Context, kill bool) error { return w.server.Restart(ctx, kill) }

func (w *warren) Address() Address {
	return natsAddress(warrenAddress, w.server, w.replicas, w.vhost)
}

// Close removes the virtual host.
func (w *warren) Close() error {
	return errors.Join(removeStreams(w.server, w.vhost), w.server.Close())
}

// removeStreams removes the streams whose names have a mark in them. Those of a
// server that was started for the target go with it.
func removeStreams(s Server, mark string) (err error) {
	if _, foreign := s.(*at); !foreign {
		return nil
	}
	nc, err := s.Dial()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.Contains(name, mark) {
			err = errors.Join(err, js.DeleteStream(ctx, name))
		}
	}
	return errors.Join(err, names.Err())
}

// Connect opens a session.
func (w *warren) Connect(ctx context.Context) (Conn, error) {
	nc, err := w.server.Dial(patient()...)
	if err != nil {
		return nil, err
	}
	s, err := w.session(ctx, nc, warrenLease)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &warrenConn{Session: s, nc: nc, target: w}, nil
}

func (w *warren) session(ctx context.Context, nc *nats.Conn, lease time.Duration) (*streams.Session, error) {
	return streams.Open(ctx, nc, streams.Config{VHost: w.vhost, Replicas: w.replicas, Lease: lease})
}

// patient connections wait for a broker that is started again.
func patient() []nats.Option {
	return []nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.Timeout(10 * time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // they may break on purpose
	}
}

// warrenConn is a session on a connection of its own.
type warrenConn struct {
	*streams.Session
	nc     *nats.Conn
	target *warren
}

func (c *warrenConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	defer c.nc.Close()
	return c.Session.Close(ctx)
}

func (c *warrenConn) DeclareExchange(ctx context.Context, x Exchange) error {
	return c.Session.DeclareExchange(ctx, streams.Exchange{Name: x.Name, Kind: streams.Kind(x.Kind), Durable: x.Durable})
}

// DeclareQueue declares a queue. A lease is a session's, so one of its own is for
// a queue that has another.
func (c *warrenConn) DeclareQueue(ctx context.Context, q Queue) (_ string, err error) {
	durable, err := storedInFiles(c.target.server, q.Class)
	if err != nil {
		return "", err
	}
	s := c.Session
	if q.Lease != 0 && !q.Exclusive {
		if s, err = c.target.session(ctx, c.nc, q.Lease); err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, s.Close(ctx)) }()
	}
	info, err := s.DeclareQueue(ctx, streams.Queue{Name: q.Name, Durable: durable, Exclusive: q.Exclusive})
	return info.Name, err
}

func (c *warrenConn) Bind(ctx context.Context, queue, exchange, key string) error {
	return c.Session.Bind(ctx, streams.Binding{Exchange: exchange, Queue: queue, Key: key})
}

func (c *warrenConn) Unbind(ctx context.Context, queue, exchange, key string) error {
	return c.Session.Unbind(ctx, streams.Binding{Exchange: exchange, Queue: queue, Key: key})
}

func (c *warrenConn) DeleteQueue(ctx context.Context, queue string) error {
	_, err := c.Session.DeleteQueue(ctx, queue)
	return err
}

func (c *warrenConn) DeleteExchange(ctx context.Context, exchange string) error {
	return c.Session.DeleteExchange(ctx, exchange)
}

func (c *warrenConn) Ready(ctx context.Context, queue string) (int, error) {
	info, err := c.InspectQueue(ctx, queue)
	return info.Ready, err
}

func (c *warrenConn) Unsettled(ctx context.Context, queue string) (int, error) {
	info, err := c.InspectQueue(ctx, queue)
	return info.Ready + info.Unacked, err
}

func (c *warrenConn) Publisher(_ context.Context, window int) (Publisher, error) {
	p := new(warrenPublisher)
	var err error
	p.publisher, err = c.Session.Publisher(streams.PublisherOptions{Window: window, Confirmed: p.confirmed})
	return p, err
}

// warrenPublisher calls back in the order in which was published, which is that
// of the confirms.
type warrenPublisher struct {
	publisher *streams.Publisher
	order     sync.Mutex // held while a message is published
	waiting   fifo[func(error)]
}

func (p *warrenPublisher) Publish(ctx context.Context, exchange, key string, m Message, confirmed func(error)) error {
	out := streams.Message{Body: m.Body, MessageID: m.ID, DeliveryMode: streams.Persistent}
	if m.Class == D0 {
		out.DeliveryMode = streams.Transient
	}
	var flags []streams.PublishFlag
	if m.Mandatory {
		flags = append(flags, streams.Mandatory)
	}
	p.order.Lock()
	defer p.order.Unlock()
	p.waiting.push(confirmed)
	if _, err := p.publisher.Publish(ctx, exchange, key, out, flags...); err != nil {
		p.waiting.popLast()
		return err
	}
	return nil
}

func (p *warrenPublisher) confirmed(c *streams.Confirm) {
	err := c.Err()
	if errors.Is(err, streams.ErrNoRoute) {
		err = errors.Join(ErrUnroutable, err)
	}
	p.waiting.pop()(err)
}

// Close says only whether it waited long enough: each message's outcome was told.
func (p *warrenPublisher) Close(ctx context.Context) error {
	err := p.publisher.Flush(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (c *warrenConn) Consume(ctx context.Context, queue string, prefetch int, handle func(Delivery)) (func() error, error) {
	consumer, err := c.Session.Consume(ctx, queue, streams.ConsumeOptions{Prefetch: prefetch})
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = consumer.Run(running, func(d *streams.Delivery) { handle(warrenDelivery{d}) })
	}()
	return sync.OnceValue(func() error {
		end()
		<-ended
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return consumer.Cancel(ctx)
	}), nil
}

type warrenDelivery struct{ d *streams.Delivery }

func (d warrenDelivery) Message() Message {
	m := Message{ID: d.d.MessageID, Body: d.d.Body, Class: D1}
	if d.d.DeliveryMode != streams.Persistent {
		m.Class = D0
	}
	return m
}

func (d warrenDelivery) Redelivered() bool { return d.d.Redelivered }
func (d warrenDelivery) Ack() error        { return d.d.Ack() }
func (d warrenDelivery) Requeue() error    { return d.d.Nack(streams.Requeue) }
