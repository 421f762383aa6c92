package workers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/streams"
)

// What real Celerys sent is in testdata/celery, a folder each; capture.py there says
// how it was made. What is read of it and written again must be the same, to the
// byte, apart from white space and the order of names.

// celerys are the folders, of the last Celery before stamps and of one with them.
var celerys = []string{"5.2", "5.6"}

// captured is a file of testdata/celery.
type captured struct {
	Celery    string
	Messages  []capturedMessage
	Signature string
}

type capturedMessage struct {
	Properties map[string]json.RawMessage
	Headers    map[string]any
	Body       string
}

func readCaptured(tb testing.TB, celery, kind string) map[string]captured {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "celery", celery, kind, "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no %s of Celery %s are there (%v)", kind, celery, err)
	}
	all := make(map[string]captured)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var c captured
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&c); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		if !strings.HasPrefix(c.Celery, celery) {
			tb.Fatalf("%s is of Celery %s", file, c.Celery)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}

// message is a captured message as it comes from a queue.
func (c capturedMessage) message(tb testing.TB) streams.Message {
	tb.Helper()
	in := streams.Message{Body: []byte(c.Body), Headers: field(c.Headers).(streams.Table)}
	for name, to := range map[string]any{
		"content_type": &in.ContentType, "content_encoding": &in.ContentEncoding,
		"delivery_mode": &in.DeliveryMode, "priority": &in.Priority,
		"correlation_id": &in.CorrelationID, "reply_to": &in.ReplyTo,
	} {
		if err := json.Unmarshal(c.Properties[name], to); err != nil {
			tb.Fatalf("property %s: %v", name, err)
		}
	}
	if len(c.Properties) != 6 {
		tb.Fatalf("not all properties %v are looked at", c.Properties)
	}
	return in
}

// field is a value of JSON as AMQP has it.
func field(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		t := make(streams.Table, len(v))
		for name, value := range v {
			t[name] = field(value)
		}
		return t
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = field(value)
		}
		return list
	}
	return value
}

// normal is JSON without white space, and with its names sorted.
func normal(tb testing.TB, text []byte) string {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	out, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

// headersText is a table as normal JSON.
func headersText(tb testing.TB, t streams.Table) string {
	tb.Helper()
	text, err := json.Marshal(plain(t))
	if err != nil {
		tb.Fatal(err)
	}
	return normal(tb, text)
}

func plain(value any) any {
	switch v := value.(type) {
	case streams.Table:
		m := make(map[string]any, len(v))
		for name, value := range v {
			m[name] = plain(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = plain(value)
		}
		return list
	}
	return value
}

func TestMessagesOfCeleryComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, celery := range celerys {
		for name, c := range readCaptured(t, celery, "messages") {
			t.Run(celery+"/"+name, func(t *testing.T) {
				for _, one := range c.Messages {
					comesBack(t, one.message(t))
				}
			})
		}
	}
}

func comesBack(t *testing.T, in streams.Message) {
	t.Helper()
	m, err := decodeMessage(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := headersText(t, out.Headers), headersText(t, in.Headers); got != want {
		t.Errorf("headers\ngot  %s\nwant %s", got, want)
	}
	if got, want := normal(t, out.Body), normal(t, in.Body); got != want {
		t.Errorf("body\ngot  %s\nwant %s", got, want)
	}
	out.Headers, out.Body, out.MessageID = in.Headers, in.Body, in.MessageID
	if got, want := headersText(t, properties(out)), headersText(t, properties(in)); got != want {
		t.Errorf("properties\ngot  %s\nwant %s", got, want)
	}
}

func properties(m streams.Message) streams.Table {
	return streams.Table{
		"type": m.ContentType, "encoding": m.ContentEncoding, "mode": uint8(m.DeliveryMode),
		"priority": m.Priority, "correlation": m.CorrelationID, "reply": m.ReplyTo,
	}
}

func TestSignaturesOfCeleryComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, celery := range celerys {
		for name, c := range readCaptured(t, celery, "signatures") {
			t.Run(celery+"/"+name, func(t *testing.T) { signatureComesBack(t, c.Signature) })
		}
	}
}

func signatureComesBack(t *testing.T, in string) {
	t.Helper()
	var sig Signature
	if err := json.Unmarshal([]byte(in), &sig); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := normal(t, out), normal(t, []byte(in)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What the messages say is understood.
func TestMessagesOfCeleryAreUnderstood(t *testing.T) {
	t.Parallel()
	ofEachCelery(t, areUnderstood)
}

// ofEachCelery tests the messages of each, side by side.
func ofEachCelery(t *testing.T, test func(*testing.T, map[string]captured)) {
	t.Helper()
	for _, celery := range celerys {
		t.Run(celery, func(t *testing.T) {
			t.Parallel()
			test(t, readCaptured(t, celery, "messages"))
		})
	}
}

func areUnderstood(t *testing.T, all map[string]captured) {
	t.Helper()
	read := func(call string) *Message {
		m, err := decodeMessage(all[call].Messages[0].message(t))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	due := time.Date(2030, 1, 2, 3, 4, 5, 120_000_000, time.UTC)
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"task", read("delay").Task, "tasks.add"},
		{"id", read("reply_to").ID, "an-id"},
		{"origin", read("delay").Origin, "gen7@celery.example"},
		{"arguments", fmt.Sprintf("%s", read("kwargs").Args), "[1]"},
		{"arguments by name", string(read("kwargs").Kwargs["y"]), "2"},
		{"ETA", read("eta").ETA, due},
		{"ETA in a zone", read("eta_zone").ETA, due},
		{"expiry", read("expires").Expires, due},
		{"soft limit", read("limits").SoftLimit, 5 * time.Second},
		{"hard limit", read("limits").HardLimit, 10 * time.Second},
		{"soft limit of a fraction", read("limits_of_fractions").SoftLimit, 500 * time.Millisecond},
		{"retries", read("retries").Retries, 2},
		{"priority", read("priority").Priority, uint8(7)},
		{"headers", fmt.Sprint(read("headers").Headers), "map[trace:a]"},
		{"that the result is ignored", read("ignore_result").NoResult, true},
		{"index in the group", read("chord").GroupIndex, 0},
		{"callback", read("link").Embed.Callbacks[0].Task, "tasks.on_task_success"},
		{"error callbacks", len(read("link_errors").Embed.Errbacks), 2},
		{"countdown of a callback", read("link_errors").Embed.Errbacks[0].Options.Countdown, Seconds(1500 * time.Millisecond)},
		{"the next step", read("chain").Embed.Chain[1].Task, "tasks.mul"},
		{"immutable step", read("chain_immutable").Embed.Chain[0].Immutable, true},
		{"expiry of a step", read("chain_options").Embed.Chain[2].Options.Expires.After, time.Minute},
		{"ETA of a step", read("chain_options").Embed.Chain[0].Options.ETA, due},
		{"moment of expiry of a step", read("chain_options").Embed.Chain[0].Options.Expires.At, due},
		{"retries of a step", read("chain_options").Embed.Chain[0].Options.Retry, (*RetryPolicy)(nil)},
		{"headers of a step", fmt.Sprint(read("chain_options").Embed.Chain[1].Options.Headers), "map[trace:a]"},
		{"chord", read("chord").Embed.Chord.Task, "tasks.xsum"},
		{"kind of a callback", read("link_of_chord").Embed.Callbacks[0].Kind, KindChord},
	} {
		if got, want := fmt.Sprint(test.got), fmt.Sprint(test.want); got != want {
			t.Errorf("%s: got %s, want %s", test.what, got, want)
		}
	}
}

// Whatever becomes of a message on its way is said in its headers; what did not
// change stays as it was.
func TestWhatChangesOfAMessageIsWritten(t *testing.T) {
	t.Parallel()
	in := readCaptured(t, "5.6", "messages")["limits_of_fractions"].Messages[0].message(t)
	m, err := decodeMessage(in)
	if err != nil {
		t.Fatal(err)
	}
	m.Retries++
	m.ETA = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	out, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(in.Headers)
	want["retries"], want["eta"] = int64(1), "2031-01-01T00:00:00+00:00"
	if got, want := headersText(t, out.Headers), headersText(t, want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A change to a signature that was read is written, whatever it was read from.
func TestWhatChangesOfASignatureIsWritten(t *testing.T) {
	t.Parallel()
	var sig Signature
	text := `{"task": "a", "args": [1], "kwargs": {}, "options": {"task_id": null, "link": {"task": "b", "args": [], ` +
		`"kwargs": {}, "options": {}, "subtask_type": null, "immutable": false}, "countdown": 1.0, "far": [1]}, ` +
		`"subtask_type": null, "immutable": false, "chord_size": null}`
	if err := json.Unmarshal([]byte(text), &sig); err != nil {
		t.Fatal(err)
	}
	sig.Args[0] = json.RawMessage("2")
	sig.Options.TaskID = "x"
	sig.Options.Link[0].Immutable = true
	sig.Options.Countdown = Seconds(time.Minute)
	out, err := json.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"args": [1]`, `"args": [2]`, `"task_id": null`, `"task_id": "x"`,
		`"immutable": false}, "countdown": 1.0`, `"immutable": true}, "countdown": 60`).Replace(text)
	if got, want := normal(t, out), normal(t, []byte(want)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
