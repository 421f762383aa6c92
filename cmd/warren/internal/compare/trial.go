package compare

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lull is how long nothing must have come before a trial takes it that no message
// is missing only because it is late; quiet is how long it listens for one too
// many.
const (
	lull  = 3 * time.Second
	quiet = 50 * time.Millisecond
)

// A trial is one scenario on one target. What it declares has names that nobody
// else has, and is gone when it is cleared.
type trial struct {
	target Target
	Conn   // the connection for what needs no other
	prefix string

	conns     []Conn
	queues    []string
	exchanges []string
}

func newTrial(ctx context.Context, target Target) (*trial, error) {
	t := &trial{target: target, prefix: "compare-" + strings.ToLower(rand.Text()[:10])}
	var err error
	t.Conn, err = t.connect(ctx)
	return t, err
}

// connect opens one more connection. The trial closes it.
func (t *trial) connect(ctx context.Context) (Conn, error) {
	conn, err := t.target.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	t.conns = append(t.conns, conn)
	return conn, nil
}

// disconnect closes one of the trial's connections early.
func (t *trial) disconnect(conn Conn) error {
	t.conns = slices.DeleteFunc(t.conns, func(c Conn) bool { return c == conn })
	return conn.Close()
}

// reconnect gives the trial a new connection after a restart.
func (t *trial) reconnect(ctx context.Context) error {
	conn, err := t.connect(ctx)
	if err != nil {
		return err
	}
	t.Conn = conn
	return nil
}

// clear removes what the trial has left, whatever became of ctx.
func (t *trial) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var errs []error
	for _, q := range t.queues {
		errs = append(errs, t.DeleteQueue(ctx, q))
	}
	for _, x := range t.exchanges {
		errs = append(errs, t.DeleteExchange(ctx, x))
	}
	for _, conn := range t.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// class is the class of what a scenario declares that is not about classes: what
// survives a restart, as cheaply as the target has it.
func (t *trial) class() Class {
	classes := t.target.Features().Classes
	for _, c := range []Class{D1, D2, D0} {
		if _, ok := classes[c]; ok {
			return c
		}
	}
	return D1
}

// exchange declares an exchange and gives its name.
func (t *trial) exchange(ctx context.Context, kind Kind) (string, error) {
	name := fmt.Sprintf("%s-%s%d", t.prefix, kind, len(t.exchanges))
	err := t.DeclareExchange(ctx, Exchange{Name: name, Kind: kind, Durable: t.class() != D0})
	if err != nil {
		return "", fmt.Errorf("declare a %s exchange: %w", kind, err)
	}
	t.exchanges = append(t.exchanges, name)
	return name, nil
}

// queue declares a queue of the trial's class and gives its name.
func (t *trial) queue(ctx context.Context) (string, error) {
	return t.queueAs(ctx, Queue{Class: t.class()})
}

// queueAs declares a queue, but for its name.
func (t *trial) queueAs(ctx context.Context, q Queue) (string, error) {
	q.Name = fmt.Sprintf("%s-queue%d", t.prefix, len(t.queues))
	name, err := t.DeclareQueue(ctx, q)
	if err != nil {
		return "", fmt.Errorf("declare a queue: %w", err)
	}
	t.queues = append(t.queues, name)
	return name, nil
}

// bound declares a queue and binds it to an exchange with each of the keys.
func (t *trial) bound(ctx context.Context, exchange string, keys ...string) (string, error) {
	q, err := t.queue(ctx)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if err := t.Bind(ctx, q, exchange, key); err != nil {
			return "", fmt.Errorf("bind with %q: %w", key, err)
		}
	}
	return q, nil
}

// send publishes messages to a queue by name, each with its id, and waits until
// all are confirmed.
func (t *trial) send(ctx context.Context, queue string, ids ...string) error {
	return t.publish(ctx, "", queue, ids...)
}

// publish publishes messages one after another, each with its id.
func (t *trial) publish(ctx context.Context, exchange, key string, ids ...string) error {
	p, err := t.Publisher(ctx, 1)
	if err != nil {
		return fmt.Errorf("open a publisher: %w", err)
	}
	for _, id := range ids {
		if err := publishOne(ctx, p, exchange, key, t.message(id)); err != nil {
			return errors.Join(fmt.Errorf("publish %q: %w", id, err), p.Close(ctx))
		}
	}
	return p.Close(ctx)
}

// outcome is what a publisher of its own is told of one message. It is closed
// without asking how that went: AMQP closes it before.
func (t *trial) outcome(ctx context.Context, exchange, key string, m Message) (refused, err error) {
	p, err := t.Publisher(ctx, 1)
	if err != nil {
		return nil, fmt.Errorf("open a publisher: %w", err)
	}
	refused = publishOne(ctx, p, exchange, key, m)
	_ = p.Close(ctx)
	return refused, ctx.Err()
}

// publishOne publishes a message and waits for its confirm.
func publishOne(ctx context.Context, p Publisher, exchange, key string, m Message) error {
	confirmed := make(chan error, 1)
	if err := p.Publish(ctx, exchange, key, m, func(err error) { confirmed <- err }); err != nil {
		return err
	}
	select {
	case err := <-confirmed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the confirm: %w", ctx.Err())
	}
}

// awaitReady waits until n messages of a queue are with nobody. A target that does
// not count all of them gets the benefit of the doubt after a while.
func (t *trial) awaitReady(ctx context.Context, queue string, n int) error {
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		ready, err := t.Ready(ctx, queue)
		if err != nil {
			return fmt.Errorf("count the messages: %w", err)
		}
		if ready >= n {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// message is a message of the trial's class whose body is its id.
func (t *trial) message(id string) Message {
	return Message{ID: id, Class: t.class(), Body: []byte(id)}
}

// numbers are the ids from one to another: "1", "2" and so on.
func numbers(from, to int) []string {
	var ids []string
	for n := from; n <= to; n++ {
		ids = append(ids, fmt.Sprint(n))
	}
	return ids
}
