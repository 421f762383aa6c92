package canvas

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"unicode/utf8"

	"warren/workers/internal/jsontext"
)

// A Signature is a call as data: Celery's JSON form of a task that is to run, or
// of a chain, a group or a chord of them.
type Signature struct {
	// Task is the name of the task; a canvas has none of its own.
	Task string
	// Args are the positional arguments; what comes before them in a canvas is
	// put in front.
	Args []json.RawMessage
	// Kwargs are the arguments by name.
	Kwargs map[string]json.RawMessage
	// Options are those of the call.
	Options Options
	// Kind says what canvas it is; the zero value is a single task.
	Kind Kind
	// Tasks are the steps of a chain, the members of a group, the header of a
	// chord.
	Tasks []Signature
	// Body is what a chord does with the results of its header.
	Body *Signature
	// Immutable calls ignore what comes before them in a canvas.
	Immutable bool

	// header is the group that the header of a chord was read from, without its
	// members; nil for a list.
	header *Signature
	// more is what only other programs know.
	more map[string]json.RawMessage
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

// signatureJSON is the layout of a signature in Celery.
type signatureJSON struct {
	Task        string                     `json:"task"`
	Args        []json.RawMessage          `json:"args"`
	Kwargs      map[string]json.RawMessage `json:"kwargs"`
	Options     Options                    `json:"options"`
	SubtaskType *Kind                      `json:"subtask_type"`
	Immutable   bool                       `json:"immutable"`
}

// Signature is the signature itself: as data, it is a call of whatever result.
func (s Signature) Signature() Signature { return s }

// HeaderGroup is the group that the header of a chord was read from, without its members;
// nil for a list.
func HeaderGroup(s Signature) *Signature { return s.header }

// WithHeaderGroup gives the header of a chord what a group asks for.
func WithHeaderGroup(s Signature, group *Signature) Signature {
	s.header = group
	return s
}

// MarshalJSON writes Celery's form.
func (s Signature) MarshalJSON() ([]byte, error) {
	if err := Measure(&s); err != nil {
		return nil, fmt.Errorf("write signature: %w", err)
	}
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
	text, err := jsontext.Marshal(out)
	if err != nil || len(s.more) == 0 {
		return text, err
	}
	all := maps.Clone(s.more)
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return jsontext.Marshal(all)
}

// marshalCanvas puts what a canvas is made of where Celery has it.
func (s Signature) marshalCanvas(out *signatureJSON) error {
	out.SubtaskType = &s.Kind
	out.Task = canvasTasks[s.Kind]
	out.Kwargs = make(map[string]json.RawMessage, len(s.Kwargs)+2)
	maps.Copy(out.Kwargs, s.Kwargs)
	put := func(name string, value any) error {
		text, err := jsontext.Marshal(value)
		out.Kwargs[name] = text
		return err
	}
	if s.Kind != KindChord {
		return put("tasks", s.list())
	}
	var header any = s.list()
	if s.header != nil {
		group := *s.header
		group.Tasks = s.Tasks
		header = group
	}
	if err := put("header", header); err != nil {
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
	*s = Signature{}
	if err := s.unmarshal(text); err != nil {
		return fmt.Errorf("read signature: %w", err)
	}
	return nil
}

func (s *Signature) unmarshal(text []byte) error {
	if jsontext.Nests(text, deepestJSON) {
		return fmt.Errorf("it nests more than %d deep", deepestJSON)
	}
	if !utf8.Valid(text) { // it could be begun, and not be sent
		return errors.New("it is not UTF-8, as JSON is; send bytes as base64")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for name, to := range map[string]any{
		"task": &s.Task, "args": &s.Args, "kwargs": &s.Kwargs, "options": &s.Options,
		"subtask_type": &s.Kind, "immutable": &s.Immutable,
	} {
		if value, ok := all[name]; ok {
			if err := json.Unmarshal(value, to); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(all, name)
		}
	}
	if len(all) > 0 {
		s.more = all
	}
	return s.unmarshalKind()
}

func (s *Signature) unmarshalKind() error {
	switch s.Kind {
	case KindChain, KindGroup:
		return s.take("tasks", &s.Tasks)
	case KindChord:
		return s.unmarshalChord()
	}
	return s.complete()
}

// take takes what a canvas is made of out of its arguments.
func (s *Signature) take(name string, to any) error {
	text, ok := s.Kwargs[name]
	if !ok {
		return fmt.Errorf("the %s has no %s", s.Kind, name)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s of a %s: %w", name, s.Kind, err)
	}
	s.Task = ""
	delete(s.Kwargs, name)
	return nil
}

// unmarshalChord reads a chord, whose header is a list, or the group it is.
func (s *Signature) unmarshalChord() error {
	if err := s.take("body", &s.Body); err != nil {
		return err
	}
	if s.Body == nil {
		return errNoBody
	}
	if !jsontext.IsObject(s.Kwargs["header"]) {
		return s.take("header", &s.Tasks)
	}
	if err := s.take("header", &s.header); err != nil {
		return err
	}
	if s.header.Kind != KindGroup {
		return errors.New("the header of a chord is neither a list nor a group")
	}
	s.Tasks, s.header.Tasks = s.header.Tasks, nil
	return nil
}

var (
	errNoTask = errors.New("it names no task")
	errNoBody = errors.New("the chord has no body")
)
