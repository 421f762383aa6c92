package main

import (
	"io"
	"os"
	"regexp"
	"strings"

	"warren/workers"
)

// The colours, as terminals know them.
const (
	bold    = "1"
	dim     = "2"
	red     = "1;31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
)

// A painter paints what is read on a terminal, and leaves the rest as it is.
type painter struct{ on *screen } // nil without colour

// newPainter decides for all commands whether there is colour: on terminals that
// have it, unless the user says otherwise (see no-color.org). Windows' older
// consoles do not have it, and do not say so.
func newPainter(w io.Writer) painter {
	if !knowsEscapes() || os.Getenv("NO_COLOR") != "" {
		return painter{}
	}
	return painter{screenOf(w)}
}

func (p painter) paint(how, text string) string {
	if p.on == nil || how == "" {
		return text
	}
	return p.on.colour(how) + text + p.on.colour("0")
}

// stateColours say at a glance how a task fares.
var stateColours = map[workers.State]string{
	workers.Unknown: dim, workers.Pending: dim, workers.Received: dim, workers.Started: cyan,
	workers.Retrying: yellow, workers.Succeeded: green, workers.Failed: red, workers.Revoked: magenta,
}

func (p painter) state(s workers.State) string { return p.paint(stateColours[s], string(s)) }

var stateWord = func() *regexp.Regexp {
	var words []string
	for s := range stateColours {
		words = append(words, string(s))
	}
	return regexp.MustCompile(`\b(` + strings.Join(words, "|") + `)\b`)
}()

// states paints the states in a text.
func (p painter) states(text string) string {
	return stateWord.ReplaceAllStringFunc(text, func(word string) string { return p.state(workers.State(word)) })
}

// eventColours are those of the states that events tell of.
var eventColours = map[string]string{
	workers.TaskReceived: dim, workers.TaskStarted: cyan, workers.TaskSucceeded: green, workers.TaskFailed: red,
	workers.TaskRetried: yellow, workers.TaskRevoked: magenta, workers.TaskRejected: red,
	workers.WorkerOnline: green, workers.WorkerHeartbeat: dim, workers.WorkerOffline: yellow,
}

func (p painter) event(kind string) string { return p.paint(eventColours[kind], kind) }
