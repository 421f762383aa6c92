package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
	"warren/streams/internal/routing"
)

// An Exchange routes what is published to it to the queues bound to it. On
// JetStream it is a stream that keeps a message for as long as a queue wants
// it.
type Exchange struct {
	// Name is 1 to 255 bytes of UTF-8. Names that begin with "amq." are the
	// broker's own; "" is the default exchange, which needs no declaring.
	Name string
	// Kind is how it routes: [Direct], [Fanout], [Topic] or [Headers].
	Kind Kind
	// Durable exchanges come back after a restart of the broker; others go
	// with it, and the bindings from them. Default: not durable.
	Durable bool
	// AutoDelete exchanges go when the last binding from them goes. Default:
	// they stay.
	AutoDelete bool
	// Internal exchanges take no messages from clients. Default: they do.
	Internal bool
	// Args are further arguments; those that mean something count when an
	// exchange is declared again. Default: none.
	Args Table
}

// exchangeRecord is an exchange in the topology.
type exchangeRecord struct {
	formatted
	Exchange
	// Life tells one declaration of a name from the next.
	Life string `json:"life"`
	// Epoch is the broker's when the exchange is not durable.
	Epoch string `json:"epoch,omitempty"`
	// Deleting marks an exchange that is going; whoever meets it helps.
	Deleting bool `json:"deleting,omitempty"`
	// Busy is the session that is taking its stream away; streams have no
	// compare-and-set of their own.
	Busy string `json:"busy,omitempty"`
	// Volatile says that its stream is in memory: see origin.
	Volatile bool `json:"volatile,omitempty"`
	// Moving marks an exchange on its way from memory to files; whoever meets it
	// helps.
	Moving bool `json:"moving,omitempty"`
	// Wide says that a queue's filters take more from this exchange than its
	// bindings ask for, so interest alone does not prove a route.
	Wide   bool `json:"wide,omitempty"`
	stored bool // it was read
}

// predeclared are the exchanges every virtual host has.
var predeclared = []Exchange{
	{Name: "amq.direct", Kind: Direct, Durable: true},
	{Name: "amq.fanout", Kind: Fanout, Durable: true},
	{Name: "amq.headers", Kind: Headers, Durable: true},
	{Name: "amq.match", Kind: Headers, Durable: true},
	{Name: "amq.topic", Kind: Topic, Durable: true},
}

func predeclaredExchange(name string) (Exchange, bool) {
	i := slices.IndexFunc(predeclared, func(x Exchange) bool { return x.Name == name })
	if i < 0 {
		return Exchange{}, false
	}
	return predeclared[i], true
}

// Exchanges are the exchanges of the virtual host: their records, and the streams that
// are derived from them.
type exchanges struct {
	*site
	exchangeCache
	link     *link
	topology *topology
	epoch    *epoch
	reader   *reader
	peers    *peers
	queues   *queues
	changes  listening // told of each change of a record
}

// DeclareExchange verifies that an exchange exists as described, and creates
// it when there is none. It is idempotent. An exchange that exists otherwise is
// 406, a reserved name 403, a kind or argument Warren does not have 540. When
// it returns, the next publish obeys it, from every process.
func (s *Session) DeclareExchange(ctx context.Context, x Exchange) error {
	err := s.whileOpen(ctx, func(ctx context.Context) error { return s.exchanges.declare(ctx, x) })
	if err != nil {
		return fmt.Errorf("declare exchange %q: %w", x.Name, err)
	}
	s.explainExchange(ctx, "exchange.declare", x)
	return nil
}

func (es *exchanges) declare(ctx context.Context, x Exchange) error {
	if err := x.check(); err != nil {
		return err
	}
	for {
		rec, revision, err := es.find(ctx, x.Name)
		if err != nil {
			return err
		}
		if rec != nil {
			if err := rec.equivalent(x, es.cfg.ShownVHost); err != nil || revision == 0 {
				return err
			}
			return es.repair(ctx, rec)
		}
		if strings.HasPrefix(x.Name, "amq.") {
			return errAccessRefused("exchange name '%s' contains reserved prefix 'amq.*'", x.Name)
		}
		err = es.create(ctx, x, revision)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

func (x Exchange) check() error {
	if err := notDefault(x.Name); err != nil {
		return err
	}
	if err := amqp.CheckName("exchange", x.Name); err != nil {
		return err
	}
	if err := checkKind(x.Kind); err != nil {
		return err
	}
	if err := x.Args.Validate(); err != nil {
		return err
	}
	if _, asked := x.Args["alternate-exchange"]; asked {
		return errNotImplemented("argument 'alternate-exchange' is not yet supported")
	}
	return nil
}

// notDefault refuses the default exchange, which is not for declaring, deleting
// and binding.
func notDefault(name string) error {
	if name == "" {
		return errAccessRefused("operation not permitted on the default exchange")
	}
	return nil
}

func checkKind(kind Kind) error {
	switch kind {
	case Direct, Fanout, Topic, Headers:
		return nil
	case "x-delayed-message", "x-consistent-hash", "x-modulus-hash", "x-random", "x-recent-history":
		return errNotImplemented("exchange type '%s' is not yet supported", kind)
	}
	return errPrecondition("unknown exchange type '%s'; use direct, fanout, topic or headers", kind)
}

// equivalent is AMQP's rule for declaring again: the same in everything.
func (rec *exchangeRecord) equivalent(x Exchange, vhost string) error {
	what := fmt.Sprintf("exchange '%s' in vhost '%s'", x.Name, vhost)
	switch {
	case rec.Kind != x.Kind:
		return errPrecondition(inequivalent, "type", what, x.Kind, rec.Kind)
	case rec.Durable != x.Durable:
		return errPrecondition(inequivalent, "durable", what, x.Durable, rec.Durable)
	case rec.AutoDelete != x.AutoDelete:
		return errPrecondition(inequivalent, "auto_delete", what, x.AutoDelete, rec.AutoDelete)
	case rec.Internal != x.Internal:
		return errPrecondition(inequivalent, "internal", what, x.Internal, rec.Internal)
	}
	return equivalentArgs(what, x.Args, rec.Args, []string{"alternate-exchange"})
}

// inequivalent is RabbitMQ's text, which clients match on.
const inequivalent = "inequivalent arg '%s' for %s: received '%v' but current is '%v'"

// equivalentArgs compares the arguments that count, by value, not by the width
// of an integer. RabbitMQ does not look at those it has no meaning for.
func equivalentArgs(what string, received, current Table, counting []string) error {
	for _, key := range counting {
		got, isGot := received[key]
		has, isHas := current[key]
		switch {
		case isGot != isHas:
			return errPrecondition("inequivalent arg '%s' for %s: received %s but current is %s",
				key, what, describeArg(got, isGot), describeArg(has, isHas))
		case !amqp.Equivalent(Table{key: got}, Table{key: has}):
			return errPrecondition(inequivalent, key, what, got, has)
		}
	}
	return nil
}

func describeArg(value any, present bool) string {
	if !present {
		return "none"
	}
	return fmt.Sprintf("the value '%v' of type '%s'", value, amqp.FieldType(value))
}

// CheckExchange is AMQP's passive declare: nil when the exchange exists, 404
// when it does not, 403 for the default exchange.
func (s *Session) CheckExchange(ctx context.Context, name string) error {
	err := s.whileOpen(ctx, func(ctx context.Context) error { return s.checkExchange(ctx, name) })
	if err != nil {
		return fmt.Errorf("check exchange %q: %w", name, err)
	}
	return nil
}

func (s *Session) checkExchange(ctx context.Context, name string) error {
	if err := notDefault(name); err != nil {
		return err
	}
	_, _, err := s.exchanges.need(ctx, name)
	return err
}

// Exchanges lists the exchanges of the virtual host by name, the predeclared
// ones and the default exchange among them. With a [DamagedError], the list is
// complete but for what that names.
func (s *Session) Exchanges(ctx context.Context) ([]Exchange, error) {
	if s.isClosed() {
		return nil, ErrClosed
	}
	return call(ctx, s, s.exchanges.list)
}

func (es *exchanges) list(ctx context.Context) ([]Exchange, error) {
	records, damaged := es.topology.exchanges(ctx)
	if damaged != nil && !isDamage(damaged) {
		return nil, damaged
	}
	list := append([]Exchange{{Name: "", Kind: Direct, Durable: true}}, predeclared...)
	for _, rec := range records {
		if _, own := predeclaredExchange(rec.Name); !own && es.epoch.standsExchange(&rec) {
			list = append(list, rec.Exchange)
		}
	}
	slices.SortFunc(list, func(a, b Exchange) int { return strings.Compare(a.Name, b.Name) })
	return list, damaged
}

// standsExchange reports whether a record is of an exchange that is there.
func (e *epoch) standsExchange(rec *exchangeRecord) bool {
	return !rec.Deleting && (rec.Durable || rec.Epoch == e.id())
}

// need loads an exchange that must exist.
func (es *exchanges) need(ctx context.Context, name string) (*exchangeRecord, uint64, error) {
	rec, revision, err := es.find(ctx, name)
	if err == nil && rec == nil {
		err = errNotFound("no exchange '%s' in vhost '%s'", name, es.cfg.ShownVHost)
	}
	return rec, revision, err
}

// find reads an exchange; nil says that there is none, with the
// revision at which it may be created. What is left of an exchange that has
// gone is cleared away first.
func (es *exchanges) find(ctx context.Context, name string) (*exchangeRecord, uint64, error) {
	for {
		rec := new(exchangeRecord)
		revision, err := es.topology.get(ctx, exchangeKey(name), rec)
		if err != nil {
			return nil, 0, err
		}
		if revision == 0 {
			if x, own := predeclaredExchange(name); own {
				return &exchangeRecord{Exchange: x, Life: "amq"}, 0, nil
			}
			return nil, 0, nil
		}
		if es.epoch.standsExchange(rec) {
			rec.stored = true
			return rec, revision, nil
		}
		if err := es.finishDelete(ctx, rec); err != nil && !errors.Is(err, errConflict) {
			return nil, 0, err
		}
	}
}

// standing reads an exchange, nil if it is not there, and clears nothing away.
func (es *exchanges) standing(ctx context.Context, name string) (*exchangeRecord, error) {
	rec := new(exchangeRecord)
	revision, err := es.topology.get(ctx, exchangeKey(name), rec)
	if err != nil {
		return nil, err
	}
	if x, own := predeclaredExchange(name); own && revision == 0 {
		return &exchangeRecord{Exchange: x, Life: "amq"}, nil
	}
	if revision == 0 || !es.epoch.standsExchange(rec) {
		return nil, nil
	}
	return rec, nil
}

func (es *exchanges) create(ctx context.Context, x Exchange, revision uint64) error {
	rec := &exchangeRecord{Exchange: x, Life: newID(), Volatile: !x.Durable && es.link.keepsMemory()}
	if !x.Durable {
		rec.Epoch = es.epoch.id()
	}
	// Queues may drain an earlier exchange of the name: the filters they do it
	// with are interest, but no route.
	_, err := es.js.Stream(ctx, es.vhost.originStream(rec.origin()))
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	rec.Wide = err == nil
	if _, err := es.topology.put(ctx, exchangeKey(x.Name), rec, revision); err != nil {
		return err
	}
	if _, err = es.ensureOrigin(ctx, rec.origin()); err != nil {
		return err
	}
	return es.clearGone(ctx, x.Name) // deleted meanwhile, it has a stream again
}

// repair completes what a node that was killed left half done of an
// exchange: a move, or the record without its stream.
func (es *exchanges) repair(ctx context.Context, rec *exchangeRecord) error {
	if !rec.Moving {
		_, err := es.js.Stream(ctx, es.vhost.originStream(rec.origin()))
		if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	}
	if err := es.complete(ctx, rec); err != nil {
		return err
	}
	return es.clearGone(ctx, rec.Name) // deleted meanwhile, it has a stream again
}

// complete has somebody listen to what is published to an exchange.
func (es *exchanges) complete(ctx context.Context, rec *exchangeRecord) error {
	if rec.Moving {
		return es.finishMove(ctx, rec)
	}
	_, err := es.ensureOrigin(ctx, rec.origin())
	if jsapi.IsError(err, jsapi.CodeSubjectOverlap) {
		return nil // it has moved, and somebody listens
	}
	return err
}

// keep makes sure of an exchange's record and stream before something
// hangs on them: predeclared exchanges come into being here.
func (es *exchanges) keep(ctx context.Context, rec *exchangeRecord) (uint64, error) {
	if _, own := predeclaredExchange(rec.Name); own && !rec.stored {
		_, err := es.topology.put(ctx, exchangeKey(rec.Name), rec, 0)
		if err != nil && !errors.Is(err, errConflict) {
			return 0, err
		}
	}
	want := es.originConfig(rec.origin())
	stream, err := es.listen(ctx, want.Name, want.Subjects)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return es.ensureOrigin(ctx, rec.origin())
	}
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// setWide notes that interest in an exchange no longer proves a route.
func (es *exchanges) setWide(ctx context.Context, name string) error {
	return es.edit(ctx, name, func(rec *exchangeRecord) bool {
		narrow := !rec.Wide && !rec.Deleting
		rec.Wide = rec.Wide || narrow
		return narrow
	})
}

// edit writes the record of an exchange, if there is one, as f changes it.
// False says that there is nothing to change.
func (es *exchanges) edit(ctx context.Context, name string, f func(*exchangeRecord) bool) error {
	for {
		rec := new(exchangeRecord)
		revision, err := es.topology.get(ctx, exchangeKey(name), rec)
		if err != nil || revision == 0 || !f(rec) {
			return err
		}
		_, err = es.topology.put(ctx, exchangeKey(name), rec, revision)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// DeleteExchange deletes an exchange and its bindings. Messages already routed
// stay in their queues. [IfUnused] refuses with 406 while a queue is bound.
// Deleting an exchange that is not there succeeds; a predeclared one is 403.
func (s *Session) DeleteExchange(ctx context.Context, name string, flags ...UnusedFlag) error {
	err := s.whileOpen(ctx, func(ctx context.Context) error {
		all, err := joinFlags(flags, IfUnused)
		if err != nil {
			return err
		}
		return s.exchanges.delete(ctx, name, all)
	})
	if err != nil {
		return fmt.Errorf("delete exchange %q: %w", name, err)
	}
	return nil
}

func (es *exchanges) delete(ctx context.Context, name string, only UnusedFlag) error {
	if err := notDefault(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "amq.") {
		return errAccessRefused("exchange name '%s' contains reserved prefix 'amq.*'", name)
	}
	for {
		rec, revision, err := es.find(ctx, name)
		if errors.Is(err, errDamaged) {
			if err := es.bury(ctx, name); err != nil {
				return err
			}
			continue
		}
		if err != nil || rec == nil {
			return err
		}
		if only == IfUnused {
			bound, err := es.boundTo(ctx, rec)
			if err != nil {
				return err
			}
			if bound > 0 {
				return errPrecondition("exchange '%s' in vhost '%s' in use", name, es.cfg.ShownVHost)
			}
		}
		err = es.remove(ctx, rec, revision)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
}

// remove marks an exchange as going, the moment at which it is gone for
// everybody, and clears it away.
func (es *exchanges) remove(ctx context.Context, rec *exchangeRecord, revision uint64) error {
	rec.Deleting = true
	if _, err := es.topology.put(ctx, exchangeKey(rec.Name), rec, revision); err != nil {
		return err
	}
	return es.finishDelete(ctx, rec)
}

// finishDelete clears away what is left of an exchange: first nobody
// can publish, then its bindings end, then the stream goes, unless a queue
// still has messages in it, and the record last. Every step may be repeated,
// by anyone.
func (es *exchanges) finishDelete(ctx context.Context, rec *exchangeRecord) error {
	err := es.withGone(ctx, rec.Name, func(uint64) error {
		return es.parkBoth(ctx, rec.Name)
	})
	if err != nil {
		return err
	}
	err = es.changeBound(ctx, rec, func(c *queueChange) error {
		_, err := c.endBindings(ctx, rec, func(*bindingRecord) bool { return true })
		return err
	})
	if err != nil {
		return err
	}
	if err := es.clearGone(ctx, rec.Name); err != nil {
		return err
	}
	return es.tell(rec.Name)
}

// tell has all sessions read the record of an exchange again.
func (es *exchanges) tell(name string) error {
	es.forget(name)
	return es.link.nc.Publish(es.vhost.changeSubject()+"."+routing.NameToken(name), nil)
}

// boundTo counts the bindings that stand from an exchange.
func (es *exchanges) boundTo(ctx context.Context, rec *exchangeRecord) (int, error) {
	queues, err := es.topology.queues(ctx)
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range queues {
		if es.epoch.standsQueue(&queues[i]) && queues[i].boundTo(rec) {
			count++
		}
	}
	return count, nil
}

// dropUnbound deletes an auto-delete exchange that lost its last binding.
func (es *exchanges) dropUnbound(ctx context.Context, name string) error {
	rec, revision, err := es.find(ctx, name)
	if err != nil || rec == nil || !rec.AutoDelete {
		return err
	}
	bound, err := es.boundTo(ctx, rec)
	if isDamage(err) {
		return nil // a queue that cannot be read may be bound
	}
	if err != nil || bound > 0 {
		return err
	}
	err = es.remove(ctx, rec, revision)
	if errors.Is(err, errConflict) {
		return nil
	}
	return err
}
