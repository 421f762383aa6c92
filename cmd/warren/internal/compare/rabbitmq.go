package compare

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// QueueType is a type of RabbitMQ's queues.
type QueueType string

// The types of queues.
const (
	Classic QueueType = "classic"
	Quorum  QueueType = "quorum"
)

// rabbitMQ is a broker that speaks AMQP: a RabbitMQ that somebody else runs, or
// Warren's port for the same programs.
type rabbitMQ struct {
	name     string
	url      string
	queues   QueueType // empty: the broker has one
	restart  string    // a command line; empty: it cannot be restarted
	own      *child    // the Warren behind it; nil: it is somebody else's
	features Features
	process  listener
	amqpWire

	mu        sync.Mutex
	declared  map[string]bool // queues to remove
	exchanges map[string]bool
}

// NewRabbitMQ is the RabbitMQ at a URL, with queues of a type. Restart is a command
// line for the shell that restarts it; if it is empty nothing does.
func NewRabbitMQ(url string, queues QueueType, restart string) (Target, error) {
	return namedRabbitMQ("rabbitmq "+string(queues), url, queues, restart)
}

func namedRabbitMQ(name, url string, queues QueueType, restart string) (Target, error) {
	product, version, err := greet(url)
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	major, err := strconv.Atoi(strings.Split(version, ".")[0])
	if err != nil || product != "RabbitMQ" {
		return nil, fmt.Errorf("what answers is %q %q and not a RabbitMQ; Warren's own port is the target %q", product, version, warrenAMQP)
	}
	classes, sync := rabbitClasses(queues, major)
	return &rabbitMQ{
		name: name, url: url, queues: queues, restart: restart,
		process: listener{address: url, defaultPort: "5672"}, declared: map[string]bool{}, exchanges: map[string]bool{},
		features: Features{
			Broker: product, Version: version, Client: amqpClient(), Transport: "TCP",
			Classes: classes, Sync: sync, Replicas: 1, MaxBytes: rabbitLimit(major),
		},
	}, nil
}

func amqpClient() string { return "amqp091-go " + moduleVersion("github.com/rabbitmq/amqp091-go") }

// greet asks a broker what it is.
func greet(url string) (product, version string, err error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return "", "", err
	}
	product, _ = conn.Properties["product"].(string)
	version, _ = conn.Properties["version"].(string)
	return product, version, conn.Close()
}

// rabbitLimit is the largest message of a RabbitMQ that is not told otherwise.
func rabbitLimit(major int) int64 {
	if major < 4 {
		return 128 << 20
	}
	return 16 << 20
}

// rabbitClasses says what queues of a type guarantee. Classic queues sync before
// a confirm in RabbitMQ 3; RabbitMQ 4 has written to the file by then.
func rabbitClasses(queues QueueType, major int) (map[Class]string, string) {
	volatile := "durable classic queue, transient messages"
	switch {
	case queues == Quorum:
		return map[Class]string{D2: "quorum queue, written to the log and fsynced before the confirm"}, "fsync before the confirm, one for all that waits"
	case major < 4:
		return map[Class]string{D0: volatile, D2: "durable classic queue, persistent messages, fsync before the confirm"},
			"fsync before the confirm, one for all that waits"
	}
	return map[Class]string{D0: volatile, D1: "durable classic queue, persistent messages, written before the confirm"},
		"no fsync before the confirm"
}

func (r *rabbitMQ) Name() string       { return r.name }
func (r *rabbitMQ) Features() Features { return r.features }

// Usage is that of the process that listens.
func (r *rabbitMQ) Usage(ctx context.Context) (Usage, bool) {
	if r.own != nil {
		return r.own.Usage(ctx)
	}
	return r.process.usage(ctx)
}

func (r *rabbitMQ) Address() Address {
	if r.own != nil {
		return Address{Broker: amqpAddress, URL: r.url, Fsync: r.own.fsync}
	}
	return Address{Broker: rabbitMQAddress, URL: r.url, Space: string(r.queues)}
}

func (r *rabbitMQ) remember(in map[string]bool, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in[name] = true
}

func (r *rabbitMQ) forget(in map[string]bool, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(in, name)
}

// Close removes what was declared and is still there.
func (r *rabbitMQ) Close() (err error) {
	if r.own != nil {
		return r.own.Close() // with all that was declared
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.declared)+len(r.exchanges) == 0 {
		return nil
	}
	conn, err := amqp.Dial(r.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	for name := range r.declared {
		_, e := ch.QueueDelete(name, false, false, false)
		err = errors.Join(err, e)
	}
	for name := range r.exchanges {
		err = errors.Join(err, ch.ExchangeDelete(name, false, false))
	}
	return err
}

// Connect opens a connection.
func (r *rabbitMQ) Connect(context.Context) (Conn, error) {
	conn, err := r.open(r.url)
	if err != nil {
		return nil, err
	}
	return &rabbitConn{target: r, conn: conn}, nil
}

// rabbitConn is a connection of its own. AMQP closes the channel on which
// something was refused, so that one is opened again when it is needed.
type rabbitConn struct {
	target *rabbitMQ
	conn   *amqp.Connection

	mu      sync.Mutex
	control *amqp.Channel
}

func (c *rabbitConn) Close() error {
	if err := c.conn.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
		return err
	}
	return nil
}

// do asks the broker for something, on the channel for that.
func (c *rabbitConn) do(ask func(*amqp.Channel) error) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control == nil || c.control.IsClosed() {
		if c.control, err = c.conn.Channel(); err != nil {
			return err
		}
	}
	return ask(c.control)
}

func (c *rabbitConn) DeclareExchange(_ context.Context, x Exchange) error {
	err := c.do(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(x.Name, string(x.Kind), x.Durable, false, false, false, nil)
	})
	if err == nil {
		c.target.remember(c.target.exchanges, x.Name)
	}
	return err
}

func (c *rabbitConn) DeclareQueue(_ context.Context, q Queue) (string, error) {
	if _, ok := c.target.features.Classes[q.Class]; !ok {
		return "", notOffered("class %s on %s", q.Class, c.target.name)
	}
	if q.Exclusive && c.target.queues == Quorum {
		return "", notOffered("an exclusive quorum queue")
	}
	err := c.do(func(ch *amqp.Channel) error {
		info, err := ch.QueueDeclare(q.Name, c.target.durable(q), false, q.Exclusive, false, c.target.arguments())
		q.Name = info.Name
		return err
	})
	if err == nil && !q.Exclusive {
		c.target.remember(c.target.declared, q.Name)
	}
	return q.Name, err
}

// durable says whether a queue is declared so. RabbitMQ keeps what is transient of a
// durable queue in memory; Warren has one place for a queue.
func (r *rabbitMQ) durable(q Queue) bool {
	return !q.Exclusive && !q.Transient && (q.Class != D0 || r.queues != "")
}

func (r *rabbitMQ) arguments() amqp.Table {
	if r.queues == "" {
		return nil
	}
	return amqp.Table{"x-queue-type": string(r.queues)}
}

func (c *rabbitConn) Bind(_ context.Context, queue, exchange, key string) error {
	return c.do(func(ch *amqp.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) })
}

func (c *rabbitConn) Unbind(_ context.Context, queue, exchange, key string) error {
	return c.do(func(ch *amqp.Channel) error { return ch.QueueUnbind(queue, key, exchange, nil) })
}

func (c *rabbitConn) DeleteQueue(_ context.Context, queue string) error {
	c.target.forget(c.target.declared, queue)
	return c.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}

func (c *rabbitConn) DeleteExchange(_ context.Context, exchange string) error {
	c.target.forget(c.target.exchanges, exchange)
	return c.do(func(ch *amqp.Channel) error { return ch.ExchangeDelete(exchange, false, false) })
}

// Unsettled counts what is ready: AMQP does not tell what others hold.
func (c *rabbitConn) Unsettled(ctx context.Context, queue string) (int, error) {
	return c.Ready(ctx, queue)
}

func (c *rabbitConn) Ready(_ context.Context, queue string) (n int, err error) {
	err = c.do(func(ch *amqp.Channel) error {
		info, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		n = info.Messages
		return err
	})
	return n, err
}
