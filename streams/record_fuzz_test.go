package streams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// realRecords are records as they were stored: of queues and exchanges, of this release
// and of the one before, of pages, registrations, and what sessions tell each other.
var realRecords = []string{
	`{"format":2,"Name":"tasks","Durable":true,"Exclusive":false,"AutoDelete":false,"Schedules":true,"Args":null,"life":"qXaq3S0p2Xkr8VGsVQ0ZAa","version":4,"lease":10000000000,"bindings":[{"exchange":"logs","life":"L2","kind":"topic","key":"a.#","from":7},{"exchange":"logs","volatile":true,"life":"L2","kind":"topic","from":3,"until":9,"ended":true}],"pages":[{"id":"owYLGY5PgrTWZDQCanr97i","n":2}]}`,
	`{"Name":"tasks","Durable":true,"Exclusive":true,"AutoDelete":true,"Schedules":false,"Args":"AXhTAAAAAXk=","life":"L1","version":1,"epoch":"E","owner":"S","lease":1000000000,"busy":"S","deleting":true}`,
	`{"format":2,"Name":"logs","Kind":"topic","Durable":true,"AutoDelete":false,"Internal":false,"Args":null,"life":"L2","epoch":"E","volatile":true,"moving":true,"wide":true}`,
	`{"format":2,"bindings":[{"exchange":"logs","life":"L2","kind":"headers","args":"AXhTAAAAAXk=","from":1}]}`,
	`{"format":3,"Name":"soon","Durable":true,"Exclusive":false,"AutoDelete":false,"Schedules":false,"Args":"AAAAFw14LW1lc3NhZ2UtdHRsSQAAA+g=","life":"L3","version":1,"lease":1000000000}`,
	`{"format":3,"Name":"never","Args":"AAAAFw14LW1lc3NhZ2UtdHRsSf///////w==","life":"L3"}`,
	`{"format":99,"Name":{"is":"an object now"}}`,
	`{"queue":"tasks","session":"S","consuming":true}`,
	`{"queue":"tasks","changing":"tasks","told":{"Name":"tasks","life":"L1","version":4,"lease":1,"bindings":[{"exchange":"x","life":"L","kind":"fanout","from":0}]}}`,
	`{"consumers":3,"held":7,"changing":true}`,
	`{"Name":7`, `[]`, `null`, ``, "\x00", `{"pages":[{"id":"a","n":-1}]}`, `{"pages":[{"id":"a","n":9223372036854775807}]}`,
}

// FuzzRecord reads records of the topology. What is read is written and read again as
// the same; what is not is an error that is damage, or of a later release.
func FuzzRecord(f *testing.F) {
	for _, text := range realRecords {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fresh := range []func() stampedRecord{
			func() stampedRecord { return new(queueRecord) },
			func() stampedRecord { return new(exchangeRecord) },
			func() stampedRecord { return new(pageRecord) },
		} {
			rec, again := fresh(), fresh()
			if err := decodeRecord(data, rec); err != nil {
				checkRefusal(t, data, err)
				continue
			}
			first, err := json.Marshal(rec)
			if err != nil {
				t.Fatalf("write %+v: %v", rec, err)
			}
			if err := decodeRecord(first, again); err != nil {
				t.Fatalf("read what was written, %s: %v", first, err)
			}
			second, err := json.Marshal(again)
			if err != nil || !bytes.Equal(first, second) {
				t.Fatalf("got %s, %v, want %s", second, err, first)
			}
		}
	})
}

func checkRefusal(t *testing.T, data []byte, err error) {
	t.Helper()
	told := new(topology).damaged("q.tasks", err)
	if later := errors.Is(err, ErrPreconditionFailed); later == errors.Is(told, errDamaged) {
		t.Fatalf("%q: got %v, want either damage or a later format", data, told)
	}
}

// FuzzPaginate cuts bindings into pages, changes them, and cuts them again: nothing is
// lost or doubled, pages that are the same are kept, and none is too large.
func FuzzPaginate(f *testing.F) {
	f.Add([]byte{0})
	f.Add(bytes.Repeat([]byte{1, 200, 3, 70}, 5))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 40 {
			return // every step looks at all bindings
		}
		rec := &queueRecord{gathered: true}
		known := map[string][]bindingRecord{}
		want := map[string]bool{}
		for i, step := range script {
			switch n := len(rec.Bindings); {
			case step < 64 && n > 0: // unbind
				at := int(step) * n / 64
				delete(want, rec.Bindings[at].Key)
				rec.Bindings = slices.Delete(rec.Bindings, at, at+1)
			case step < 80 && n > 0: // end one
				rec.Bindings[n/2].Until, rec.Bindings[n/2].Ended = uint64(i), true
			default:
				for j := range int(step) {
					key := fmt.Sprint(i, ".", j)
					want[key] = true
					rec.Bindings = append(rec.Bindings, bindingRecord{Key: key})
				}
			}
			known = checkPages(t, rec, known, want)
		}
	})
}

func checkPages(t *testing.T, rec *queueRecord, known map[string][]bindingRecord, want map[string]bool) map[string][]bindingRecord {
	t.Helper()
	fresh, now := rec.paginate(known), map[string][]bindingRecord{}
	stored := slices.Clone(rec.few())
	for _, ref := range rec.Pages {
		page := known[ref.ID]
		if page == nil {
			page = fresh[ref.ID]
		}
		if now[ref.ID] = page; len(page) != ref.N || ref.N == 0 || ref.N > pageBindings {
			t.Fatalf("page %+v has %d bindings", ref, len(page))
		}
		stored = append(stored, page...)
	}
	if len(rec.few()) > fewBindings || len(stored) != len(want) || len(rec.Bindings) != len(want) {
		t.Fatalf("%d bindings in the record, %d in all, want %d", len(rec.few()), len(stored), len(want))
	}
	for _, b := range stored {
		if !want[b.Key] {
			t.Fatalf("binding %q is there, and was taken away", b.Key)
		}
	}
	return now
}

// FuzzPeer reads what sessions tell each other, and registrations: what is read is
// written and read again as the same.
func FuzzPeer(f *testing.F) {
	for _, text := range realRecords {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		same[question](t, data)
		same[answer](t, data)
		same[registration](t, data)
	})
}

func same[T any](t *testing.T, data []byte) {
	t.Helper()
	one, other := new(T), new(T)
	if json.Unmarshal(data, one) != nil {
		return
	}
	first, err := json.Marshal(one)
	if err != nil {
		t.Fatalf("write %+v: %v", one, err)
	}
	if err := json.Unmarshal(first, other); err != nil {
		t.Fatalf("read what was written, %s: %v", first, err)
	}
	if second, err := json.Marshal(other); err != nil || !bytes.Equal(first, second) {
		t.Fatalf("got %s, %v, want %s", second, err, first)
	}
}

// FuzzPublishAck reads acknowledgements: one that the server could have meant as an
// error is one, and whatever is no JSON is not taken for a confirm.
func FuzzPublishAck(f *testing.F) {
	for _, text := range []string{
		`{"stream":"warren~v~tasks","seq":42}`, `{"stream":"S", "seq": 7,"duplicate":true}`,
		`{"type":"io.nats.jetstream.api.v1.pub_ack_response","error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"}}`,
		`{"stream":"S","error":{"code":503}}`, ``, `{`, `null`, `{"stream":`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err, seq := ackError(data), ackSequence(data)
		var ack struct {
			Seq   *uint64         `json:"seq"`
			Error json.RawMessage `json:"error"`
		}
		if json.Unmarshal(data, &ack) != nil {
			return
		}
		if refused := bytes.Contains(data, []byte(`"error"`)) && len(ack.Error) > 1 && ack.Error[0] == '{'; refused && err == nil {
			t.Fatalf("%q: got a confirm, want an error", data)
		}
		if plain := fmt.Appendf(nil, `{"stream":"S","seq":%d}`, seq); ackSequence(plain) != seq {
			t.Fatalf("%q: sequence %d is not read back", data, seq)
		}
	})
}

// FuzzArrival reads the reply subjects of messages: what is read has a sequence, and
// is what the server wrote.
func FuzzArrival(f *testing.F) {
	for _, reply := range []string{
		"$JS.ACK.warren~q~tasks.tasks.1.7.3.1764444444000000000.0",
		"$JS.ACK._.hash.warren~q~tasks.tasks.1.7.3.1764444444000000000.0.token", "$JS.ACK.", "", "a.b.c.d.e.f.g.h.i.j.k.l.m",
	} {
		f.Add(reply)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		a, ok := parseArrival(reply)
		if !ok {
			return
		}
		again, ok := parseArrival(fmt.Sprintf("$JS.ACK.%s.c.%d.%d.%d.%d.%d", a.stream, a.delivered, a.seq, a.order, uint64(a.stamp), a.pending))
		if a.seq == 0 || !ok || a != again {
			t.Fatalf("%q: got %+v, then %+v, %t", reply, a, again, ok)
		}
	})
}

// FuzzStoreEntry reads what a store tells: what is read has the key and the revision it
// was told with, and a value that is over is not believed.
func FuzzStoreEntry(f *testing.F) {
	f.Add("warren.v.store.a.=41", "7", "2026-11-29T20:00:00.5Z", "1h", "")
	f.Add("warren.v.store.a", "7", "2026-11-29T20:00:00Z", "5", "PURGE")
	f.Add("warren.v.store", "x", "never", "never", "MaxAge")
	f.Fuzz(func(t *testing.T, subject, sequence, stamp, ttl, marker string) {
		store := &Store{base: "warren.v.store"}
		h := nats.Header{"Nats-Subject": {subject}, "Nats-Sequence": {sequence}, "Nats-Time-Stamp": {stamp}, "Nats-TTL": {ttl}}
		if marker != "" {
			h.Set(operation, marker)
		}
		e, ok := store.entryOf(&nats.Msg{Header: h})
		if !ok {
			return
		}
		if e.Revision == 0 || (e.Gone == Present) != (marker == "") {
			t.Fatalf("got %+v of %v", e, h)
		}
		if lives, known := parseTTL(h); known && isOver(h, e.Time, e.Time.Add(lives)) {
			t.Fatalf("ttl %q: it is over at its end, and the server has a second to take it away", ttl)
		} else if known && lives < time.Hour && !isOver(h, e.Time, e.Time.Add(lives+overdue+1)) {
			t.Fatalf("ttl %q: it is not over", ttl)
		}
	})
}
