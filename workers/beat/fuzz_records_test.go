package beat

import (
	"encoding/json"
	"strings"
	"testing"

	"warren/streams"
	"warren/workers"
	"warren/workers/internal/jsontext"
)

// measurer is a client that does nothing but measure calls, as it does when it writes them.
type measurer struct{ client }

func (measurer) Measure(sig workers.Signature) error {
	_, err := json.Marshal(sig)
	return err
}

// stored are the readers of everything that is kept in the store. Each reads what may be
// anything, and gives what it is written as; "" where it is refused.
var stored = []func(*testing.T, []byte) string{
	func(t *testing.T, text []byte) string {
		t.Helper()
		e, err := parseEntry(measurer{}, streams.Entry{Value: text})
		if err != nil {
			return ""
		}
		_ = e.check()
		_, _ = e.plan()
		return written(t, e)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		last, _ := parseLast(streams.Entry{Value: text})
		return written(t, last)
	},
	func(t *testing.T, text []byte) string {
		t.Helper()
		var h holder
		if json.Unmarshal(text, &h) != nil {
			return ""
		}
		return written(t, h)
	},
}

func written(t *testing.T, v any) string {
	t.Helper()
	out, err := jsontext.Marshal(v)
	switch {
	case err == nil:
		return string(out)
	case !strings.Contains(err.Error(), " more than "): // it is refused for its size
		t.Fatalf("it was read and cannot be written: %v", err)
	}
	return ""
}

// FuzzRecords: what is kept may be damaged. It is refused, or it is read, and then it is
// written so that it is read as the same.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{
		`{"app":"a","name":"n","schedule":{"crontab":"*/5 * * * *","zone":"UTC"},"call":{"task":"t"},"missed":"once","since":"2030-01-02T03:04:05Z"}`,
		`{"due":"2030-01-02T03:04:05Z","sent":true}`, `{"id":"x","name":"beat@host"}`, `null`, `[]`, `nonsense`,
	} {
		for kind := range stored {
			f.Add(uint8(kind), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		read := stored[int(kind)%len(stored)]
		out := read(t, text)
		if out == "" {
			return
		}
		if again := read(t, []byte(out)); again != out {
			t.Errorf("reader %d: %q was written as\n%s and then as\n%s", int(kind)%len(stored), text, out, again)
		}
	})
}
