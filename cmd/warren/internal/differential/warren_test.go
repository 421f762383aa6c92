package differential

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams"
)

// warren is Warren as a broker: one session.
type warren struct {
	s *streams.Session
}

// openWarren starts a session in a virtual host; the caller closes it.
func openWarren(t *testing.T, nc *nats.Conn, vhost string) *warren {
	t.Helper()
	s, err := streams.Open(context.Background(), nc, streams.Config{VHost: vhost, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return &warren{s}
}

func (w *warren) close() error { return w.s.Close(context.Background()) }

func (w *warren) declareExchange(x streams.Exchange) error {
	return w.s.DeclareExchange(context.Background(), x)
}

func (w *warren) checkExchange(name string) error {
	return w.s.CheckExchange(context.Background(), name)
}

func (w *warren) deleteExchange(name string, ifUnused bool) error {
	var flags []streams.UnusedFlag
	if ifUnused {
		flags = append(flags, streams.IfUnused)
	}
	return w.s.DeleteExchange(context.Background(), name, flags...)
}

func (w *warren) declareQueue(q streams.Queue) (count, error) {
	info, err := w.s.DeclareQueue(context.Background(), q)
	return count{info.Name, info.Ready, info.Consumers}, err
}

func (w *warren) checkQueue(name string) (count, error) {
	info, err := w.s.InspectQueue(context.Background(), name)
	return count{info.Name, info.Ready, info.Consumers}, err
}

func (w *warren) purgeQueue(name string) (int, error) {
	return w.s.PurgeQueue(context.Background(), name)
}

func (w *warren) deleteQueue(name string, ifUnused, ifEmpty bool) (int, error) {
	return w.s.DeleteQueue(context.Background(), name, deleteFlags(ifUnused, ifEmpty)...)
}

func deleteFlags(ifUnused, ifEmpty bool) []streams.DeleteFlag {
	var flags []streams.DeleteFlag
	if ifUnused {
		flags = append(flags, streams.IfUnused)
	}
	if ifEmpty {
		flags = append(flags, streams.IfEmpty)
	}
	return flags
}

func (w *warren) bind(b streams.Binding) error   { return w.s.Bind(context.Background(), b) }
func (w *warren) unbind(b streams.Binding) error { return w.s.Unbind(context.Background(), b) }

func (w *warren) publish(exchange string, posts []post) []error {
	if len(posts) == 1 {
		p := posts[0]
		return []error{w.s.Publish(context.Background(), exchange, p.key, p.Message, p.flags()...)}
	}
	return w.publishMany(exchange, posts)
}

// publishMany publishes with a window, as those do who publish much.
func (w *warren) publishMany(exchange string, posts []post) []error {
	publisher, err := w.s.Publisher(streams.PublisherOptions{Window: 4})
	if err != nil {
		return []error{err}
	}
	var confirms []*streams.Confirm
	var refused []error
	for _, p := range posts {
		confirm, err := publisher.Publish(context.Background(), exchange, p.key, p.Message, p.flags()...)
		if err != nil {
			refused = []error{err}
			break
		}
		confirms = append(confirms, confirm)
	}
	var errs []error
	for _, confirm := range confirms {
		errs = append(errs, confirm.Wait(context.Background()))
	}
	return append(errs, refused...)
}

func (p post) flags() []streams.PublishFlag {
	if p.mandatory {
		return []streams.PublishFlag{streams.Mandatory}
	}
	return nil
}

func (w *warren) get(queue string, autoAck bool) (*delivery, error) {
	var flags []streams.GetFlag
	if autoAck {
		flags = append(flags, streams.AutoAck)
	}
	d, ok, err := w.s.Get(context.Background(), queue, flags...)
	if err != nil || !ok {
		return nil, err
	}
	return warrenDelivery(d), nil
}

func warrenDelivery(d *streams.Delivery) *delivery {
	return &delivery{
		exchange: d.Exchange, key: d.Key, Message: d.Message,
		redelivered: d.Redelivered, behind: d.MessageCount,
		settle: func(v verdict, multiple bool) error { return settleWarren(d, v, multiple) },
	}
}

func settleWarren(d *streams.Delivery, v verdict, multiple bool) error {
	var acks []streams.AckFlag
	var nacks []streams.NackFlag
	if multiple {
		acks, nacks = append(acks, streams.Multiple), append(nacks, streams.Multiple)
	}
	switch v {
	case ack:
		return d.Ack(acks...)
	case drop:
		return d.Nack(nacks...)
	case requeue:
		return d.Nack(append(nacks, streams.Requeue)...)
	case reject:
		return d.Reject()
	case rejectRequeue:
		return d.Reject(streams.Requeue)
	}
	return nil
}

func (w *warren) consume(queue string, o consuming) (consumer, error) {
	c := &warrenConsumer{arrived: make(chan *delivery, 4096), gone: make(chan struct{})}
	var err error
	c.c, err = w.s.Consume(context.Background(), queue, streams.ConsumeOptions{
		Tag: o.tag, Prefetch: o.prefetch, AutoAck: o.autoAck,
		Push: func(d *streams.Delivery) { c.arrived <- warrenDelivery(d) },
	})
	if err != nil {
		return nil, err
	}
	go func() {
		<-c.c.Done()
		if c.c.Err() != nil {
			close(c.gone)
		}
	}()
	return c, nil
}

type warrenConsumer struct {
	c       *streams.Consumer
	arrived chan *delivery
	gone    chan struct{}
}

func (c *warrenConsumer) next(wait time.Duration) *delivery { return nextOf(c.arrived, wait) }
func (c *warrenConsumer) cancel() error                     { return c.c.Cancel(context.Background()) }
func (c *warrenConsumer) cancelled() <-chan struct{}        { return c.gone }

func nextOf(arrived <-chan *delivery, wait time.Duration) *delivery {
	select {
	case d := <-arrived:
		return d
	case <-time.After(wait):
		return nil
	}
}
