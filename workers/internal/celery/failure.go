package celery

import (
	"encoding/json"
	"fmt"
	"strings"

	"warren/workers/internal/jsontext"
)

// Failure is why a task has no result: the error of its last attempt. It travels
// to whoever asks for the result, and to error callbacks. Errors.Is finds what
// was registered under its type, and the errors that every program knows.
type Failure struct { //nolint:errname // it is also what an error callback is given
	TaskID string `json:"task_id"`
	Task   string `json:"task"`
	// Type is the name of the error: that it is registered under, or its Go type,
	// or "error" where that says nothing; "panic" of a panic, and "goexit" of code that
	// ended its goroutine.
	Type    string `json:"exc_type"`
	Message string `json:"exc_message"`
	// Traceback is the stack of a panic, as text.
	Traceback string `json:"traceback,omitempty"`
	// Attempt counts from 1.
	Attempt int    `json:"attempt"`
	Worker  string `json:"worker,omitempty"`
	// Causes are the failures that made this one, in the order of the group.
	Causes []Failure `json:"causes,omitempty"`

	sentinel error  // what is registered under its type
	whole    *Claim // where all of it is kept, if this is cut short
}

// Error says which task failed, and why.
func (f *Failure) Error() string {
	if f.Task == "" {
		return f.Message
	}
	return fmt.Sprintf("task %s[%s]: %s", f.Task, f.TaskID, f.Message)
}

// Unwrap gives the registered error, and the causes.
func (f *Failure) Unwrap() []error {
	var list []error
	if f.sentinel != nil {
		list = append(list, f.sentinel)
	}
	for i := range f.Causes {
		list = append(list, &f.Causes[i])
	}
	return list
}

// Recognise finds what is registered of a failure and its causes.
func Recognise(f *Failure, sentinel func(kind string) error) {
	f.sentinel = sentinel(f.Type)
	causes := make([]Failure, len(f.Causes))
	for i := range f.Causes {
		causes[i] = f.Causes[i]
		Recognise(&causes[i], sentinel)
	}
	f.Causes = causes
}

// ChordError is the type of the failure of what waited for a group.
const ChordError = "ChordError"

// wordsOfGroup is how much the failures of a group say together in its ChordError. The
// record of each member has all of its own.
const wordsOfGroup = 1 << 20

// NewChordFailure is the failure of what waited for a group.
func NewChordFailure(id, task string, causes []Failure) Failure {
	said := make([]string, len(causes))
	most := wordsOfGroup / max(len(causes), 1)
	for i, cause := range causes {
		said[i] = cut(fmt.Sprintf("dependency %s raised %s: %s", cause.TaskID, cause.Type, cause.Message), most)
	}
	return Failure{
		TaskID: id, Task: task, Type: ChordError, Attempt: 0,
		Message: strings.Join(said, "; "), Causes: causes,
	}
}

// Given is what an error callback gets: the failure, or where all of it is kept.
func Given(f Failure) (json.RawMessage, error) {
	if f.whole != nil {
		return f.whole.Reference(), nil
	}
	return jsontext.Marshal(f)
}

// UnmarshalJSON reads a failure. That of a Celery worker keeps its message in a
// list of arguments.
func (f *Failure) UnmarshalJSON(text []byte) error {
	type plain Failure
	var in struct {
		plain
		Message json.RawMessage `json:"exc_message"`
		Whole   *Claim          `json:"whole"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*f = Failure(in.plain)
	f.whole = in.Whole
	var list []any
	if json.Unmarshal(in.Message, &list) == nil {
		said := make([]string, len(list))
		for i, arg := range list {
			said[i] = fmt.Sprint(arg)
		}
		f.Message = strings.Join(said, ", ")
		return nil
	}
	if len(in.Message) == 0 {
		return nil
	}
	return json.Unmarshal(in.Message, &f.Message)
}

// KeptAt is where all of a failure is kept; nil if this is all of it.
func KeptAt(f Failure) *Claim { return f.whole }

// Shorten cuts a failure to about so many bytes, and says where all of it is kept.
func Shorten(f Failure, most int, kept *Claim) Failure {
	f = f.shorten(most)
	f.whole = kept
	return f
}

// shorten cuts a failure to about so many bytes.
func (f Failure) shorten(most int) Failure {
	f.Message, f.Traceback = cut(f.Message, most/4), cut(f.Traceback, most/4)
	f.Type, f.Worker = cut(f.Type, most/16), cut(f.Worker, most/16)
	if len(f.Causes) == 0 {
		return f
	}
	const least = 1 << 10
	n := min(len(f.Causes), max(most/2/least, 1))
	causes := make([]Failure, n)
	for i := range causes {
		causes[i] = f.Causes[i].shorten(most / 2 / n)
	}
	f.Causes = causes
	return f
}

// cut leaves the beginning of a text, and says how much there was.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("... (%d bytes)", len(s))
}

// MarshalJSON writes a failure.
func (f Failure) MarshalJSON() ([]byte, error) {
	type plain Failure
	return jsontext.Marshal(struct {
		plain
		Whole *Claim `json:"whole,omitempty"`
	}{plain(f), f.whole})
}
