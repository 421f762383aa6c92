package streams

import (
	"math/bits"
	"strings"
)

// Property is a set of AMQP's properties of a message.
type Property uint16

// The fourteen properties, in AMQP's order.
const (
	PropertyContentType Property = 1 << iota
	PropertyContentEncoding
	PropertyHeaders
	PropertyDeliveryMode
	PropertyPriority
	PropertyCorrelationID
	PropertyReplyTo
	PropertyExpiration
	PropertyMessageID
	PropertyTimestamp
	PropertyType
	PropertyUserID
	PropertyAppID
	PropertyClusterID
)

// headerPrefix begins the names of all headers that carry properties.
const headerPrefix = "Amqp-"

// propertyHeaders names the header of each property, in the order of the bits.
var propertyHeaders = [...]string{
	"Amqp-Content-Type",
	"Amqp-Content-Encoding",
	"Amqp-Headers",
	"Amqp-Delivery-Mode",
	"Amqp-Priority",
	"Amqp-Correlation-Id",
	"Amqp-Reply-To",
	"Amqp-Expiration",
	"Amqp-Message-Id",
	"Amqp-Timestamp",
	"Amqp-Type",
	"Amqp-User-Id",
	"Amqp-App-Id",
	"Amqp-Cluster-Id",
}

// headerProperties is propertyHeaders the other way round.
var headerProperties = func() map[string]Property {
	properties := map[string]Property{}
	for i, header := range propertyHeaders {
		properties[header] = 1 << i
	}
	return properties
}()

// header returns the name of the header of one property.
func (p Property) header() string {
	return propertyHeaders[bits.TrailingZeros16(uint16(p))]
}

// String returns AMQP's names of the properties.
func (p Property) String() string {
	var names []string
	for i, header := range propertyHeaders {
		if p&(1<<i) != 0 {
			names = append(names, strings.ToLower(header[len(headerPrefix):]))
		}
	}
	return strings.Join(names, ", ")
}
