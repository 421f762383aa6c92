package canvas

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// Options are what one call asks for beyond its arguments. The zero value
// asks for nothing: what its task was defined with holds.
type Options struct {
	TaskID     string              `json:"task_id,omitempty"`
	RootID     string              `json:"root_id,omitempty"`
	ParentID   string              `json:"parent_id,omitempty"`
	GroupID    string              `json:"group_id,omitempty"`
	GroupIndex *int                `json:"group_index,omitempty"`
	ChordSize  int                 `json:"chord_size,omitempty"`
	Queue      string              `json:"queue,omitempty"`
	Priority   *uint8              `json:"priority,omitempty"`
	Countdown  celery.Seconds      `json:"countdown,omitzero"`
	ETA        *celery.Moment      `json:"eta,omitempty"`
	Expires    *celery.Expiry      `json:"expires,omitempty"`
	SoftLimit  celery.Seconds      `json:"soft_time_limit,omitzero"`
	HardLimit  celery.Seconds      `json:"time_limit,omitzero"`
	NoResult   bool                `json:"ignore_result,omitempty"`
	ResultTTL  celery.Seconds      `json:"result_expires,omitzero"`
	Retry      *celery.RetryPolicy `json:"warren_retry,omitempty"`
	Headers    stringHeaders       `json:"headers,omitempty"`
	Link       callbacks           `json:"link,omitempty"`
	LinkError  callbacks           `json:"link_error,omitempty"`
	// Into names the argument that what comes before fills; "" puts it in front of
	// the positional ones.
	Into string `json:"into,omitempty"`
	// ErrbackID marks an error callback that is given the id of the task that
	// failed, as in Celery 3, instead of its [celery.Failure].
	ErrbackID bool `json:"errback_id,omitempty"`
	// ReplyTo is the queue that the result is sent to, as it is by Celery's backend
	// rpc://, beside being recorded. Default: none, or the one of an app that takes replies.
	ReplyTo string `json:"reply_to,omitempty"`

	// read is what the options were read from: what has not changed since, and
	// what only other programs know, is written as it was.
	read map[string]json.RawMessage
}

// plainOptions is Options without its methods.
type plainOptions Options

// optionFields are the options that are ours to read, with the fields they are
// read into.
var optionFields = func() map[string]int {
	fields := make(map[string]int)
	for i, t := 0, reflect.TypeFor[Options](); i < t.NumField(); i++ {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			fields[name] = i
		}
	}
	return fields
}()

// MarshalJSON writes the options, those of other programs among them.
func (o Options) MarshalJSON() ([]byte, error) {
	text, err := jsontext.Marshal(plainOptions(o))
	if err != nil || len(o.read) == 0 {
		return text, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for name, was := range o.read {
		if o.holds(name, was) {
			all[name] = was
		} else if links(name) && jsontext.IsObject(was) && len(o.linked(name)) == 1 {
			all[name] = all[name][1 : len(all[name])-1] // one callback, not in a list
		}
	}
	return jsontext.Marshal(all)
}

// holds reports whether an option still is what it was read from.
func (o Options) holds(name string, was json.RawMessage) bool {
	i, known := optionFields[name]
	if !known {
		return true
	}
	if links(name) && len(o.linked(name)) > 0 {
		return false // callbacks know themselves what they were read from
	}
	then := reflect.New(reflect.TypeFor[Options]().Field(i).Type)
	err := json.Unmarshal(was, then.Interface())
	return err == nil && reflect.DeepEqual(then.Elem().Interface(), reflect.ValueOf(o).Field(i).Interface())
}

func links(name string) bool { return name == "link" || name == "link_error" }

func (o Options) linked(name string) callbacks {
	if name == "link" {
		return o.Link
	}
	return o.LinkError
}

// UnmarshalJSON reads the options, and keeps those it does not know.
func (o *Options) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*o = Options{}
	for name, value := range all {
		i, known := optionFields[name]
		if !known {
			continue
		}
		if err := json.Unmarshal(value, reflect.ValueOf(o).Elem().Field(i).Addr().Interface()); err != nil {
			return fmt.Errorf("option %q: %w", name, err)
		}
		if links(name) && jsontext.IsObject(value) {
			all[name] = json.RawMessage("{}") // that it is one, and not a list
		}
	}
	if len(all) > 0 {
		o.read = all
	}
	return nil
}

// callbacks are a list of calls, of which Celery writes one without a list.
type callbacks []Signature

// UnmarshalJSON reads a list, or one.
func (c *callbacks) UnmarshalJSON(text []byte) error {
	if !jsontext.IsObject(text) {
		return json.Unmarshal(text, (*[]Signature)(c))
	}
	*c = make(callbacks, 1)
	return json.Unmarshal(text, &(*c)[0])
}

// stringHeaders are the headers of a call that tasks can read: text.
type stringHeaders map[string]string

// UnmarshalJSON reads those that are text. The others stay where they are.
func (h *stringHeaders) UnmarshalJSON(text []byte) error {
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for name, value := range all {
		if s, ok := value.(string); ok {
			*h = WithHeader(*h, name, s)
		}
	}
	return nil
}

// Over puts the options of a call over those of its task.
func Over(o, base Options) Options {
	o.Queue = cmp.Or(o.Queue, base.Queue)
	if o.Countdown == 0 && o.ETA == nil {
		o.Countdown, o.ETA = base.Countdown, base.ETA
	}
	o.SoftLimit = cmp.Or(o.SoftLimit, base.SoftLimit)
	o.HardLimit = cmp.Or(o.HardLimit, base.HardLimit)
	o.ResultTTL = cmp.Or(o.ResultTTL, base.ResultTTL)
	o.Priority = cmp.Or(o.Priority, base.Priority)
	o.Expires = cmp.Or(o.Expires, base.Expires)
	o.Retry = cmp.Or(o.Retry, base.Retry)
	o.NoResult = o.NoResult || base.NoResult
	for name, value := range base.Headers {
		if _, ok := o.Headers[name]; !ok {
			o.Headers = WithHeader(o.Headers, name, value)
		}
	}
	return o
}

// CheckOptions says what cannot be meant together.
func CheckOptions(o Options) error {
	switch {
	case o.Expires != nil && o.Expires.After != 0 && !o.Expires.At.IsZero():
		return errors.New("the expiry has a moment and a duration; use one")
	case o.Countdown != 0 && o.ETA != nil:
		return errors.New("both a countdown and an ETA are given; use one")
	case o.HardLimit != 0 && o.SoftLimit > o.HardLimit:
		return errors.New("the soft limit is longer than the hard one; make it shorter")
	case o.ETA != nil && celery.CheckTime(o.ETA.Time) != nil:
		return celery.CheckTime(o.ETA.Time)
	case o.Retry != nil && celery.CheckRetry(*o.Retry) != nil:
		return celery.CheckRetry(*o.Retry)
	case celery.CheckDue(DueAt(o, time.Now())) != nil:
		return celery.CheckDue(DueAt(o, time.Now()))
	case o.Expires != nil && celery.CheckTime(o.Expires.At) != nil:
		return celery.CheckTime(o.Expires.At)
	}
	return nil
}

// WithHeader sets a header of a copy: the headers may be others' too.
func WithHeader(h map[string]string, name, value string) map[string]string {
	more := map[string]string{name: value}
	for n, v := range h {
		if n != name {
			more[n] = v
		}
	}
	return more
}

// WithValue sets a value of a copy: the values may be others' too.
func WithValue(values map[string]json.RawMessage, name string, value json.RawMessage) map[string]json.RawMessage {
	more := map[string]json.RawMessage{name: value}
	for n, v := range values {
		if n != name {
			more[n] = v
		}
	}
	return more
}
