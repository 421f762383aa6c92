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

// A standing is what the broker knows of a session's use of a queue.
type standing struct {
	use  usage
	most int // messages that it holds, see registration
}

// usage is how a session uses a queue.
type usage uint8

const (
	unregistered usage = iota
	using
	consuming
	doubtful // it is being told, or may not have heard
)

// enroll tells the broker how this session uses a queue now, unless it knows.
// It is called after each change of that, and tells one thing at a time, so
// that what holds last is what it is told last.
func (s *Session) enroll(ctx context.Context, queue string) error {
	if s.knows(queue) {
		return nil
	}
	return s.enrollAnew(ctx, queue)
}

// enrollAnew tells the broker also what it may have known before it was
// started again.
func (s *Session) enrollAnew(ctx context.Context, queue string) error {
	unlock, err := s.enrolling.Lock(ctx, queue)
	if err != nil {
		return err
	}
	defer unlock()
	now := s.beginEnrolling(queue)
	if now.use == unregistered {
		err = s.registry.unregister(ctx, queue)
	} else {
		err = s.registry.register(ctx, registration{Queue: queue, Session: s.id, Consuming: now.use == consuming, Most: now.most})
	}
	if err == nil {
		s.enrolled(queue, now)
	}
	return err
}

// stands is how the session uses a queue. Its lock is held.
func (s *Session) stands(queue string) standing {
	u := s.users[queue]
	switch {
	case u == nil:
		return standing{}
	case u.consumed:
		return standing{consuming, u.most()}
	}
	return standing{using, u.most()}
}

func (s *Session) knows(queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told[queue] == s.stands(queue)
}

func (s *Session) beginEnrolling(queue string) standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[queue] = standing{use: doubtful}
	return s.stands(queue)
}

func (s *Session) enrolled(queue string, now standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[queue] = now
	if now.use == unregistered {
		delete(s.told, queue)
	}
}

// enrollUntold tells the broker what it could not be told when it was due.
func (s *Session) enrollUntold(ctx context.Context) {
	for _, queue := range s.untold() {
		if s.enroll(ctx, queue) != nil {
			return // whoever tried first has said so
		}
	}
}

func (s *Session) untold() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var queues []string
	for queue, told := range s.told {
		if told != s.stands(queue) {
			queues = append(queues, queue)
		}
	}
	return queues
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
