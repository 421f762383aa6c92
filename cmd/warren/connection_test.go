package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"warren/embedded/embeddedtest"
)

// wantHello sends a message and receives it, with these flags.
func wantHello(t *testing.T, flags ...string) {
	t.Helper()
	for _, command := range [][]string{{"send", "hello"}, {"receive", "--count", "1"}} {
		var out, errs strings.Builder
		if code := run(t.Context(), programName, append(command, flags...), &out, &errs); code != exitOK || !strings.Contains(out.String(), "hello") {
			t.Errorf("%s %s: got exit code %d, want %d; %s%s", command[0], flags, code, exitOK, out.String(), errs.String())
		}
	}
}

// newFile writes a file for nobody else, and gives its path.
func newFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newContext(t *testing.T, settings map[string]any) string {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return newFile(t, "a.json", string(text))
}

func TestConnection_User(t *testing.T) {
	t.Parallel()
	url := embeddedtest.Configured(t, `authorization { users = [ { user: alice, password: "s3cret" } ] }`, nil)
	secret, wrong := newFile(t, "secret", "s3cret\n"), newFile(t, "wrong", "guess\n")
	wantHello(t, "--server", url, "--user", "alice", "--password-file", secret)
	wantHello(t, "--server", strings.Replace(url, "//", "//alice@", 1), "--password-file", secret)
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "user": "alice", "password": "s3cret"}))
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "user": "alice"}), "--password-file", secret)
	wantHello(t, "--context", newContext(t, map[string]any{"url": strings.Replace(url, "//", "//alice:s3cret@", 1)}))
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "user": "alice", "password": "data:;base64,czNjcmV0"}))
	refused(t, []string{"send", "--server", url, "--user", "alice", "--password-file", wrong}, exitFailure,
		"refused the user or the password: give --user NAME and the password in $WARREN_PASSWORD or --password-file FILE, or --creds, --nkey or --context")
	// What a flag says counts, and not what a context says.
	refused(t, []string{"send", "--context", newContext(t, map[string]any{"url": url, "user": "alice", "password": "s3cret"}), "--user", "bob", "--password-file", wrong},
		exitFailure, "refused the user")
}

func TestConnection_Token(t *testing.T) {
	t.Parallel()
	url := embeddedtest.Configured(t, `authorization { token: "t0ken" }`, nil)
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "token": "t0ken"}))
	refused(t, []string{"send", "--server", url}, exitFailure, "refused the user")
}

func TestConnection_NKey(t *testing.T) {
	t.Parallel()
	seed, public := newNKey(t, nkeys.CreateUser)
	url := embeddedtest.Configured(t, `authorization { users = [ { nkey: `+public+` } ] }`, nil)
	file := newFile(t, "user.nk", seed+"\n")
	wantHello(t, "--server", url, "--nkey", file)
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "nkey": file}))
	other, _ := newNKey(t, nkeys.CreateUser)
	refused(t, []string{"send", "--server", url, "--nkey", newFile(t, "other.nk", other)}, exitFailure, "refused the user")
	refused(t, []string{"send", "--server", url, "--nkey", newFile(t, "none.nk", "hello")}, exitFailure, "should have the seed of a user in it")
	refused(t, []string{"send", "--server", url, "--nkey", seed}, exitUsage, "everybody on this machine can read a seed on the command line")
}

func newNKey(t *testing.T, create func() (nkeys.KeyPair, error)) (seed, public string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return string(text), public
}

// An operator signs accounts, and an account its users: a server as nsc sets it up.
type operator struct {
	config string // of the server
	creds  string // of a user
}

func newOperator(t *testing.T) operator {
	t.Helper()
	operatorSeed, operatorKey := newNKey(t, nkeys.CreateOperator)
	accountSeed, accountKey := newNKey(t, nkeys.CreateAccount)
	userSeed, userKey := newNKey(t, nkeys.CreateUser)

	account := jwt.NewAccountClaims(accountKey)
	account.Name = "people"
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	signedAccount := sign(t, account, operatorSeed)
	signedUser := sign(t, jwt.NewUserClaims(userKey), accountSeed)
	creds, err := jwt.FormatUserConfig(signedUser, []byte(userSeed))
	if err != nil {
		t.Fatal(err)
	}
	_, systemKey := newNKey(t, nkeys.CreateAccount)
	config := fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		sign(t, jwt.NewOperatorClaims(operatorKey), operatorSeed), systemKey,
		systemKey, sign(t, jwt.NewAccountClaims(systemKey), operatorSeed), accountKey, signedAccount)
	return operator{config: config, creds: string(creds)}
}

func sign(t *testing.T, claims jwt.Claims, seed string) string {
	t.Helper()
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := claims.Encode(pair)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestConnection_Creds(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	url := embeddedtest.Configured(t, o.config, nil)
	file := newFile(t, "user.creds", o.creds)
	wantHello(t, "--server", url, "--creds", file)
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "creds": file}))
	refused(t, []string{"send", "--server", url}, exitFailure, "refused the user")
	refused(t, []string{"send", "--server", url, "--creds", newFile(t, "other.creds", newOperator(t).creds)}, exitFailure, "refused the user")
	refused(t, []string{"send", "--server", url, "--creds", newFile(t, "none.creds", "hello")}, exitFailure, "should be a file as 'nsc generate creds' writes it")
	refused(t, []string{"send", "--server", url, "--creds", "nowhere.creds"}, exitFailure, "credentials: open nowhere.creds")
}

func TestConnection_TLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.sign(t, "server")
	a.sign(t, "client")
	config := func(verify bool) string {
		return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: %t }",
			a.file("server.pem"), a.file("server-key.pem"), a.file("ca.pem"), verify)
	}
	ca := []string{"--tls-ca", a.file("ca.pem")}
	mine := append(ca, "--tls-cert", a.file("client.pem"), "--tls-key", a.file("client-key.pem"))

	url := embeddedtest.Configured(t, config(false), nil)
	wantHello(t, append(ca, "--server", url)...)
	wantHello(t, "--context", newContext(t, map[string]any{"url": url, "ca": a.file("ca.pem")}))
	refused(t, []string{"send", "--server", url}, exitFailure, "if you trust the broker, name who signed its certificate as --tls-ca FILE")

	mutual := embeddedtest.Configured(t, config(true), nil)
	wantHello(t, append(mine, "--server", mutual)...)
	wantHello(t, "--context", newContext(t, map[string]any{
		"url": mutual, "ca": a.file("ca.pem"), "cert": a.file("client.pem"), "key": a.file("client-key.pem"),
	}))
	refused(t, append([]string{"send", "--server", mutual}, ca...), exitFailure, "--tls-cert FILE --tls-key FILE")
	plain := embeddedtest.Listen(t).URL()
	refused(t, append([]string{"send", "--server", plain}, ca...), exitFailure, "speaks no TLS")
}

// TestConnection_Environment: $NATS_CONTEXT is for every command, and says less than
// $NATS_URL does, as for the nats program; a command that brings its own broker has
// no use for it.
func TestConnection_Environment(t *testing.T) {
	url := embeddedtest.Configured(t, `authorization { users = [ { user: alice, password: "s3cret" } ] }`, nil)
	config := t.TempDir()
	if err := os.MkdirAll(filepath.Join(config, "nats", "context"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"url": %q, "user": "alice", "password": "env://MINE"}`, url)
	if err := os.WriteFile(filepath.Join(config, "nats", "context", "here.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"XDG_CONFIG_HOME": config, "NATS_CONTEXT": "here", "MINE": "s3cret", "NATS_URL": "", passwordVariable: ""} {
		t.Setenv(name, value)
	}
	wantHello(t)
	refused(t, []string{"send", "--server", "127.0.0.1:1"}, exitFailure, "no broker at nats://127.0.0.1:1")
	refused(t, []string{"send", "--context", "there"}, exitFailure, "there are here, and 'nats context add' makes one")
	refused(t, []string{"send", "--context", "../here"}, exitUsage, "is no name")
	var out, errs strings.Builder
	if code := run(t.Context(), programName, []string{"send", "--embedded", "--server", "127.0.0.1:0"}, &out, &errs); code != exitOK {
		t.Errorf("send --embedded: got exit code %d; %s", code, errs.String())
	}
	t.Setenv("MINE", "")
	refused(t, []string{"send"}, exitFailure, "password: $MINE is empty")
	t.Setenv("NATS_URL", embeddedtest.Listen(t).URL())
	t.Setenv("MINE", "s3cret")
	wantHello(t)
	t.Setenv("NATS_CONTEXT", "")
	t.Setenv(passwordVariable, "s3cret")
	wantHello(t, "--server", url, "--user", "alice")
}

func TestConnection_BadInput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"send --creds a --nkey b", exitUsage, "--creds and --nkey exclude each other: a client is one user"},
		{"send --tls-cert a", exitUsage, "--tls-cert and --tls-key go together"},
		{"send --tls-ca nowhere.pem", exitFailure, "certificate authorities: open nowhere.pem"},
		{"send --user alice:secret", exitUsage, "everybody on this machine can read a password on the command line: write --user NAME"},
		{"send --user alice --server nats://bob@127.0.0.1:1", exitUsage, "--server names a user, and another flag does, too"},
		{"send --embedded --creds a", exitUsage, "--creds is for a broker that runs elsewhere: leave out --embedded"},
		{"serve --creds a", exitUsage, "--creds goes with --server"},
		{"send --context nowhere.json", exitFailure, `there is no context "nowhere.json"`},
		{"send --context " + newContext(t, map[string]any{"jetstream_domain": "hub"}), exitFailure, "sets jetstream_domain, which Warren does not support"},
		{"send --context " + newContext(t, map[string]any{"cert": "a"}), exitFailure, "has only one of cert and key"},
		{"send --context " + newContext(t, map[string]any{"creds": "op://vault/creds"}), exitFailure, "op:// is of other programs"},
		{"send --context " + newFile(t, "bad.json", "{"), exitFailure, "is no file of the nats program"},
	} {
		refused(t, strings.Fields(test.args), test.code, test.want)
	}
}
