package routing

import (
	"strings"
	"testing"
	"unicode/utf8"

	"warren/streams/internal/amqp"
)

func TestNameToken(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"hello":        "hello",
		"task_queue-1": "task_queue-1",
		"azAZ09_-":     "azAZ09_-",
		"`{@[/:":       "=60=7B=40=5B=2F=3A", // the neighbours of what stays as it is
		"amq.gen-x":    "amq=2Egen-x",
		"a b*c>":       "a=20b=2Ac=3E",
		"/":            "=2F",
		"=":            "=3D",
		"müde":         "m=C3=BCde",
	} {
		got := NameToken(name)
		if got != want {
			t.Errorf("NameToken(%q) = %q, want %q", name, got, want)
		}
		if back, err := TokenName(got); err != nil || back != name {
			t.Errorf("TokenName(%q) = %q, %v, want %q", got, back, err, name)
		}
	}
}

func TestTokenNameRefusesWhatNoNameGives(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"=", "=2", "=2f", "=41", "a.b", "=ZZ", "a b"} {
		if name, err := TokenName(token); err == nil {
			t.Errorf("TokenName(%q) = %q, want an error", token, name)
		}
	}
}

func TestAssetName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("q", 121)
	for _, c := range []struct{ vhost, kind, name, want string }{
		{"warren", "q", "hello", "warren~q~hello"},
		{"warren", "x", "logs.all", "warren~x~logs=2Eall"},
		{"/", "q", "~", "=2F~q~=7E"},
		{"warren", "q", long[:120], "warren~q~" + long[:120]},
		{"warren", "q", long, "warren~q~==b3b35cd1a3d1f4b2adaba10eba3b6d87f4c5b81f"},
	} {
		if got := StreamName(c.vhost, c.kind, c.name); got != c.want {
			t.Errorf("StreamName(%q, %q, %q) = %q, want %q", c.vhost, c.kind, c.name, got, c.want)
		}
	}
	if got := StreamName(strings.Repeat("ü", 127), "x", strings.Repeat(".", 255)); len(got) > 255 {
		t.Errorf("a stream name is %d bytes long: %q", len(got), got)
	}
	if got := ConsumerName("a.b"); got != "a=2Eb" {
		t.Errorf("ConsumerName(a.b) = %q", got)
	}
}

func TestKeySubject(t *testing.T) {
	t.Parallel()
	const base = "warren.x.logs"
	for key, want := range map[string]string{
		"":              base,
		"a":             base + ".a",
		"a.b.c":         base + ".a.b.c",
		".":             base + ".=.=",
		"a.":            base + ".a.=",
		".a":            base + ".=.a",
		"a..b":          base + ".a.=.b",
		"=":             base + ".=3D",
		"*":             base + ".=2A",
		"a.#":           base + ".a.#",
		"a>.b*":         base + ".a=3E.b=2A",
		"a b\t\x00\x7f": base + ".a=20b=09=00=7F",
		"größe":         base + ".größe",
		"\xff.\xc3":     base + ".=FF.=C3",
		"\ufffd":        base + ".=EF=BF=BD",
		" \u0080":       base + ".=20\u0080",
		"=41":           base + ".=3D41",
	} {
		got := KeySubject(base, key)
		if got != want {
			t.Errorf("KeySubject(%q) = %q, want %q", key, got, want)
		}
		if back, ok := SubjectKey(base, got); !ok || back != key {
			t.Errorf("SubjectKey(%q) = %q, %v, want %q", got, back, ok, key)
		}
	}
}

func TestSubjectKeyOfForeignSubjects(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"b.a=zz":    "a=zz",
		"b.a=":      "a=",
		"b.=41":     "=41", // no need to escape an A
		"b.=2a":     "=2a", // the digits are upper case
		"b.==.=2A":  "==.*",
		"b.\xff.=":  "\xff.",
		"b.x=2E.=4": "x=2E.=4", // a dot is no part of a word
	} {
		if got, ok := SubjectKey("b", subject); !ok || got != want {
			t.Errorf("SubjectKey(%q) = %q, %v, want %q", subject, got, ok, want)
		}
	}
	for _, subject := range []string{"", "a", "bb", "bb.c", "a.b"} {
		if got, ok := SubjectKey("b", subject); ok {
			t.Errorf("SubjectKey(%q) = %q, want none", subject, got)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("hello", "=")
	f.Add("amq.gen-x", "=2E")
	f.Add(strings.Repeat("x", 121), strings.Repeat("y", 130))
	f.Fuzz(func(t *testing.T, name, other string) {
		token := NameToken(name)
		for i := range len(token) {
			if !nameByte(token[i]) && token[i] != '=' {
				t.Fatalf("NameToken(%q) = %q", name, token)
			}
		}
		if back, err := TokenName(token); err != nil || back != name {
			t.Fatalf("TokenName(%q) = %q, %v, want %q", token, back, err, name)
		}
		if back, err := TokenName(other); err == nil && NameToken(back) != other {
			t.Fatalf("TokenName(%q) = %q, whose token is %q", other, back, NameToken(back))
		}
		if name != other && fileToken(name) == fileToken(other) {
			t.Fatalf("%q and %q share %q", name, other, fileToken(name))
		}
		if got := StreamName(name, "q", other); len(got) > 255 || strings.Count(got, "~") != 2 {
			t.Fatalf("StreamName(%q, q, %q) = %q", name, other, got)
		}
	})
}

func FuzzKeySubject(f *testing.F) {
	for _, key := range []string{"", "a.b", "..", "=", "*.>", "a b", "\xff\xc3", "größe", "\ufffd", "=41", "a=zz"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		key = key[:min(len(key), amqp.MaxShort)]
		subject := KeySubject("w.x.e", key)
		checkSubject(t, subject)
		for token := range strings.SplitSeq(subject, ".") {
			if token == "*" || token == ">" {
				t.Fatalf("KeySubject(%q) = %q has a wildcard", key, subject)
			}
		}
		if got, ok := SubjectKey("w.x.e", subject); !ok || got != key {
			t.Fatalf("SubjectKey(%q) = %q, %v, want %q", subject, got, ok, key)
		}
		if want := len(splitWords(key)) + 2; strings.Count(subject, ".") != want {
			t.Fatalf("KeySubject(%q) = %q, want %d dots", key, subject, want)
		}
		// A foreign subject is a key too, and a token that changes is an escape.
		foreign, ok := SubjectKey("w", "w."+key)
		if !ok || !strings.Contains(key, "=") && foreign != key {
			t.Fatalf("SubjectKey(%q) = %q, %v", "w."+key, foreign, ok)
		}
	})
}

// checkSubject fails the test unless NATS takes the subject, as a filter or to
// publish, and finds it sound in a file.
func checkSubject(t *testing.T, subject string) {
	t.Helper()
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if token == "" || token == ">" && i < len(tokens)-1 {
			t.Fatalf("subject %q: token %d is %q", subject, i, token)
		}
		if strings.ContainsAny(token, "\x00\t\n\f\r \x7f") || len(token) > 1 && strings.ContainsAny(token, "*>") {
			t.Fatalf("subject %q: token %q", subject, token)
		}
	}
	if !utf8.ValidString(subject) || strings.ContainsRune(subject, utf8.RuneError) {
		t.Fatalf("subject %q is not sound UTF-8", subject)
	}
}

func BenchmarkKeySubject(b *testing.B) {
	for _, c := range []struct{ name, key string }{
		{"empty", ""},
		{"plain", "kern.critical.disk"},
		{"wide", "größe.überall"},
		{"escaped", "a..b c"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				KeySubject("warren.x.logs", c.key)
			}
		})
	}
}

func BenchmarkSubjectKey(b *testing.B) {
	for _, c := range []struct{ name, subject string }{
		{"plain", "warren.x.logs.kern.critical.disk"},
		{"escaped", "warren.x.logs.a.=.b=20c"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				SubjectKey("warren.x.logs", c.subject)
			}
		})
	}
}
