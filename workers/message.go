package workers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// A Message is a task on its way, in Celery's protocol 2: what is known of it in
// the headers, and [args, kwargs, embed] as the body.
type Message struct {
	ID       string
	Task     string
	RootID   string
	ParentID string
	// Group and GroupIndex are where a member of a group belongs.
	Group      string
	GroupIndex int // -1 without a group
	// Retries counts the attempts before this one.
	Retries int
	// ETA is when it may run, Expires when it may not any more; zero for neither.
	ETA, Expires time.Time
	// SoftLimit and HardLimit bound a run; zero for no limit.
	SoftLimit, HardLimit time.Duration
	NoResult             bool
	ResultTTL            time.Duration
	Retry                *RetryPolicy
	// Origin is who sent it.
	Origin string
	// Queue is where it goes, and Priority how urgent it is there: see Level.
	Queue    string
	Priority uint8
	// Headers are the user's.
	Headers map[string]string

	Args   []json.RawMessage
	Kwargs map[string]json.RawMessage
	Embed  Embed

	// plan is where the steps are that follow those of Embed.Chain; nil for none.
	plan *canvas.Plan
	// turn says that its rate limit has let it through.
	turn bool
	// passes is how often it was handed back by workers that do not know it, and
	// unclaimed for how long nobody was there who does.
	passes    int
	unclaimed time.Duration
	// received is what the headers were read from: what has not changed since, and
	// what only other programs know, is sent on as it was.
	received streams.Table
	replyTo  string
}

// Embed is what is to happen after a task: the third part of a body.
type Embed struct {
	Callbacks []Signature `json:"callbacks"`
	Errbacks  []Signature `json:"errbacks"`
	// Chain is what follows, the next step last: of a long chain, the steps that travel
	// with the task. The others are kept in the store.
	Chain []Signature `json:"chain"`
	// Chord is what all members of the group go into together.
	Chord *Signature `json:"chord"`
}

// ours are the headers beyond Celery's.
const (
	ourPrefix       = "warren_"
	headerQueue     = ourPrefix + "queue"
	headerRetry     = ourPrefix + "retry"
	headerResultTTL = ourPrefix + "result_expires"
	headerTurn      = ourPrefix + "turn"
	headerPasses    = ourPrefix + "passes"
	headerUnclaimed = ourPrefix + "unclaimed"
)

// headerScheduled is the time at which a run of an entry of package beat was due. It is
// one of the headers that what follows a task has too.
const headerScheduled = "scheduled"

// encode writes a task as a message of a queue.
func (m *Message) encode() (streams.Message, error) {
	body, err := m.body()
	if err != nil {
		return streams.Message{}, fmt.Errorf("write task %q: %w", m.Task, err)
	}
	headers, err := m.headers()
	if err != nil {
		return streams.Message{}, fmt.Errorf("write task %q: %w", m.Task, err)
	}
	return streams.Message{
		ContentType: celery.ContentType, ContentEncoding: celery.ContentEncoding,
		DeliveryMode: streams.Persistent, Priority: m.Priority,
		CorrelationID: m.ID, ReplyTo: m.replyTo, MessageID: m.dispatch(), Headers: headers, Body: body,
	}, nil
}

// dispatch names one sending of a task: what is sent again after a crash, or
// because nobody knew whether it had arrived, has the name it had.
func (m *Message) dispatch() string {
	name := m.attempt()
	if m.passes > 0 {
		name += fmt.Sprintf("^%d", m.passes)
	}
	if m.turn {
		name += "~"
	}
	return name
}

// handsOn reports whether others are given what the task comes to.
func (m *Message) handsOn() bool {
	return len(m.Embed.Callbacks)+len(m.Embed.Chain) > 0 || m.plan != nil || m.Embed.Chord != nil
}

// unwanted reports whether no result of the task is kept. One that is handed on is:
// a second run must not hand on another one.
func (m *Message) unwanted() bool { return m.NoResult && !m.handsOn() }

// attempt names one attempt at a task.
func (m *Message) attempt() string {
	if m.Retries == 0 {
		return celery.IDName(m.ID)
	}
	return fmt.Sprintf("%s:%d", celery.IDName(m.ID), m.Retries)
}

func (m *Message) body() ([]byte, error) {
	args, kwargs, _ := m.places()
	if args == nil {
		args = []json.RawMessage{}
	}
	if kwargs == nil {
		kwargs = map[string]json.RawMessage{}
	}
	embed := m.Embed
	var err error
	if embed.Chain, err = canvas.WithPlan(embed.Chain, m.plan); err != nil {
		return nil, err
	}
	text, err := jsontext.Marshal([]any{args, kwargs, embed})
	if err == nil && !utf8.Valid(text) {
		err = celery.Permanent(errors.New("an argument is not UTF-8, as JSON is; send bytes as base64, which []byte becomes"))
	}
	return celery.ToPython(text), err
}

// taskHeaders are the names that headers writes of every task, which say what they
// say in Celery.
var taskHeaders = map[string]bool{
	"lang": true, "task": true, "id": true, "root_id": true, "parent_id": true, "group": true, "group_index": true,
	"retries": true, "eta": true, "expires": true, "timelimit": true, "origin": true, "ignore_result": true,
}

// headers are Celery's, those without a value too, and ours where there is
// something to say.
func (m *Message) headers() (streams.Table, error) {
	t := make(streams.Table, 20+len(m.received))
	t["lang"] = "go"
	t["task"] = m.Task
	t["id"] = m.ID
	t["root_id"] = celery.TextOrNil(m.RootID)
	t["parent_id"] = celery.TextOrNil(m.ParentID)
	t["group"] = celery.TextOrNil(m.Group)
	t["group_index"] = nil
	if m.GroupIndex >= 0 {
		t["group_index"] = int64(m.GroupIndex)
	}
	t["retries"] = int64(m.Retries)
	t["eta"] = celery.TimeOrNil(m.ETA)
	t["expires"] = celery.TimeOrNil(m.Expires)
	t["timelimit"] = []any{celery.SecondsOrNil(m.HardLimit), celery.SecondsOrNil(m.SoftLimit)}
	t["origin"] = celery.TextOrNil(m.Origin)
	t["ignore_result"] = m.NoResult
	if err := m.ourHeaders(t); err != nil {
		return nil, err
	}
	m.restore(t)
	return t, nil
}

// restore puts back headers as they were received, where they mean what they
// meant, and takes out those that were not there and say nothing.
func (m *Message) restore(t streams.Table) {
	if m.received == nil {
		return
	}
	for name, was := range m.received {
		if name == headerApart || name == canvas.HeaderPlan {
			continue // it says what is true of these arguments, and of these steps
		}
		if now, ok := t[name]; !ok || sameHeader(name, was, now) {
			t[name] = was
		}
	}
	for name, now := range t {
		if _, was := m.received[name]; !was && name != headerApart && name != canvas.HeaderPlan && sameHeader(name, nil, now) {
			delete(t, name)
		}
	}
}

// sameHeader reports whether two values of a header are read as the same.
func sameHeader(name string, a, b any) bool {
	ma, mb := Message{GroupIndex: -1}, Message{GroupIndex: -1}
	(&headerReader{m: &ma}).read(name, a)
	(&headerReader{m: &mb}).read(name, b)
	return reflect.DeepEqual(&ma, &mb)
}

func (m *Message) ourHeaders(t streams.Table) error {
	if m.Queue != "" {
		t[headerQueue] = m.Queue
	}
	if m.ResultTTL != 0 {
		t[headerResultTTL] = m.ResultTTL.Seconds()
	}
	if _, was := m.received[headerTurn]; was || m.turn {
		t[headerTurn] = m.turn
	}
	if _, _, at := m.places(); at != nil {
		text, err := json.Marshal(at)
		if err != nil {
			return err
		}
		t[headerApart] = string(text)
	}
	if m.plan != nil {
		text, err := m.plan.Header()
		if err != nil {
			return err
		}
		t[canvas.HeaderPlan] = text
	}
	if _, was := m.received[headerPasses]; was || m.passes > 0 {
		t[headerPasses], t[headerUnclaimed] = int64(m.passes), m.unclaimed.Seconds()
	}
	if m.Retry != nil {
		text, err := json.Marshal(m.Retry)
		if err != nil {
			return err
		}
		t[headerRetry] = string(text)
	}
	if err := checkHeaders(m.Headers); err != nil {
		return err
	}
	for name, value := range m.Headers {
		t[name] = value
	}
	return nil
}

// decodeMessage reads a task. What is none says what it lacks. With the error of a
// task that has a name and an id it gives what could be read of it.
func decodeMessage(in streams.Message) (*Message, error) {
	body, unread := celery.Body(in)
	if in.Headers[celery.HeaderCompression] != nil && unread == nil {
		in.Headers = maps.Clone(in.Headers)
		delete(in.Headers, celery.HeaderCompression) // should it be sent again
	}
	in.Body = body
	if _, new := in.Headers["task"]; !new && unread == nil {
		in, _ = celery.Upgrade(in)
	}
	m := &Message{GroupIndex: -1, Priority: in.Priority, received: in.Headers, replyTo: in.ReplyTo}
	r := headerReader{m: m}
	for name, value := range in.Headers {
		r.read(name, value)
	}
	if err := m.identify(in.CorrelationID); err != nil {
		return nil, errors.Join(r.err, unread, err)
	}
	if unread == nil {
		unread = m.decodeBody(in.Body)
	}
	if unread == nil {
		unread = m.placeAll(in.Headers)
	}
	if m.plan != nil {
		m.Embed.Chain = canvas.WithoutPlan(m.Embed.Chain)
	}
	if unread != nil {
		unread = fmt.Errorf("body of task %q: %w", m.Task, unread)
	}
	return m, errors.Join(r.err, unread)
}

// identify says what a task lacks so that nobody could ask for it.
func (m *Message) identify(correlationID string) error {
	m.ID = first(m.ID, correlationID)
	m.RootID = first(m.RootID, m.ID)
	switch {
	case m.Task == "":
		return errors.New("it is no task of Celery: there is no header 'task', and no 'task' in its body")
	case m.ID == "":
		return fmt.Errorf("task %q has no id", m.Task)
	}
	return nil
}

// endOfMost is how a body ends that was written here, when there are no named
// arguments and nothing is to follow. All before it but a bracket is the arguments.
const endOfMost = `,{},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]`

func (m *Message) decodeBody(body []byte) error {
	if args, ok := bytes.CutSuffix(body, []byte(endOfMost)); ok && bytes.HasPrefix(args, []byte("[[")) && json.Valid(args[1:]) {
		m.Args, m.Kwargs = jsontext.Elements(args[1:]), map[string]json.RawMessage{}
		return nil
	}
	parts := []any{&m.Args, &m.Kwargs, &m.Embed}
	if err := json.Unmarshal(body, &parts); err != nil {
		m.Args, m.Kwargs, m.Embed = nil, nil, Embed{}
		return err
	}
	if len(parts) != 3 {
		return fmt.Errorf("got %d parts, want args, kwargs and embed", len(parts))
	}
	return nil
}

// headerReader reads headers into a message, and remembers the first that is not
// as it should be.
type headerReader struct {
	m   *Message
	err error
}

func (r *headerReader) read(name string, value any) {
	m := r.m
	switch name {
	case "task":
		m.Task = r.text(name, value)
	case "id":
		m.ID = r.text(name, value)
	case "root_id":
		m.RootID = r.text(name, value)
	case "parent_id":
		m.ParentID = r.text(name, value)
	case "group":
		m.Group = r.text(name, value)
	case "group_index":
		if value != nil {
			m.GroupIndex = r.count(name, value)
		}
	case "retries":
		m.Retries = r.count(name, value)
	case "eta":
		m.ETA = r.time(name, value)
	case "expires":
		m.Expires = r.time(name, value)
	case "timelimit":
		r.limits(value)
	case "origin":
		m.Origin = r.text(name, value)
	case "ignore_result":
		m.NoResult, _ = value.(bool)
	case headerQueue:
		m.Queue = r.text(name, value)
	case headerTurn:
		m.turn, _ = value.(bool)
	case headerPasses:
		m.passes = r.count(name, value)
	case headerUnclaimed:
		m.unclaimed = r.duration(name, value)
	case headerResultTTL:
		m.ResultTTL = r.duration(name, value)
	case canvas.HeaderPlan:
		r.plan(name, value)
	case headerRetry:
		r.fail(name, json.Unmarshal([]byte(r.text(name, value)), &m.Retry))
	default:
		r.other(name, value)
	}
}

// celeryHeaders are those of Celery that mean nothing here.
var celeryHeaders = map[string]bool{
	"lang": true, "argsrepr": true, "kwargsrepr": true, "shadow": true, "meth": true,
	"compression": true, "replaced_task_nesting": true, "stamped_headers": true, "stamps": true,
}

func (r *headerReader) other(name string, value any) {
	s, ok := value.(string)
	if !ok || celeryHeaders[name] || strings.HasPrefix(name, ourPrefix) {
		return
	}
	if r.m.Headers == nil {
		r.m.Headers = make(map[string]string)
	}
	r.m.Headers[name] = s
}

func (r *headerReader) plan(name string, value any) {
	if value == nil {
		return
	}
	var err error
	if r.m.plan, err = canvas.ReadPlan(r.text(name, value)); err != nil {
		r.m.plan = nil
		r.fail(name, err)
	}
}

func (r *headerReader) fail(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("header %q: %w", name, err)
	}
}

func (r *headerReader) text(name string, value any) string {
	s, ok := value.(string)
	if !ok && value != nil {
		r.fail(name, fmt.Errorf("it is a %T, not a string", value))
	}
	return s
}

func (r *headerReader) count(name string, value any) int {
	if value == nil {
		return 0
	}
	f, ok := celery.Number(value)
	if n := int(f); ok && f >= 0 && f <= 1<<30 && float64(n) == f {
		return n
	}
	r.fail(name, fmt.Errorf("%v is no count", value))
	return 0
}

func (r *headerReader) time(name string, value any) time.Time {
	if at, ok := value.(time.Time); ok {
		return at.UTC()
	}
	s := r.text(name, value)
	if s == "" {
		return time.Time{}
	}
	at, err := celery.ParseTime(s)
	r.fail(name, err)
	return at.UTC()
}

func (r *headerReader) duration(name string, value any) time.Duration {
	if value == nil {
		return 0
	}
	f, ok := celery.Number(value)
	if !ok || f < 0 {
		r.fail(name, fmt.Errorf("%v is no number of seconds", value))
		return 0
	}
	d, err := celery.DurationOf(f)
	r.fail(name, err)
	return d
}

// limits reads the hard limit and the soft one, which is how Celery sends them.
func (r *headerReader) limits(value any) {
	list, _ := value.([]any)
	if len(list) != 2 {
		if value != nil {
			r.fail("timelimit", fmt.Errorf("%v are not two limits", value))
		}
		return
	}
	r.m.HardLimit = r.duration("timelimit", list[0])
	r.m.SoftLimit = r.duration("timelimit", list[1])
}

// origin is who sends from this process, as Celery writes it.
var origin = func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("gen%d@%s", os.Getpid(), strings.ToValidUTF8(host, "?"))
}()
