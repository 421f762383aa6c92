package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// Live is the stream of what ends with the broker: the epoch, who is there, who uses
// which queue. It keeps one record for each subject, in memory.
type live struct {
	*site
	jetstream.Stream // nil until it is opened
}

// open opens the stream, and creates it if the broker has none. The first handle stays:
// it names the stream, which is enough.
func (l *live) open(ctx context.Context) error {
	stream, err := l.js.EnsureStream(ctx, jetstream.StreamConfig{
		Name:              l.vhost.liveStream(),
		Description:       "epoch and users of virtual host " + string(l.vhost),
		Subjects:          []string{l.vhost.liveSubject() + ".>"},
		MaxMsgsPerSubject: 1,
		Storage:           jetstream.MemoryStorage,
		Replicas:          l.cfg.Replicas,
		MaxConsumers:      maxConsumers,
		AllowMsgTTL:       true,
		AllowDirect:       false,
	})
	if err != nil {
		return fmt.Errorf("open the live state of vhost %q: %w", string(l.vhost), err)
	}
	if l.Stream == nil {
		l.Stream = stream
	}
	return nil
}

// drop takes the record of that sequence out of the stream, if it is there still.
func (l *live) drop(ctx context.Context, sequence uint64) error {
	err := jsapi.ChangeOnly(ctx, func(ctx context.Context) error { return l.DeleteMsg(ctx, sequence) })
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return nil
	}
	return err
}
