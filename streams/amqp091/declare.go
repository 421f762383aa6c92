package amqp091

import (
	"context"

	"warren/streams"
	"warren/streams/amqp091/internal/wire"
)

// declaration does the methods of the classes exchange and queue.
func (ch *channel) declaration(ctx context.Context, m wire.Method) error {
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		return ch.exchangeDeclare(ctx, m)
	case *wire.ExchangeDelete:
		return ch.exchangeDelete(ctx, m)
	case *wire.ExchangeBind, *wire.ExchangeUnbind:
		return notImplemented("exchange-to-exchange bindings are not yet supported")
	case *wire.QueueDeclare:
		return ch.queueDeclare(ctx, m)
	case *wire.QueueBind:
		return ch.queueBind(ctx, m)
	case *wire.QueueUnbind:
		return ch.queueUnbind(ctx, m)
	case *wire.QueuePurge:
		return ch.queuePurge(ctx, m)
	case *wire.QueueDelete:
		return ch.queueDelete(ctx, m)
	case *wire.TxSelect, *wire.TxCommit, *wire.TxRollback:
		return notImplemented("transactions are not yet supported")
	case *wire.ChannelOpen:
		return newError(504, "CHANNEL_ERROR", "second 'channel.open' seen")
	}
	return newError(503, "COMMAND_INVALID", "%s is not for a client to send", wire.Name(m))
}

func (ch *channel) exchangeDeclare(ctx context.Context, m *wire.ExchangeDeclare) error {
	var err error
	if m.Passive {
		err = ch.c.session.CheckExchange(ctx, m.Exchange)
	} else {
		err = ch.c.session.DeclareExchange(ctx, streams.Exchange{
			Name: m.Exchange, Kind: streams.Kind(m.Type),
			Durable: m.Durable, AutoDelete: m.AutoDelete, Internal: m.Internal, Args: m.Arguments,
		})
	}
	if err == nil {
		ch.answer(m.NoWait, wire.ExchangeDeclareOk{})
	}
	return err
}

func (ch *channel) exchangeDelete(ctx context.Context, m *wire.ExchangeDelete) error {
	var flags []streams.UnusedFlag
	if m.IfUnused {
		flags = append(flags, streams.IfUnused)
	}
	err := ch.c.session.DeleteExchange(ctx, m.Exchange, flags...)
	if err == nil {
		ch.answer(m.NoWait, wire.ExchangeDeleteOk{})
	}
	return err
}

func (ch *channel) queueDeclare(ctx context.Context, m *wire.QueueDeclare) error {
	info, err := ch.declareQueue(ctx, m)
	if err != nil {
		return err
	}
	ch.queue = info.Name
	ch.answer(m.NoWait, wire.QueueDeclareOk{
		Queue: info.Name, MessageCount: uint32(info.Ready), ConsumerCount: uint32(info.Consumers),
	})
	return nil
}

func (ch *channel) declareQueue(ctx context.Context, m *wire.QueueDeclare) (streams.QueueInfo, error) {
	if m.Passive {
		name, err := ch.named(m.Queue)
		if err != nil {
			return streams.QueueInfo{}, err
		}
		return ch.c.session.InspectQueue(ctx, name)
	}
	return ch.c.session.DeclareQueue(ctx, streams.Queue{
		Name: m.Queue, Durable: m.Durable, Exclusive: m.Exclusive, AutoDelete: m.AutoDelete, Args: m.Arguments,
	})
}

// named is the queue that a method names: without a name, the one that was declared
// last on the channel.
func (ch *channel) named(queue string) (string, error) {
	if queue != "" {
		return queue, nil
	}
	if ch.queue == "" {
		return "", newError(404, "NOT_FOUND", "no previously declared queue")
	}
	return ch.queue, nil
}

func (ch *channel) queueBind(ctx context.Context, m *wire.QueueBind) error {
	b, err := ch.binding(m.Queue, m.Exchange, m.RoutingKey, m.Arguments)
	if err == nil {
		err = ch.c.session.Bind(ctx, b)
	}
	if err == nil {
		ch.answer(m.NoWait, wire.QueueBindOk{})
	}
	return err
}

func (ch *channel) queueUnbind(ctx context.Context, m *wire.QueueUnbind) error {
	b, err := ch.binding(m.Queue, m.Exchange, m.RoutingKey, m.Arguments)
	if err == nil {
		err = ch.c.session.Unbind(ctx, b)
	}
	if err == nil {
		ch.answer(false, wire.QueueUnbindOk{})
	}
	return err
}

// binding is what a client binds, or unbinds: where it names neither queue nor key,
// the queue that was declared last, by its name.
func (ch *channel) binding(queue, exchange, key string, args streams.Table) (streams.Binding, error) {
	name, err := ch.named(queue)
	if queue == "" && key == "" {
		key = name
	}
	return streams.Binding{Exchange: exchange, Queue: name, Key: key, Args: args}, err
}

func (ch *channel) queuePurge(ctx context.Context, m *wire.QueuePurge) error {
	name, err := ch.named(m.Queue)
	if err != nil {
		return err
	}
	n, err := ch.c.session.PurgeQueue(ctx, name)
	if err == nil {
		ch.answer(m.NoWait, wire.QueuePurgeOk{MessageCount: uint32(n)})
	}
	return err
}

func (ch *channel) queueDelete(ctx context.Context, m *wire.QueueDelete) error {
	name, err := ch.named(m.Queue)
	if err != nil {
		return err
	}
	var flags []streams.DeleteFlag
	if m.IfUnused {
		flags = append(flags, streams.IfUnused)
	}
	if m.IfEmpty {
		flags = append(flags, streams.IfEmpty)
	}
	n, err := ch.c.session.DeleteQueue(ctx, name, flags...)
	if err == nil {
		ch.answer(m.NoWait, wire.QueueDeleteOk{MessageCount: uint32(n)})
	}
	return err
}
