package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"warren/streams/amqp091"
)

func TestParseUsers(t *testing.T) {
	t.Parallel()
	users, err := parseUsers("# people\n\nalice secret\r\n\tbob \"b c\\\"#\"  / \"my orders\"\ncarol sha256:kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR\ndan \"sha256:none\"\n#eve secret\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(users)); !slices.Equal(got, []string{"alice", "bob", "carol", "dan"}) {
		t.Errorf("got users %q", got)
	}
	if alice := users["alice"]; alice.Password != "secret" || alice.VHosts != nil || alice.PasswordHash != nil {
		t.Errorf("alice: got %+v", alice)
	}
	if bob := users["bob"]; bob.Password != `b c"#` || !slices.Equal(bob.VHosts, []string{"/", "my orders"}) {
		t.Errorf("bob: got %+v", bob)
	}
	if carol := users["carol"]; carol.Password != "" || len(carol.PasswordHash) != 36 {
		t.Errorf("carol: got %+v", carol)
	}
	if dan := users["dan"]; dan.Password != "sha256:none" {
		t.Errorf("dan: got %+v", dan)
	}
}

// TestParseUsers_Mistakes: an error says which line it is, and nothing of what stands
// there.
func TestParseUsers_Mistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "there are no users in it",
		"# alice topsecret":             "there are no users in it",
		"alice x\ntopsecret":            "line 2: the password is missing",
		"alice \"topsecret":             "line 1: a quote is not closed",
		`alice "top\qsecret"`:           "line 1: a quote is not closed, or has an unknown escape in it",
		`alice "top"secret`:             "line 1: there is no blank behind a quote",
		`alice top"secret`:              "line 1: there is a quote inside a word",
		`alice ""`:                      "line 1: there is an empty name or password",
		`"" topsecret`:                  "line 1: there is an empty name or password",
		`alice topsecret ""`:            "line 1: there is an empty name or password",
		"alice sha256:topsecret":        "line 1: behind sha256: is no hash of RabbitMQ's",
		"alice sha256:dG9wc2VjcmV0":     "line 1: behind sha256: is no hash of RabbitMQ's",
		"alice topsecret\nalice secret": "line 2: the user is in a line before, too",
	} {
		users, err := parseUsers(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: got %v and %v, want %q", text, users, err, want)
		}
	}
}

// FuzzParseUsers: what was read can be written down and read again.
func FuzzParseUsers(f *testing.F) {
	f.Add("alice secret\nbob \"b c\" / orders\n")
	f.Add("carol sha256:kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
	f.Add("# \"\n\t`a` b")
	f.Fuzz(func(t *testing.T, text string) {
		users, err := parseUsers(text)
		if err != nil {
			return
		}
		again, err := parseUsers(writtenUsers(users))
		if err != nil {
			t.Fatalf("%q: %v", writtenUsers(users), err)
		}
		if !maps.EqualFunc(users, again, sameUser) {
			t.Errorf("got %+v, want %+v", again, users)
		}
	})
}

func writtenUsers(users map[string]amqp091.User) string {
	var text strings.Builder
	for name, user := range users {
		password := strconv.Quote(user.Password)
		if user.PasswordHash != nil {
			password = hashMark + base64.StdEncoding.EncodeToString(user.PasswordHash)
		}
		fmt.Fprint(&text, strconv.Quote(name), " ", password)
		for _, vhost := range user.VHosts {
			fmt.Fprint(&text, "\t", strconv.Quote(vhost))
		}
		fmt.Fprintln(&text)
	}
	return text.String()
}

func sameUser(a, b amqp091.User) bool {
	return a.Password == b.Password && bytes.Equal(a.PasswordHash, b.PasswordHash) && slices.Equal(a.VHosts, b.VHosts)
}
