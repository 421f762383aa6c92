package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/routing"
)

// A vhost is a virtual host as NATS sees it: the first token of every subject
// and the first part of every stream name. Two virtual hosts share nothing;
// an account of the NATS server is the stronger wall, and both work together.
type vhost string

// DefaultVHost is the virtual host of a [Config] that names none, or "/".
const DefaultVHost = "warren"

func newVHost(name string) (vhost, error) {
	if name == "" || name == "/" {
		return DefaultVHost, nil
	}
	if len(name) > 64 {
		return "", errPrecondition("vhost '%s' is %d bytes long; use at most 64", name, len(name))
	}
	for _, c := range []byte(name) {
		if !isVHostByte(c) {
			return "", errPrecondition("vhost '%s' has a %q in it; use letters, digits, - and _", name, c)
		}
	}
	return vhost(name), nil
}

func isVHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// originStream is the stream that an exchange is.
func (v vhost) originStream(o origin) string {
	if o.volatile {
		return routing.StreamName(string(v), "m", o.exchange)
	}
	return routing.StreamName(string(v), "x", o.exchange)
}

// exchangeSubject is the subject of a message with the empty routing key; the
// words of other keys follow behind it.
func (v vhost) exchangeSubject(name string) string {
	return string(v) + ".x." + routing.NameToken(name)
}

// parkedSubject is what a stream that its exchange has left listens on while
// queues still drain it: publishing finds nobody there. It is a wildcard,
// because a stream of one literal subject does not look at the subjects of its
// messages when it asks which consumers still want them.
func (v vhost) parkedSubject(o origin) string {
	if o.volatile {
		return string(v) + ".left." + routing.NameToken(o.exchange) + ".>"
	}
	return string(v) + ".gone." + routing.NameToken(o.exchange) + ".>"
}

// homeStream is the stream that holds what reaches a queue by its own name.
func (v vhost) homeStream(name string) string { return routing.StreamName(string(v), "q", name) }

// homeSubject is where the default exchange publishes for a queue.
func (v vhost) homeSubject(name string) string { return string(v) + ".q." + routing.NameToken(name) }

// storeStream is the stream that a store is.
func (v vhost) storeStream(name string) string { return routing.StreamName(string(v), "v", name) }

// storeSubject is what the subjects of a store's keys begin with.
func (v vhost) storeSubject(name string) string { return string(v) + ".v." + routing.NameToken(name) }

// earlierStoreStream is the stream that a store was once, see [migration].
func (v vhost) earlierStoreStream(name string) string {
	return routing.StreamName(string(v), "t", name)
}

func (v vhost) earlierStoreSubject(name string) string {
	return string(v) + ".t." + routing.NameToken(name)
}

// movingSubject is what the subjects of a stream begin with while it is copied.
func (v vhost) movingSubject(name string) string {
	return string(v) + ".moving." + routing.NameToken(name)
}

// toldSubject is what the subjects begin with on which a store's writes are told.
func (v vhost) toldSubject(name string) string { return string(v) + ".told." + routing.NameToken(name) }

// scheduleSubject is where messages for later wait for a queue under one id;
// each has a word of its own behind it.
func (v vhost) scheduleSubject(queue, id string) string {
	return v.homeSubject(queue) + ".at." + routing.NameToken(id)
}

// schedules matches all messages for later of a queue.
func (v vhost) schedules(queue string) string { return v.homeSubject(queue) + ".at.*.*" }

// controlSubject is where other sessions reach one session.
func (v vhost) controlSubject(session string) string { return string(v) + ".s." + session }

// topologyStream has the records of exchanges, queues and bindings.
func (v vhost) topologyStream() string { return string(v) + "~topology" }

func (v vhost) topologySubject() string { return string(v) + ".topology" }

// earlierTopology is the key-value bucket that the topology was once, see
// [migration].
func (v vhost) earlierTopology() string { return string(v) + "-topology" }

// changeSubject is where every change of an exchange's record is told.
func (v vhost) changeSubject() string { return string(v) + ".changed" }

// liveStream holds what ends with the broker: its epoch, and who uses which
// queue.
func (v vhost) liveStream() string { return string(v) + "~live" }

func (v vhost) liveSubject() string { return string(v) + ".live" }

// CheckVHost is nil when somebody has opened a session of the virtual host before,
// and 404 when nobody has: there is nothing in it, and its name may be mistyped. Use
// it before [Open] in programs that only look, because Open creates the virtual host.
func CheckVHost(ctx context.Context, nc *nats.Conn, name string) error {
	v, err := newVHost(name)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("check vhost %q: %w", name, err)
	}
	for _, stream := range []string{v.topologyStream(), "KV_" + v.earlierTopology()} {
		_, err = js.Stream(ctx, stream)
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			break
		}
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return errNotFound("no vhost '%s'", v)
	}
	if err != nil {
		return fmt.Errorf("check vhost %q: %w", name, hintJetStream(err))
	}
	return nil
}
