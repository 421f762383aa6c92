package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// The registry is what the live stream has of who uses which queue, and of what those
// held that are dead.
type registry struct {
	*site
	live     *live
	topology *topology
}

// registration is what the broker keeps of a user.
type registration struct {
	Queue     string `json:"queue"`
	Session   string `json:"session"`
	Consuming bool   `json:"consuming,omitempty"`
	// Most is how many messages it holds unsettled at most; negative: no limit.
	Most     int    `json:"most,omitempty"`
	sequence uint64 // in the live stream
}

func (v vhost) userSubject(queue, session string) string {
	return v.liveSubject() + ".user." + routing.NameToken(queue) + "." + session
}

func (g *registry) register(ctx context.Context, r registration) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = jsapi.Change(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
		return g.js.Store(ctx, g.live, &nats.Msg{Subject: g.vhost.userSubject(r.Queue, g.id), Data: data})
	})
	return err
}

func (g *registry) unregister(ctx context.Context, queue string) error {
	err := jsapi.ChangeOnly(ctx, func(ctx context.Context) error {
		return g.live.Purge(ctx, jetstream.WithPurgeSubject(g.vhost.userSubject(queue, g.id)))
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// queueUsers are the sessions registered for a queue.
func (g *registry) queueUsers(ctx context.Context, queue string) ([]string, error) {
	subjects, err := g.registered(ctx, routing.NameToken(queue)+".*")
	if err != nil {
		return nil, err
	}
	sessions := make([]string, len(subjects))
	for i, subject := range subjects {
		_, sessions[i], _ = parseRegistration(subject)
	}
	return sessions, nil
}

// parseRegistration says whose use of which queue, by token, a subject of the live stream
// is of, and whether it is what a dead session has left.
func parseRegistration(subject string) (queue, session string, left bool) {
	subject, left = strings.CutSuffix(subject, leftoverMark)
	tokens := strings.Split(subject, ".")
	return tokens[len(tokens)-2], tokens[len(tokens)-1], left
}

// registered lists the subjects of registrations.
func (g *registry) registered(ctx context.Context, filter string) ([]string, error) {
	subjects, err := jsapi.SubjectsOf(ctx, g.live, g.vhost.liveSubject()+".user."+filter)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	return subjects, err
}
