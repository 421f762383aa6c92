package workers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// What comes from other programs may be anything. It is refused with an error, or
// it is read, and then it is written so that it is read as the same.

func FuzzMessage(f *testing.F) {
	for _, celery := range celerys {
		for _, c := range readCaptured(f, celery, "messages") {
			for _, one := range c.Messages {
				headers, err := json.Marshal(one.Headers)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(headers, []byte(one.Body))
			}
		}
	}
	f.Fuzz(func(t *testing.T, headers, body []byte) {
		in := streams.Message{Headers: tableOf(headers), Body: body}
		m, err := decodeMessage(in)
		if err != nil {
			return
		}
		out, err := m.encode()
		if err != nil {
			t.Fatalf("it was read and cannot be written: %v", err)
		}
		again, err := decodeMessage(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%v %s", err, out.Headers, out.Body)
		}
		if got, want := says(again), says(m); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		twice, err := again.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := headersText(t, twice.Headers), headersText(t, out.Headers); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := string(twice.Body), string(out.Body); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// tableOf reads headers from JSON; what is no JSON is one header.
func tableOf(text []byte) streams.Table {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var fields map[string]any
	if d.Decode(&fields) != nil || fields == nil {
		return streams.Table{"task": string(text), "id": "x"}
	}
	return field(fields).(streams.Table)
}

// says is what a message says, apart from how it was written.
func says(m *Message) string {
	plain := *m
	plain.received = nil
	plain.Embed = Embed{}
	plain.Args, plain.Kwargs, plain.Retry, plain.plan = nil, nil, nil, nil
	args, err := json.Marshal([]any{m.Args, m.Kwargs, m.Retry, m.plan})
	return fmt.Sprintf("%+v %s %v", plain, args, err)
}

// FuzzCatalogue: what a stored list of tasks names is found in it, and what is no list
// names none.
func FuzzCatalogue(f *testing.F) {
	for _, text := range []string{`["add","mul"]`, `["b","a"]`, `null`, `{}`, `[1]`, `[null]`, `["\ud800"]`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list := parseCatalogue(text)
		var want []string
		if json.Unmarshal(text, &want) != nil {
			want = nil
		}
		if len(list) != len(want) {
			t.Fatalf("got %d tasks, want %d", len(list), len(want))
		}
		for _, name := range want {
			if _, found := slices.BinarySearch(list, name); !found {
				t.Errorf("%q is not found in %q", name, list)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, celery := range celerys {
		for _, c := range readCaptured(f, celery, "signatures") {
			f.Add([]byte(c.Signature))
		}
	}
	f.Add([]byte(strings.Repeat(`{"subtask_type":"chain","kwargs":{"tasks":[`, 60)))
	f.Add([]byte("{\"task\":\"celery.starmap\",\"kwargs\":{\"task\":{\"task\":\"mul\",\"\xac\":null},\"it\":[[1,2]]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var sig Signature
		if json.Unmarshal(text, &sig) != nil {
			return
		}
		out, err := json.Marshal(sig)
		if err != nil {
			refusedForSize(t, err)
			return
		}
		var back Signature
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		twice, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := normal(t, twice), normal(t, out); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		frozenComesBack(t, sig)
	})
}

// frozenComesBack freezes a signature, begins it, and sends what it begins with.
func frozenComesBack(t *testing.T, sig Signature) {
	t.Helper()
	frozen, err := canvas.Freeze(sig, newIDs().next, anyTask)
	if err != nil {
		return
	}
	eff := effects{Effects: canvas.Effects{SentAt: time.Unix(0, 0)}}
	eff.Start(frozen, json.RawMessage("1"), canvas.Beginning(frozen))
	for _, m := range eff.messages() {
		out, err := m.encode()
		if err != nil {
			if !strings.Contains(err.Error(), "is the task's own") {
				t.Fatalf("it was begun and cannot be sent: %v", err)
			}
			continue
		}
		if _, err := decodeMessage(out); err != nil {
			t.Fatalf("what was sent cannot be read: %v\n%s", err, out.Body)
		}
	}
}

func refusedForSize(t *testing.T, err error) {
	t.Helper()
	if !strings.Contains(err.Error(), " more than ") {
		t.Fatalf("it was read and cannot be written: %v", err)
	}
}

func FuzzID(f *testing.F) {
	for _, id := range []string{
		newIDs().next(), "an-id", "", ".", "a.b", "a*", "a b", "ключ", "ABCDEF01-0000-4000-8000-000000000000", "a:1@b=c_d",
		"a%20b", "a:1", "a~", "> ", "\n", strings.Repeat("long", 60), strings.Repeat("ü", 127),
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if celery.CheckID(id) != nil {
			return
		}
		for _, key := range []string{sentKey(id), stateKey(id)} {
			words := strings.Split(key, ".")
			if len(words) != 4 || words[0] != "task" || words[2] != celery.IDWord(id) || len(key) > 200 {
				t.Errorf("the key %q of %q is not made of four words", key, id)
			}
			if client := words[1]; len(client) != 8 || !isHex(client) || client != clientOf(id) {
				t.Errorf("the client of %q is %q, want eight hex digits", id, client)
			}
		}
	})
}

func TestIDsAreTheirClients(t *testing.T) {
	t.Parallel()
	ids := newIDs()
	seen := make(map[string]bool)
	for range 1000 {
		id := ids.next()
		if err := celery.CheckID(id); err != nil || clientOf(id) != ids.prefix() || seen[id] {
			t.Fatalf("id %q: %v, of client %s, want another one of %s", id, err, clientOf(id), ids.prefix())
		}
		seen[id] = true
	}
}
