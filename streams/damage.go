package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// DamagedError is the error of a list from which records are missing because they
// cannot be read. The list has everything else.
type DamagedError struct {
	// Records says what each is of, as "queue 'tasks'", sorted.
	Records []string
	// Err is why the first of them cannot be read.
	Err error
}

func (e *DamagedError) Error() string {
	advice := "delete it and declare it again"
	if errors.Is(e.Err, ErrPreconditionFailed) {
		advice = "see to that first"
	}
	return fmt.Sprintf("the record of %s cannot be read (%v): %s; the rest is complete", strings.Join(e.Records, ", of "), e.Err, advice)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// errDamaged says of a record that it is not one.
var errDamaged = errors.New("the record is damaged")

// damaged says of a record that it cannot be read, and what to do about it.
func (t *topology) damaged(key string, err error) error {
	if errors.Is(err, ErrPreconditionFailed) {
		return fmt.Errorf("read the record of %s: %w", keyNoun(key), err)
	}
	return fmt.Errorf("read the record of %s: %w: %w; delete it, with the messages in it, and declare it again", keyNoun(key), errDamaged, err)
}

// keyNoun says what the record of a key is of.
func keyNoun(key string) string {
	kind, token, _ := strings.Cut(key, ".")
	token, _, _ = strings.Cut(token, ".")
	name, err := routing.TokenName(token)
	if err != nil {
		name = token
	}
	switch kind {
	case "x":
		return "exchange '" + name + "'"
	case "b":
		return "bindings of queue '" + name + "'"
	}
	return "queue '" + name + "'"
}

// damage is what a listing could not read, by key.
type damage map[string]error

// error is nil when there is no damage.
func (d damage) error() error {
	if len(d) == 0 {
		return nil
	}
	e := new(DamagedError)
	for key, err := range d {
		e.Records = append(e.Records, keyNoun(key))
		e.Err = err
	}
	slices.Sort(e.Records)
	return e
}

// isDamage reports whether a list is complete but for what is damaged.
func isDamage(err error) bool { return errors.As(err, new(*DamagedError)) }

// readable leaves it to others to tell what is damaged.
func readable[T any](list []T, err error) ([]T, error) {
	if isDamage(err) {
		err = nil
	}
	return list, err
}

// deleteDamaged deletes a queue whose record cannot be read, with all that it has.
func (s *Session) deleteDamaged(ctx context.Context, name string) error {
	if err := s.queues.bury(ctx, name); err != nil {
		return err
	}
	_, _, err := s.loadQueue(ctx, name) // which clears away what has gone
	return err
}

// bury writes, over the damaged record of a queue, that it is deleted, and takes
// away its views wherever there are any: of what it was bound to, nothing is known.
func (qs *queues) bury(ctx context.Context, name string) error {
	exchanges, err := readable(qs.topology.exchanges(ctx))
	if err != nil {
		return err
	}
	names := make(map[string]bool)
	for i := range exchanges {
		names[exchanges[i].Name] = true
	}
	for _, x := range predeclared {
		names[x.Name] = true
	}
	for exchange := range names {
		for _, o := range bothOrigins(exchange) {
			if err := qs.dropView(ctx, name, o); err != nil {
				return err
			}
		}
	}
	if err := qs.topology.purge(ctx, pageKey(name, ">")); err != nil {
		return err
	}
	rec := &queueRecord{Queue: Queue{Name: name}, Life: newID(), Deleting: true}
	return qs.topology.bury(ctx, queueKey(name), rec)
}

// bury does the same for an exchange; its bindings say which one it was.
func (es *exchanges) bury(ctx context.Context, name string) error {
	queues, err := readable(es.topology.queues(ctx))
	if err != nil {
		return err
	}
	rec := &exchangeRecord{Exchange: Exchange{Name: name, Kind: Fanout}, Life: newID(), Deleting: true}
	for i := range queues {
		for _, b := range queues[i].Bindings {
			if b.Exchange == name && !b.Ended {
				rec.Kind, rec.Life, rec.Volatile = b.Kind, b.Life, b.Volatile
			}
		}
	}
	return es.topology.bury(ctx, exchangeKey(name), rec)
}

// bury replaces a record that cannot be read.
func (t *topology) bury(ctx context.Context, key string, rec stampedRecord) error {
	last, err := jsapi.LastMessage(ctx, t.stream, t.prefix+key)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil {
		_, err = t.put(ctx, key, rec, last.Sequence)
	}
	if errors.Is(err, errConflict) {
		return nil // somebody else has replaced it
	}
	return err
}
