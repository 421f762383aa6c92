// Package wire is AMQP 0-9-1 as bytes: frames, the 64 methods, and the content
// header with a message's properties.
//
// It knows how things are written and nothing of what they mean. A method is a
// struct whose fields stand in the order of the wire: a bool is a bit, a string a
// short string of at most 255 bytes, a [LongStr] a long one, a blank field one that
// the specification reserves. One encoder and one decoder serve all of them; those
// that a busy connection is made of (basic.publish, basic.deliver, basic.ack and
// the content header) are written by hand and tested against the general ones.
//
// The source is the specification's amqp0-9-1.xml with RabbitMQ's extensions
// (amqp0-9-1.extended.xml), without the access class, which RabbitMQ ignores.
// Whatever cannot be read is a [amqp.Error] with the reply code that RabbitMQ
// closes the connection with.
package wire
