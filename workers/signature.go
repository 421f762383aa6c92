package workers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"
)

// A Signature is a call as data: Celery's JSON form of a task that is to run, or
// of a chain, a group or a chord of them. Typed calls ([Sig], [Step]) are
// signatures underneath; [App.Signature] makes one of a name and arguments that
// are known at run time only.
type Signature struct {
	// Task is the name of the task; a canvas has none of its own.
	Task string
	// Args are the positional arguments; what comes before them in a canvas is
	// put in front.
	Args []json.RawMessage
	// Kwargs are the arguments by name.
	Kwargs map[string]json.RawMessage
	// Options are those of the call.
	Options CallOptions
	// Kind says what canvas it is; the zero value is a single task.
	Kind Kind
	// Tasks are the steps of a chain, the members of a group, the header of a
	// chord.
	Tasks []Signature
	// Body is what a chord does with the results of its header.
	Body *Signature
	// Immutable calls ignore what comes before them in a canvas.
	Immutable bool
}

// Kind is what a signature is: Celery's subtask_type.
type Kind string

// The kinds of canvas. A single task has none.
const (
	KindTask  Kind = ""
	KindChain Kind = "chain"
	KindGroup Kind = "group"
	KindChord Kind = "chord"
)

// canvasTasks are Celery's names of canvases: nothing runs under them.
var canvasTasks = map[Kind]string{
	KindChain: "celery.chain",
	KindGroup: "celery.group",
	KindChord: "celery.chord",
}

// CallOptions are what one call asks for beyond its arguments. The zero value
// asks for nothing: what its task was defined with holds.
type CallOptions struct {
	TaskID     string        `json:"task_id,omitempty"`
	RootID     string        `json:"root_id,omitempty"`
	ParentID   string        `json:"parent_id,omitempty"`
	GroupID    string        `json:"group_id,omitempty"`
	GroupIndex *int          `json:"group_index,omitempty"`
	ChordSize  int           `json:"chord_size,omitempty"`
	Queue      string        `json:"queue,omitempty"`
	Priority   *uint8        `json:"priority,omitempty"`
	Countdown  seconds       `json:"countdown,omitzero"`
	ETA        *moment       `json:"eta,omitempty"`
	Expires    *expiry       `json:"expires,omitempty"`
	SoftLimit  seconds       `json:"soft_time_limit,omitzero"`
	HardLimit  seconds       `json:"time_limit,omitzero"`
	NoResult   bool          `json:"ignore_result,omitempty"`
	ResultTTL  seconds       `json:"result_expires,omitzero"`
	Retry      *RetryPolicy  `json:"retry_policy,omitempty"`
	Headers    stringHeaders `json:"headers,omitempty"`
	Link       []Signature   `json:"link,omitempty"`
	LinkError  []Signature   `json:"link_error,omitempty"`
	// Into names the argument that what comes before fills; "" puts it in front of
	// the positional ones.
	Into string `json:"into,omitempty"`
	// ErrbackID marks an error callback that is given the id of the task that
	// failed, as in Celery 3, instead of its [Failure].
	ErrbackID bool `json:"errback_id,omitempty"`

	// more are the options of other programs, kept as they are.
	more map[string]json.RawMessage
}

type stringHeaders map[string]string

// seconds is a duration that Celery writes as a number of seconds.
type seconds time.Duration

// MarshalJSON writes seconds.
func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds.
func (s *seconds) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	d, err := durationOf(n)
	*s = seconds(d)
	return err
}

func durationOf(n float64) (time.Duration, error) {
	const most = float64(1<<63-1) / float64(time.Second)
	if !(n > -most && n < most) {
		return 0, fmt.Errorf("%v seconds are more than a duration holds", n)
	}
	return time.Duration(n * float64(time.Second)), nil
}

// signatureJSON is the layout of a signature in Celery.
type signatureJSON struct {
	Task        string                     `json:"task"`
	Args        []json.RawMessage          `json:"args"`
	Kwargs      map[string]json.RawMessage `json:"kwargs"`
	Options     CallOptions                `json:"options"`
	SubtaskType *Kind                      `json:"subtask_type"`
	Immutable   bool                       `json:"immutable"`
}

// MarshalJSON writes Celery's form.
func (s Signature) MarshalJSON() ([]byte, error) {
	out := signatureJSON{
		Task: s.Task, Args: s.Args, Kwargs: s.Kwargs, Options: s.Options, Immutable: s.Immutable,
	}
	if out.Args == nil {
		out.Args = []json.RawMessage{}
	}
	if out.Kwargs == nil {
		out.Kwargs = map[string]json.RawMessage{}
	}
	if s.Kind != KindTask {
		if err := s.marshalCanvas(&out); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// marshalCanvas puts what a canvas is made of where Celery has it.
func (s Signature) marshalCanvas(out *signatureJSON) error {
	out.SubtaskType = &s.Kind
	out.Task = canvasTasks[s.Kind]
	out.Kwargs = make(map[string]json.RawMessage, 2)
	put := func(name string, value any) error {
		text, err := json.Marshal(value)
		out.Kwargs[name] = text
		return err
	}
	if s.Kind != KindChord {
		return put("tasks", s.list())
	}
	if err := put("header", s.list()); err != nil {
		return err
	}
	return put("body", s.Body)
}

func (s Signature) list() []Signature {
	if s.Tasks == nil {
		return []Signature{}
	}
	return s.Tasks
}

// UnmarshalJSON reads Celery's form.
func (s *Signature) UnmarshalJSON(text []byte) error {
	var in signatureJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("read signature: %w", err)
	}
	*s = Signature{Task: in.Task, Args: in.Args, Kwargs: in.Kwargs, Options: in.Options, Immutable: in.Immutable}
	if in.SubtaskType != nil {
		s.Kind = *in.SubtaskType
	}
	switch s.Kind {
	case KindTask:
		if s.Task == "" {
			return errors.New("read signature: it names no task")
		}
		return nil
	case KindChain, KindGroup:
		return s.unmarshalCanvas("tasks")
	case KindChord:
		if err := s.unmarshalCanvas("header"); err != nil {
			return err
		}
		if s.Body == nil {
			return errors.New("read signature: the chord has no body")
		}
		return nil
	}
	return fmt.Errorf("read signature: there is no canvas %q", s.Kind)
}

// unmarshalCanvas takes what a canvas is made of out of its arguments. The header
// of a chord is a list, or the group it is.
func (s *Signature) unmarshalCanvas(tasks string) error {
	header := s.Kwargs[tasks]
	var group Signature
	if json.Unmarshal(header, &group) == nil && group.Kind == KindGroup {
		s.Tasks = group.Tasks
	} else if err := json.Unmarshal(header, &s.Tasks); err != nil {
		return fmt.Errorf("read %s of a %s: %w", tasks, s.Kind, err)
	}
	if body, ok := s.Kwargs["body"]; ok && s.Kind == KindChord {
		if err := json.Unmarshal(body, &s.Body); err != nil {
			return fmt.Errorf("read body of a chord: %w", err)
		}
	}
	s.Task, s.Kwargs = "", nil
	return nil
}

// callOptions is CallOptions without its methods.
type callOptions CallOptions

// MarshalJSON writes the options, and those of other programs beside them.
func (o CallOptions) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(callOptions(o))
	if err != nil || len(o.more) == 0 {
		return text, err
	}
	all := maps.Clone(o.more)
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads the options, and keeps those it does not know.
func (o *CallOptions) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if err := json.Unmarshal(text, (*callOptions)(o)); err != nil {
		return err
	}
	for _, name := range optionNames {
		delete(all, name)
	}
	if len(all) > 0 {
		o.more = all
	}
	return nil
}

// optionNames are the options that are ours to read.
var optionNames = func() []string {
	var names []string
	for field := range reflect.TypeFor[CallOptions]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}()
