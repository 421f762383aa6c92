package celery

import (
	"encoding/json"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// Celery's protocol 1, which was the default before Celery 4 and is what many clients
// in other languages speak: everything about a task is in one object, the body.
type protocol1 struct {
	Task      string          `json:"task"`
	ID        string          `json:"id"`
	Args      json.RawMessage `json:"args"`
	Kwargs    json.RawMessage `json:"kwargs"`
	Group     string          `json:"taskset"`
	Retries   json.Number     `json:"retries"`
	ETA       string          `json:"eta"`
	Expires   string          `json:"expires"`
	TimeLimit []any           `json:"timelimit"`
	Callbacks json.RawMessage `json:"callbacks"`
	Errbacks  json.RawMessage `json:"errbacks"`
	Chord     json.RawMessage `json:"chord"`
}

// Upgrade brings a task in protocol 1 to protocol 2, its body read. False says that it
// is none.
func Upgrade(in streams.Message) (streams.Message, bool) {
	var old protocol1
	if !jsontext.IsObject(in.Body) || json.Unmarshal(in.Body, &old) != nil || old.Task == "" {
		return in, false
	}
	headers := streams.Table{"lang": nil, "compression": nil}
	for name, value := range in.Headers {
		headers[name] = value
	}
	retries, _ := old.Retries.Float64()
	for name, value := range map[string]any{
		"task": old.Task, "id": old.ID, "group": TextOrNil(old.Group), "retries": retries,
		"eta": TextOrNil(old.ETA), "expires": TextOrNil(old.Expires), "timelimit": []any{nil, nil},
	} {
		headers[name] = value
	}
	if len(old.TimeLimit) == 2 {
		headers["timelimit"] = old.TimeLimit
	}
	body, err := jsontext.Marshal([]any{orNull(old.Args, "[]"), orNull(old.Kwargs, "{}"), map[string]any{
		"callbacks": orNull(old.Callbacks, "null"), "errbacks": orNull(old.Errbacks, "null"),
		"chain": nil, "chord": orNull(old.Chord, "null"),
	}})
	in.Headers, in.Body = headers, body
	return in, err == nil
}

// orNull is a value that may be missing.
func orNull(text json.RawMessage, missing string) json.RawMessage {
	if len(text) == 0 || string(text) == "null" {
		return json.RawMessage(missing)
	}
	return text
}
