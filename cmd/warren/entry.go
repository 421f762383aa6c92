package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"warren/workers"
	"warren/workers/beat"
)

// An entryForm is an entry of beat as it is written: by flags, or in a file.
type entryForm struct {
	Name    string                     `json:"name"`
	Task    string                     `json:"task"`
	Args    []json.RawMessage          `json:"args"`
	Kwargs  map[string]json.RawMessage `json:"kwargs"`
	Every   length                     `json:"every"`
	Cron    string                     `json:"cron"`
	Zone    string                     `json:"tz"`
	Queue   string                     `json:"queue"`
	Jitter  length                     `json:"jitter"`
	Missed  string                     `json:"missed"`
	AtStart bool                       `json:"at_start"`
}

// entry is what is written.
func (f entryForm) entry() (beat.Entry, error) {
	e := beat.Entry{
		Name: f.Name, Jitter: time.Duration(f.Jitter), Missed: beat.Missed(f.Missed), AtStart: f.AtStart,
		Call: workers.Signature{
			Task: f.Task, Args: f.Args, Kwargs: f.Kwargs, Options: workers.CallOptions{Queue: f.Queue},
		},
	}
	if f.Name == "" {
		e.Name = f.Task
	}
	switch {
	case f.Task == "":
		return e, errors.New("the task is missing: name one, as in --task add")
	case (f.Every != 0) == (f.Cron != ""):
		return e, errors.New(`give one of the two, --every 10s or --cron "*/5 * * * *"`)
	case f.Cron == "" && f.Zone != "":
		return e, errors.New("--tz goes with --cron")
	case f.Cron != "":
		e.Schedule = beat.Crontab(f.Cron).In(f.Zone)
	default:
		e.Schedule = beat.Every(time.Duration(f.Every))
	}
	return e, nil
}

// entryFlags are the flags that make an entry, or name a file of some.
type entryFlags struct {
	entryForm
	args, kwargs string
	path         string
}

func (o *entryFlags) add(flags *pflag.FlagSet) {
	flags.Var(&o.Every, "every", "send the task every so often, like 10s")
	flags.StringVar(&o.Cron, "cron", "", "send it at the times of a `CRONTAB`: \"*/5 * * * *\"")
	flags.StringVar(&o.Zone, "tz", "", "time `ZONE` of the crontab, like Europe/Berlin\n(default: UTC)")
	flags.StringVar(&o.Task, "task", "", "the `TASK` to send, by its name")
	flags.StringVar(&o.args, "args", "", "its arguments, as a `JSON` list")
	flags.StringVar(&o.kwargs, "kwargs", "", "its arguments by name, as a `JSON` object")
	flags.StringVar(&o.Queue, "queue", "", "send it to this `QUEUE` (default: celery)")
	flags.Var(&o.Jitter, "jitter", "send it up to so much later, at random")
	flags.StringVar(&o.Missed, "missed", "", "`WHICH` runs to send that nobody was there to send:\nonce (the last), skip (none) or all (default: once)")
	flags.BoolVar(&o.AtStart, "at-start", false, "send it at once, too, when the entry is new")
	flags.StringVar(&o.path, "file", "", "`FILE` with a JSON list of entries, such as\n"+
		`[{"every": "10s", "task": "add", "args": [1, 2]}]`)
}

// given reports whether there is an entry in the flags, the file aside.
func (o *entryFlags) given(flags *pflag.FlagSet) bool {
	found := false
	flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "every", "cron", "tz", "task", "args", "kwargs", "queue", "jitter", "missed", "at-start", "entry":
			found = true
		}
	})
	return found
}

// entries are the entries of the file and of the flags.
func (o *entryFlags) entries(flags *pflag.FlagSet) ([]beat.Entry, error) {
	var list []beat.Entry
	if o.path != "" {
		var err error
		if list, err = readEntries(o.path); err != nil {
			return nil, err
		}
	}
	if !o.given(flags) {
		return list, nil
	}
	if o.args != "" && json.Unmarshal([]byte(o.args), &o.Args) != nil {
		return nil, errors.New("--args is no JSON list; write it like '[1, 2]'")
	}
	if o.kwargs != "" && json.Unmarshal([]byte(o.kwargs), &o.Kwargs) != nil {
		return nil, errors.New(`--kwargs is no JSON object; write it like '{"x": 1}'`)
	}
	e, err := o.entry()
	return append(list, e), err
}

// readEntries reads a file of entries. A word that nobody knows is refused: it
// was meant to do something.
func readEntries(path string) ([]beat.Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := parseEntries(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return list, nil
}

func parseEntries(text []byte) ([]beat.Entry, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var forms []entryForm
	if err := dec.Decode(&forms); err != nil {
		return nil, fmt.Errorf("%w; it is to be a JSON list of entries", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is something behind the list of entries")
	}
	names := make(map[string]bool)
	var list []beat.Entry
	for i, form := range forms {
		e, err := form.entry()
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if names[e.Name] {
			return nil, fmt.Errorf("entry %d: there is another entry %q; give it a name of its own", i+1, e.Name)
		}
		names[e.Name] = true
		list = append(list, e)
	}
	return list, nil
}

// length is a time like 10s, in flags and in files. Zero is none.
type length time.Duration

// String, Set and Type make a flag of it.
func (l *length) String() string {
	if *l == 0 {
		return ""
	}
	return plainly(time.Duration(*l))
}

// Type names the value in the help.
func (*length) Type() string { return "duration" }

// Set reads it. There is no time that is none, or negative.
func (l *length) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("use a time like 10s")
	}
	*l = length(d)
	return nil
}

// UnmarshalText reads it.
func (l *length) UnmarshalText(text []byte) error {
	if err := l.Set(string(text)); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}
