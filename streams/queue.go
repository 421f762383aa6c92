package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/streams/internal/amqp"
	"warren/streams/internal/jsapi"
)

// A Queue holds messages until a consumer settles them. On JetStream it is a
// home, a work-queue stream for what is published to it by name, and a view, a
// durable consumer, on each exchange it is bound to.
type Queue struct {
	// Name is 1 to 255 bytes of UTF-8; names that begin with "amq." are the
	// broker's. Default: the server makes one, "amq.gen-…".
	Name string
	// Durable queues, and the persistent messages in them, come back after a
	// restart of the broker; others go with it. Default: not durable.
	Durable bool
	// Exclusive queues are for the session that declared them and are deleted
	// when it ends; other sessions get 405. Default: shared.
	Exclusive bool
	// AutoDelete queues go with their last consumer, once they had one.
	// Default: they stay.
	AutoDelete bool
	// Schedules lets messages wait for the queue until their time; see
	// [Session.PublishAt]. Default: messages are for now.
	Schedules bool
	// MessageTTL is how long a message may wait in the queue: whole milliseconds, at most
	// ten years. What has waited for longer is dropped when it comes to the front of the
	// queue; with 0, what no consumer waits for. A message may say less, see
	// [Message.Expiration]. It is the argument x-message-ttl. Default: nil, no limit.
	MessageTTL *time.Duration `json:"-"`
	// Expires is after how long without use the queue is deleted, with its messages: whole
	// milliseconds, at most ten years. A queue is in use while it has consumers, and used
	// when it is declared, inspected, or taken from with Get. Declaring it needs a leader,
	// see [Config.Lead]; where none is, it is 540. It is the argument x-expires.
	// Default: 0, it stays.
	Expires time.Duration `json:"-"`
	// Args are further arguments; those that mean something count when a queue
	// is declared again, and those that ask for something Warren does not have
	// are 540. Those of which there is a field may be given here instead. Default: none.
	Args Table
}

// QueueInfo is what a queue is and holds.
type QueueInfo struct {
	Queue
	// Ready counts the messages that wait for a consumer: at most so many where
	// more than 1000 wait of which the broker cannot say that they are the
	// queue's, as after a restart.
	Ready int
	// Unacked counts the messages that a consumer, or a Get, holds unsettled, or held
	// when its process was killed.
	Unacked int
	// Orphaned counts those of Unacked whose holder was killed. They come again when
	// their lease is over, by OrphanedUntil at the latest, which is a time by the broker's
	// clock.
	Orphaned      int
	OrphanedUntil time.Time
	// Scheduled counts the messages that wait for their time. After a restart
	// of the broker, those that ended with it count until that time.
	Scheduled int
	// Consumers counts the consumers, in all processes.
	Consumers int
}

// queueRecord is a queue in the topology, its bindings with it, so that one
// compare-and-set decides between a binding and the end of its queue.
type queueRecord struct {
	formatted
	Queue
	Life string `json:"life"`
	// Version counts the record's changes within its life.
	Version uint64 `json:"version"`
	Epoch   string `json:"epoch,omitempty"`
	// Owner is the node that has an exclusive queue, and OwnerSession its session, which
	// earlier releases do not write.
	Owner        string          `json:"owner,omitempty"`
	OwnerSession uint64          `json:"owner_session,omitempty"`
	Lease        time.Duration   `json:"lease"`
	Bindings     []bindingRecord `json:"bindings,omitempty"`
	Pages        []pageRef       `json:"pages,omitempty"` // which have the first of the bindings
	// Busy is the session that is changing the queue's streams and consumers;
	// they have no compare-and-set of their own. Of an exclusive queue it is the owner's
	// node all the time, see ownedQueues.
	Busy     string `json:"busy,omitempty"`
	Deleting bool   `json:"deleting,omitempty"`
	gathered bool   // the bindings of its pages are among Bindings
}

// stamp says in which format the record is written. Releases that do not obey what it says
// of expiry do not know that.
func (rec *queueRecord) stamp() {
	rec.formatted.stamp()
	if rec.MessageTTL != nil || rec.Expires != 0 {
		rec.Format = expiryFormat
	}
}

// clone is a copy whose bindings may be changed.
func (rec *queueRecord) clone() *queueRecord {
	c := *rec
	c.Bindings = slices.Clone(rec.Bindings)
	return &c
}

// MarshalJSON writes the record without what its pages have.
func (rec *queueRecord) MarshalJSON() ([]byte, error) {
	type plain queueRecord
	root := plain(*rec)
	root.Bindings = rec.few()
	return json.Marshal(&root)
}

// UnmarshalJSON reads the record, with the fields of which the arguments are stored.
func (rec *queueRecord) UnmarshalJSON(data []byte) error {
	type plain queueRecord
	if err := json.Unmarshal(data, (*plain)(rec)); err != nil {
		return err
	}
	if err := rec.readArguments(""); err != nil {
		return errors.New(err.Error()) // nobody has asked for it: it is damage
	}
	return nil
}

// Queues are the queues of the virtual host: their records, the streams and consumers
// that are derived from them, and who changes them now.
type queues struct {
	*site
	link      *link
	topology  *topology
	live      *live
	clock     *brokerClock
	epoch     *epoch
	reader    *reader
	registry  *registry
	peers     *peers
	exchanges *exchanges
	locks     jsapi.KeyedLocks   // by name: changing a queue
	owned     ownedQueues        // by sessions of this node
	gone      func(*queueRecord) // is told of each queue that this node has deleted
}

// notYet are the arguments of a queue that ask for what Warren does not have.
var notYet = []string{
	"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
	"x-delivery-limit", "x-max-age", "x-max-length", "x-max-length-bytes",
	"x-max-priority", "x-overflow", "x-single-active-consumer",
	"x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max", "x-consumer-timeout",
	"x-initial-cluster-size", "x-max-in-memory-bytes", "x-max-in-memory-length",
	"x-quorum-initial-group-size", "x-quorum-target-group-size",
	"x-stream-filter-size-bytes", "x-stream-max-segment-size-bytes",
}

func (q Queue) check() error {
	if err := checkQueueName(q.Name); err != nil {
		return err
	}
	for _, arg := range notYet {
		if _, asked := q.Args[arg]; asked {
			return errNotImplemented("argument '%s' is not yet supported", arg)
		}
	}
	kind, asked := q.Args["x-queue-type"]
	switch {
	case !asked || kind == "classic":
		return nil
	case kind == "quorum" || kind == "stream":
		return errNotImplemented("queue type '%s' is not yet supported; leave x-queue-type out", kind)
	}
	return errPrecondition("x-queue-type is %#v: expected classic", kind)
}

// replyTo begins the names of the queues of direct reply-to, which are none.
const replyTo = "amq.rabbitmq.reply-to"

// checkQueueName refuses what is no name of a queue. The empty name is, in AMQP,
// that of the queue declared last on a channel; here there is none.
func checkQueueName(name string) error {
	switch {
	case name == "":
		return errNotFound("no queue is named; declaring a queue gives the name the server made for it")
	case strings.HasPrefix(name, replyTo):
		return errNotImplemented("direct reply-to is not yet supported")
	}
	return amqp.CheckName("queue", name)
}

// DeclareQueue verifies that a queue exists as described, and creates it when
// there is none. It is idempotent. A queue that exists otherwise is 406, one
// that is exclusive to another session 405, a reserved name 403, an argument
// Warren does not have 540. The result holds the name the server made for an
// empty one. When it returns, the next publish obeys it, from every process.
func (s *Session) DeclareQueue(ctx context.Context, q Queue) (QueueInfo, error) {
	info, err := call(ctx, s, func(ctx context.Context) (QueueInfo, error) { return s.declareQueue(ctx, q) })
	if err != nil {
		return QueueInfo{}, fmt.Errorf("declare queue %q: %w", q.Name, err)
	}
	s.explainQueue("queue.declare", info.Queue)
	return info, nil
}

func (s *Session) declareQueue(ctx context.Context, q Queue) (QueueInfo, error) {
	if err := s.completeQueue(&q); err != nil {
		return QueueInfo{}, err
	}
	if s.isClosed() {
		return QueueInfo{}, ErrClosed
	}
	if err := s.checkSchedules(q); err != nil {
		return QueueInfo{}, err
	}
	if q.AutoDelete {
		if err := s.janitor.sweepUsers(ctx, q.Name); err != nil {
			return QueueInfo{}, err
		}
	}
	for likelyNew := q.Exclusive; ; likelyNew = false {
		rec, revision, err := s.lookUp(ctx, q.Name, likelyNew)
		if err != nil {
			return QueueInfo{}, err
		}
		if rec != nil {
			if info, there, err := s.declareAgain(ctx, q, rec); there || err != nil {
				return info, err
			}
			continue
		}
		if q.Expires != 0 {
			if err := s.queues.needLeader(ctx, q.Name); err != nil {
				return QueueInfo{}, err
			}
		}
		err = s.queues.create(ctx, q, s, revision)
		if err == nil {
			return QueueInfo{Queue: q}, nil
		}
		if !errors.Is(err, errConflict) {
			return QueueInfo{}, err
		}
	}
}

// lookUp is loadQueue for who declares a queue. One that is likely to be new is not looked
// for: writing its record finds out.
func (s *Session) lookUp(ctx context.Context, name string, likelyNew bool) (*queueRecord, uint64, error) {
	if likelyNew {
		return nil, 0, nil
	}
	return s.loadQueue(ctx, name)
}

// completeQueue gives a queue without a name one, and checks what it is declared with.
func (s *Session) completeQueue(q *Queue) error {
	switch {
	case q.Name == "":
		q.Name = "amq.gen-" + newID()
	case strings.HasPrefix(q.Name, "amq.") && !strings.HasPrefix(q.Name, replyTo): // whether it is there or not
		return errAccessRefused("queue name '%s' contains reserved prefix 'amq.*'", q.Name)
	}
	if err := q.readArguments(s.cfg.ShownVHost); err != nil {
		return err
	}
	return q.check()
}

// declareAgain declares a queue that is there; false says that it has gone meanwhile.
func (s *Session) declareAgain(ctx context.Context, q Queue, rec *queueRecord) (info QueueInfo, there bool, err error) {
	if err := rec.equivalent(q, s.cfg.ShownVHost); err != nil {
		return QueueInfo{}, true, err
	}
	if there, err := s.queues.useQueue(ctx, rec); err != nil || !there {
		return QueueInfo{}, there, err
	}
	info, err = s.contents.queueInfo(ctx, rec)
	if isNotFound(err) && s.queues.ended(ctx, rec) {
		return QueueInfo{}, false, nil
	}
	return info, true, err
}

// equivalent is AMQP's rule for declaring again: the same in everything. Whose
// a queue is comes first, as in RabbitMQ.
func (rec *queueRecord) equivalent(q Queue, vhost string) error {
	what := fmt.Sprintf("queue '%s' in vhost '%s'", q.Name, vhost)
	switch {
	case rec.Exclusive != q.Exclusive:
		return errResourceLocked(inequivalent, "exclusive", what, q.Exclusive, rec.Exclusive)
	case rec.survives() != q.survives(): // that an exclusive queue is durable means nothing
		return errPrecondition(inequivalent, "durable", what, q.Durable, rec.Durable)
	case rec.AutoDelete != q.AutoDelete:
		return errPrecondition(inequivalent, "auto_delete", what, q.AutoDelete, rec.AutoDelete)
	case rec.Schedules != q.Schedules:
		return errPrecondition(inequivalent, "schedules", what, q.Schedules, rec.Schedules)
	}
	return equivalentArgs(what, q.Args, rec.Args, obeyed)
}

// create makes a queue: the record first, held busy, then its home. A
// crash between the two leaves a record that the next one to touch completes. An
// exclusive queue stays held.
func (qs *queues) create(ctx context.Context, q Queue, owner *Session, revision uint64) error {
	unlock, err := qs.locks.Lock(ctx, q.Name)
	if err != nil {
		return err
	}
	defer unlock()
	rec := &queueRecord{Queue: q, Life: newID(), Busy: qs.id, Lease: qs.cfg.Lease, gathered: true}
	isNew := false
	if q.Exclusive {
		rec.Owner, rec.OwnerSession = qs.id, owner.number
		isNew = owner.owns(q.Name) // also if this is not completed
	}
	if !q.survives() {
		rec.Epoch = qs.epoch.id()
	}
	revision, err = qs.topology.put(ctx, queueKey(q.Name), rec, revision)
	if isNew && errors.Is(err, errConflict) {
		owner.disowns(q.Name)
	}
	if err != nil {
		return err
	}
	err = errors.Join(qs.ensureHome(ctx, rec), qs.tellUse(ctx, rec))
	if q.Exclusive {
		qs.owned.note(&queueChange{rec: rec, revision: revision}, err == nil)
	}
	if err != nil || q.Exclusive {
		return err
	}
	rec.Busy = ""
	_, err = qs.topology.put(ctx, queueKey(q.Name), rec, revision)
	return err
}

// survives reports whether the queue comes back after a restart of the broker.
// An exclusive queue ends with its session, and so with the broker.
func (q Queue) survives() bool { return q.Durable && !q.Exclusive }

// standsQueue reports whether a record is of a queue that is there.
func (e *epoch) standsQueue(rec *queueRecord) bool {
	return !rec.Deleting && (rec.Epoch == "" || rec.Epoch == e.id())
}

// ended reports whether a life of a queue is over.
func (qs *queues) ended(ctx context.Context, rec *queueRecord) bool {
	now := new(queueRecord)
	revision, err := qs.topology.get(ctx, queueKey(rec.Name), now)
	return err == nil && (revision == 0 || now.Life != rec.Life || !qs.epoch.standsQueue(now))
}

// find reads a queue; nil says that there is none, with the revision at
// which it may be created. A queue exclusive to another node that lives is
// 405; what is left of a queue that has gone is cleared away first.
func (qs *queues) find(ctx context.Context, name string) (*queueRecord, uint64, error) {
	for {
		rec, revision, err := qs.topology.queue(ctx, name)
		if err != nil || revision == 0 {
			return nil, 0, err
		}
		gone := !qs.epoch.standsQueue(rec)
		if !gone && rec.Owner != "" {
			alive, err := qs.peers.alive(ctx, rec.Owner, rec.OwnerSession)
			if err != nil {
				return nil, 0, err
			}
			if alive && rec.Owner != qs.id {
				return nil, 0, qs.lockedQueue(name)
			}
			gone = !alive
		}
		if gone {
			err = qs.remove(ctx, name, rec.Life)
		} else if rec.Busy == "" || qs.isWhole(rec) {
			return rec, revision, nil
		} else { // somebody is at it, or was when it died: take part
			err = qs.change(ctx, name, func(*queueChange) error { return nil })
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, 0, err
		}
	}
}

// lockedQueue is RabbitMQ's text.
const lockedQueue = "cannot obtain exclusive access to locked queue '%s' in vhost '%s'. " +
	"It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."

func (at *site) lockedQueue(name string) error {
	return errResourceLocked(lockedQueue, name, at.cfg.ShownVHost)
}

// loadQueue is find for a session: 405 if the queue is exclusive to another one.
func (s *Session) loadQueue(ctx context.Context, name string) (*queueRecord, uint64, error) {
	rec, revision, err := s.queues.find(ctx, name)
	if err == nil && rec != nil && rec.Owner != "" && !s.isOwner(rec) {
		return nil, 0, s.lockedQueue(name)
	}
	return rec, revision, err
}

// needQueue loads a queue that must exist.
func (s *Session) needQueue(ctx context.Context, name string) (*queueRecord, error) {
	if err := checkQueueName(name); err != nil {
		return nil, err
	}
	if s.isClosed() {
		return nil, ErrClosed
	}
	rec, _, err := s.loadQueue(ctx, name)
	if err == nil && rec == nil {
		err = s.noQueue(name)
	}
	return rec, err
}

func (at *site) noQueue(name string) error {
	return errNotFound("no queue '%s' in vhost '%s'", name, at.cfg.ShownVHost)
}

// InspectQueue is AMQP's passive declare: what the queue holds, 404 when there
// is none, 405 when it is exclusive to another session.
func (s *Session) InspectQueue(ctx context.Context, name string) (QueueInfo, error) {
	info, err := call(ctx, s, func(ctx context.Context) (QueueInfo, error) { return s.inspectQueue(ctx, name) })
	if err != nil {
		return QueueInfo{}, fmt.Errorf("inspect queue %q: %w", name, err)
	}
	return info, nil
}

func (s *Session) inspectQueue(ctx context.Context, name string) (QueueInfo, error) {
	rec, err := s.needQueue(ctx, name)
	if err != nil {
		return QueueInfo{}, err
	}
	if there, err := s.queues.useQueue(ctx, rec); err != nil {
		return QueueInfo{}, err
	} else if !there {
		return QueueInfo{}, s.noQueue(name)
	}
	return s.contents.queueInfo(ctx, rec)
}

// Queues lists the queues of the virtual host by name. With a [DamagedError], the list
// is complete but for what that names.
func (s *Session) Queues(ctx context.Context) ([]QueueInfo, error) {
	return call(ctx, s, s.listQueues)
}

// DeleteQueue deletes a queue with its messages and says how many were ready.
// Its consumers are told. [IfUnused] refuses with 406 while it has consumers,
// [IfEmpty] while messages are ready or wait for their time. Deleting a queue that is not there
// succeeds.
func (s *Session) DeleteQueue(ctx context.Context, name string, flags ...DeleteFlag) (int, error) {
	count, err := call(ctx, s, func(ctx context.Context) (int, error) {
		only, err := deleteFlags(flags)
		if err != nil {
			return 0, err
		}
		return s.deleteQueue(ctx, name, only)
	})
	if err != nil {
		return 0, fmt.Errorf("delete queue %q: %w", name, err)
	}
	return count, nil
}

func (s *Session) deleteQueue(ctx context.Context, name string, only deletion) (int, error) {
	if err := checkQueueName(name); err != nil {
		return 0, err
	}
	for {
		count, err := s.deleteOnce(ctx, name, only)
		if !errors.Is(err, errConflict) || ctx.Err() != nil {
			return count, err
		}
	}
}

// deleteOnce is deleteQueue; errConflict says that the queue has changed since the session
// knew it.
func (s *Session) deleteOnce(ctx context.Context, name string, only deletion) (int, error) {
	rec, err := s.knownQueue(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if errors.Is(err, errDamaged) {
		return 0, s.deleteDamaged(ctx, name)
	}
	if err != nil {
		return 0, err
	}
	info, err := s.contents.queueInfo(ctx, rec)
	if err != nil && !isNotFound(err) { // its stream may be missing, the rest of it not
		return 0, err
	}
	if only.unused == IfUnused && info.Consumers > 0 {
		return 0, errPrecondition("queue '%s' in vhost '%s' in use", name, s.cfg.ShownVHost)
	}
	if only.empty == IfEmpty {
		empty, err := s.contents.isEmpty(ctx, rec, info)
		if err != nil {
			return 0, err
		}
		if !empty {
			return 0, errPrecondition("queue '%s' in vhost '%s' is not empty", name, s.cfg.ShownVHost)
		}
	}
	known, err := s.queues.changeKnown(ctx, rec, func(c *queueChange) error { return c.remove(ctx) })
	if !known {
		err = s.queues.remove(ctx, name, rec.Life)
	}
	return info.Ready + info.Orphaned, err
}

// remove deletes one life of a queue; a later one of the name stays.
func (qs *queues) remove(ctx context.Context, name, life string) error {
	err := qs.whileHeld(ctx, name, func(change *queueChange) error {
		if change.rec.Life != life && !change.rec.Deleting {
			return change.repair(ctx)
		}
		return change.remove(ctx)
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// DeleteFlag is [IfUnused] or [IfEmpty]: a condition under which a queue is deleted.
type DeleteFlag interface{ deletes() }

// UnusedFlag is a condition under which a queue or an exchange is deleted.
type UnusedFlag uint8

// IfUnused deletes only a queue without consumers, or an exchange without bindings.
const IfUnused UnusedFlag = 1

// EmptyFlag is a condition under which a queue is deleted.
type EmptyFlag uint8

// IfEmpty deletes only a queue without messages that are ready, or that wait for
// their time.
const IfEmpty EmptyFlag = 1

func (UnusedFlag) deletes() {}
func (EmptyFlag) deletes()  {}

// deletion is under which conditions a queue is deleted.
type deletion struct {
	unused UnusedFlag
	empty  EmptyFlag
}

func deleteFlags(flags []DeleteFlag) (all deletion, err error) {
	for _, flag := range flags {
		switch flag := flag.(type) {
		case UnusedFlag:
			all.unused |= flag
		case EmptyFlag:
			all.empty |= flag
		}
	}
	if _, err := joinFlags([]UnusedFlag{all.unused}, IfUnused); err != nil {
		return all, err
	}
	_, err = joinFlags([]EmptyFlag{all.empty}, IfEmpty)
	return all, err
}
