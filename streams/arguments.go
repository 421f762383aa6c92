package streams

import (
	"maps"
	"time"

	"warren/streams/internal/amqp"
)

// The arguments of a queue that are fields of a [Queue], too.
const (
	argExpires    = "x-expires"
	argMessageTTL = "x-message-ttl"
)

// obeyed are the arguments of a queue that mean something, in the order in which
// RabbitMQ compares them.
var obeyed = []string{argExpires, argMessageTTL}

// readArguments sets the fields that stand for arguments, and the arguments that stand
// for fields, so that both say the same.
func (q *Queue) readArguments(vhost string) error {
	if err := q.Args.Validate(); err != nil {
		return err
	}
	expires, ttl := &q.Expires, q.MessageTTL
	if q.Expires == 0 {
		expires = nil
	}
	expires, err := q.readLifetime(vhost, argExpires, expires, time.Millisecond)
	if err != nil {
		return err
	}
	if ttl, err = q.readLifetime(vhost, argMessageTTL, ttl, 0); err != nil {
		return err
	}
	q.MessageTTL = ttl
	if expires != nil {
		q.Expires = *expires
	}
	return nil
}

// readLifetime reads a time that a field gives, or an argument, or both, and no less
// than the least; nil says that neither does.
func (q *Queue) readLifetime(vhost, arg string, field *time.Duration, least time.Duration) (*time.Duration, error) {
	value, given := q.Args[arg]
	if !given && field == nil {
		return nil, nil
	}
	if !given {
		if *field%time.Millisecond != 0 {
			return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': %v is no whole number of milliseconds", arg, q.Name, vhost, *field)
		}
		value = field.Milliseconds()
		q.Args = maps.Clone(q.Args)
		if q.Args == nil {
			q.Args = Table{}
		}
		q.Args[arg] = value
	}
	d, wrong := amqp.ParseLifetime(value, least)
	if wrong != "" {
		return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': %s", arg, q.Name, vhost, wrong)
	}
	if field != nil && *field != d {
		return nil, errPrecondition("invalid arg '%s' for queue '%s' in vhost '%s': the field says %v and the argument %v; give one", arg, q.Name, vhost, *field, d)
	}
	return &d, nil
}
