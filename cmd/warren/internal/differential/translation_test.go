package differential

import (
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/streams"
)

// publishing is a message as the RabbitMQ client has it. That client cannot
// send a zero on purpose, so Zero stays out.
func publishing(m streams.Message) amqp.Publishing {
	return amqp.Publishing{
		Headers: toRabbit(m.Headers), ContentType: m.ContentType, ContentEncoding: m.ContentEncoding,
		DeliveryMode: uint8(m.DeliveryMode), Priority: m.Priority, CorrelationId: m.CorrelationID,
		ReplyTo: m.ReplyTo, MessageId: m.MessageID, Timestamp: m.Timestamp, Type: m.Type,
		UserId: m.UserID, AppId: m.AppID, Body: m.Body,
	}
}

// message is a delivery of the RabbitMQ client as a message of Warren.
func message(d amqp.Delivery) streams.Message {
	return streams.Message{
		Headers: fromRabbit(d.Headers), ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: streams.DeliveryMode(d.DeliveryMode), Priority: d.Priority, CorrelationID: d.CorrelationId,
		ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageID: d.MessageId, Timestamp: d.Timestamp,
		Type: d.Type, UserID: d.UserId, AppID: d.AppId, Body: d.Body,
	}
}

// returned is a return of the RabbitMQ client as Warren's error of the publish.
func returned(r amqp.Return) error {
	m := message(amqp.Delivery{
		Headers: r.Headers, ContentType: r.ContentType, ContentEncoding: r.ContentEncoding,
		DeliveryMode: r.DeliveryMode, Priority: r.Priority, CorrelationId: r.CorrelationId,
		ReplyTo: r.ReplyTo, Expiration: r.Expiration, MessageId: r.MessageId, Timestamp: r.Timestamp,
		Type: r.Type, UserId: r.UserId, AppId: r.AppId, Body: r.Body,
	})
	back := &streams.Returned{Exchange: r.Exchange, Key: r.RoutingKey, Message: m}
	return &streams.Error{Code: int(r.ReplyCode), Reason: r.ReplyText, Err: back}
}

func toRabbit(t streams.Table) amqp.Table {
	if t == nil {
		return nil
	}
	table := make(amqp.Table, len(t))
	for key, value := range t {
		table[key] = toRabbitField(value)
	}
	return table
}

func toRabbitField(value any) any {
	switch v := value.(type) {
	case streams.Table:
		return toRabbit(v)
	case streams.Decimal:
		return amqp.Decimal{Scale: v.Scale, Value: v.Value}
	case []any:
		array := make([]any, len(v))
		for i := range v {
			array[i] = toRabbitField(v[i])
		}
		return array
	}
	return value
}

func fromRabbit(t amqp.Table) streams.Table {
	if t == nil {
		return nil
	}
	table := make(streams.Table, len(t))
	for key, value := range t {
		table[key] = fromRabbitField(value)
	}
	return table
}

func fromRabbitField(value any) any {
	switch v := value.(type) {
	case amqp.Table:
		return fromRabbit(v)
	case amqp.Decimal:
		return streams.Decimal{Scale: v.Scale, Value: v.Value}
	case []any:
		array := make([]any, len(v))
		for i := range v {
			array[i] = fromRabbitField(v[i])
		}
		return array
	}
	return value
}
