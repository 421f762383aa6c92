package differential

import (
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/streams"
)

// render writes a field with its type, so that 1, "1" and 1.0 differ.
func render(value any) string {
	switch v := value.(type) {
	case nil:
		return "void"
	case streams.Table:
		var fields []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, fmt.Sprintf("%q=%s", key, render(v[key])))
		}
		return "{" + strings.Join(fields, " ") + "}"
	case []any:
		var fields []string
		for _, field := range v {
			fields = append(fields, render(field))
		}
		return "[" + strings.Join(fields, " ") + "]"
	case time.Time:
		return fmt.Sprintf("time(%d)", v.Unix())
	case string:
		return short(v)
	case []byte:
		return "bytes(" + short(string(v)) + ")"
	}
	return fmt.Sprintf("%T(%v)", value, value)
}

// short writes a text, a long one by its beginning, length and checksum.
func short(text string) string {
	const enough = 24
	if len(text) <= enough {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q...(%d bytes, %x)", text[:enough], len(text), crc32.ChecksumIEEE([]byte(text)))
}

// renderMessage writes a message with the properties it has.
func renderMessage(m *streams.Message) string {
	properties := streams.Table{}
	add := func(name string, value any, present bool) {
		if present {
			properties[name] = value
		}
	}
	add("content-type", m.ContentType, m.ContentType != "")
	add("content-encoding", m.ContentEncoding, m.ContentEncoding != "")
	add("headers", m.Headers, len(m.Headers) > 0)
	add("delivery-mode", uint8(m.DeliveryMode), m.DeliveryMode != 0)
	add("priority", m.Priority, m.Priority != 0)
	add("correlation-id", m.CorrelationID, m.CorrelationID != "")
	add("reply-to", m.ReplyTo, m.ReplyTo != "")
	add("expiration", m.Expiration, m.Expiration != "")
	add("message-id", m.MessageID, m.MessageID != "")
	add("timestamp", m.Timestamp, !m.Timestamp.IsZero())
	add("type", m.Type, m.Type != "")
	add("user-id", m.UserID, m.UserID != "")
	add("app-id", m.AppID, m.AppID != "")
	add("cluster-id", m.ClusterID, m.ClusterID != "")
	add("zero", m.Zero.String(), m.Zero != 0)
	return short(string(m.Body)) + " " + render(properties)
}

// renderReturned writes the message that an error brings back, if it does.
func renderReturned(err error) string {
	var back *streams.Returned
	if !errors.As(err, &back) {
		return ""
	}
	return fmt.Sprintf(" (%s %s %s)", short(back.Exchange), short(back.Key), renderMessage(&back.Message))
}

// renderDelivery writes a delivery as it came.
func renderDelivery(d *delivery) string {
	again := ""
	if d.redelivered {
		again = "again "
	}
	return fmt.Sprintf("%s%s %s %s", again, short(d.exchange), short(d.key), renderMessage(&d.Message))
}

// renderDeliveries writes deliveries exchange by exchange: Warren keeps the order
// of those, and merges them as they come.
func renderDeliveries(deliveries []*delivery) string {
	sorted := slices.Clone(deliveries)
	slices.SortStableFunc(sorted, func(a, b *delivery) int { return strings.Compare(a.exchange, b.exchange) })
	var b strings.Builder
	for _, d := range sorted {
		fmt.Fprintf(&b, "\n\t%s", renderDelivery(d))
	}
	return b.String()
}
