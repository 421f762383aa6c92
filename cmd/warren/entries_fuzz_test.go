package main

import (
	"strings"
	"testing"
)

// FuzzEntries: what is read as a file of entries can be put: each has a name of its own,
// a call and a schedule.
func FuzzEntries(f *testing.F) {
	for _, text := range []string{
		`[{"name":"sum","task":"add","args":[1,2],"every":"10s","queue":"q","jitter":"1s","missed":"all","at_start":true}]`,
		`[{"task":"a","cron":"*/5 * * * *","tz":"Europe/Kyiv"}]`, `[{"task":"a","every":10},{"task":"a","every":10}]`,
		`[]`, `[] []`, `null`, `{}`, `[{"unknown":1}]`, `[{"every":"1s"}]`, `nonsense`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseEntries(text)
		if err != nil {
			return
		}
		names := make(map[string]bool)
		for _, e := range list {
			if e.Name == "" || names[e.Name] || taskOf(e) == "" {
				t.Errorf("%s: got entry %q of task %q, want a name of its own and a task", text, e.Name, taskOf(e))
			}
			names[e.Name] = true
			_ = e.Schedule.String()
		}
	})
}

// FuzzAddress: what is read as addresses is written so that it is read as the same, and
// shows no password.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{
		"localhost", "nats://127.0.0.1:4222", "a:1, b:2", "tls://user:secret@host", "ws://[::1]:80", "nats://:4222", "x://y", ",", "host:70000", "u%zz@h",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseAddresses(text)
		if err != nil {
			return
		}
		written := make([]string, len(list))
		for i, u := range list {
			written[i] = u.String()
			if u.Hostname() == "" {
				t.Errorf("%q: address %d has no host", text, i)
			}
		}
		if strings.Contains(strings.Join(written, ""), ",") {
			return // a comma in a name of a user is one more address
		}
		again, err := parseAddresses(strings.Join(written, ","))
		if err != nil || len(again) != len(list) {
			t.Fatalf("%q was written as %q, which is read as %v, %v", text, written, again, err)
		}
		for i := range again {
			if again[i].String() != written[i] {
				t.Errorf("%q was written as %q, and then as %q", text, written[i], again[i])
			}
		}
	})
}
