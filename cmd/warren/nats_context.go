package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// contextVariable names a context, for the nats program too.
const contextVariable = "NATS_CONTEXT"

// A natsContext is what the nats program keeps under a name: an address, who
// connects, and TLS. The program's own package for it needs forty packages that
// Warren does not have, an expression language among them; the file is this struct.
type natsContext struct {
	name string

	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	UserJWT     string `json:"user_jwt"`
	UserSeed    string `json:"user_seed"`
	CA          string `json:"ca"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	InboxPrefix string `json:"inbox_prefix"`
	TLSFirst    bool   `json:"tls_first"`

	// These change where a client's requests go. Without them they would go to
	// another place than the user of the context expects.
	SocksProxy   string `json:"socks_proxy"`
	NSC          string `json:"nsc"`
	Domain       string `json:"jetstream_domain"`
	APIPrefix    string `json:"jetstream_api_prefix"`
	EventPrefix  string `json:"jetstream_event_prefix"`
	WindowsStore string `json:"windows_cert_store"`
}

// loadContext reads a context by its name, or from a file whose name ends in .json.
// Without a name there is none, which is no error.
func loadContext(name string) (s natsContext, err error) {
	s.name = name
	if name == "" {
		return s, nil
	}
	path := name
	if !strings.HasSuffix(name, ".json") {
		if path, err = contextPath(name); err != nil {
			return s, err
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, noContext(name, path)
	}
	if err != nil {
		return s, fmt.Errorf("context %s: %w", name, err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("context %s: %s is no file of the nats program: %w", name, path, err)
	}
	for _, path := range []*string{&s.Creds, &s.NKey, &s.CA, &s.Cert, &s.Key} {
		*path = expandPath(*path)
	}
	return s, s.usable()
}

func contextPath(name string) (string, error) {
	if strings.Contains(name, "..") || strings.ContainsAny(name, `/\`) {
		return "", usageError{fmt.Errorf("context %q is no name: write it as 'nats context ls' does, or the path of a .json file", name)}
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if config == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("context %s: %w", name, err)
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "nats", "context", name+".json"), nil
}

// noContext names the contexts that there are.
func noContext(name, path string) error {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.json"))
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	there := "there are none"
	if len(files) > 0 {
		there = "there are " + strings.Join(files, ", ")
	}
	return fmt.Errorf("there is no context %q in %s; %s, and 'nats context add' makes one", name, filepath.Dir(path), there)
}

// usable refuses what Warren cannot do.
func (s natsContext) usable() error {
	for _, field := range []struct{ name, value string }{
		{"socks_proxy", s.SocksProxy}, {"nsc", s.NSC}, {"jetstream_domain", s.Domain}, {"jetstream_api_prefix", s.APIPrefix},
		{"jetstream_event_prefix", s.EventPrefix}, {"windows_cert_store", s.WindowsStore},
	} {
		if field.value != "" {
			return fmt.Errorf("context %s sets %s, which Warren does not support: use a context without it", s.name, field.name)
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return fmt.Errorf("context %s has only one of cert and key: set both", s.name)
	}
	return nil
}

func (s *natsContext) forgetIdentity() {
	s.User, s.Password, s.Token, s.Creds, s.NKey, s.UserJWT, s.UserSeed = "", "", "", "", "", "", ""
}

// options are the settings in the NATS client's words.
func (s natsContext) options() (opts []nats.Option, err error) {
	if err := checkTLSFiles(s.CA, s.Cert, s.Key); err != nil {
		return nil, err
	}
	if opts, err = s.identity(); err != nil {
		return nil, err
	}
	if s.CA != "" {
		opts = append(opts, nats.RootCAs(s.CA))
	}
	if s.Cert != "" {
		opts = append(opts, nats.ClientCert(s.Cert, s.Key))
	}
	if s.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(s.InboxPrefix))
	}
	if s.TLSFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts, nil
}

// identity is who connects. Of several the first counts, as for the nats program; a
// token goes with any.
func (s natsContext) identity() (opts []nats.Option, err error) {
	values := map[string]string{"password": s.Password, "token": s.Token, "user_jwt": s.UserJWT, "user_seed": s.UserSeed}
	for field, value := range values {
		if values[field], err = secret(value); err != nil {
			return nil, fmt.Errorf("context %s: %s: %w", s.name, field, err)
		}
	}
	var opt nats.Option
	switch {
	case s.User != "":
		opt = nats.UserInfo(s.User, values["password"])
	case s.Creds != "":
		opt, err = credsOption(s.Creds)
	case s.NKey != "":
		opt, err = nkeyOption(s.NKey)
	case s.UserJWT != "" && s.UserSeed != "":
		opt = nats.UserJWTAndSeed(values["user_jwt"], values["user_seed"])
	case s.UserJWT != "":
		opt = nats.UserJWT(func() (string, error) { return values["user_jwt"], nil }, func([]byte) ([]byte, error) { return nil, nil })
	}
	if err != nil {
		return nil, err
	}
	if opt != nil {
		opts = append(opts, opt)
	}
	if s.Token != "" {
		opts = append(opts, nats.Token(values["token"]))
	}
	return opts, nil
}

// credsOption are the credentials in a file, which is read anew whenever the client
// connects, so that another may be put in its place.
func credsOption(path string) (nats.Option, error) {
	text, inFile, err := readSecret(path)
	if err == nil {
		_, err = nkeys.ParseDecoratedJWT([]byte(text))
	}
	if err == nil {
		_, err = nkeys.ParseDecoratedUserNKey([]byte(text))
	}
	switch {
	case err != nil && inFile:
		return nil, fmt.Errorf("credentials: %w: %s should be a file as 'nsc generate creds' writes it", err, path)
	case err != nil:
		return nil, fmt.Errorf("credentials: %w", err)
	case inFile:
		return nats.UserCredentials(path), nil
	}
	return nats.UserCredentialBytes([]byte(text)), nil
}

func nkeyOption(path string) (nats.Option, error) {
	text, inFile, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("nkey: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey([]byte(text))
	if err != nil && inFile {
		return nil, fmt.Errorf("nkey: %w: %s should have the seed of a user in it, which begins with SU", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("nkey: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("nkey: %w", err)
	}
	return nats.Nkey(public, pair.Sign), nil
}

// readSecret reads what is in a file, unless the path is a reference to something
// else, see [secret].
func readSecret(path string) (text string, inFile bool, err error) {
	if text, err = secret(path); err != nil || text != path {
		return text, false, err
	}
	content, err := os.ReadFile(path)
	return string(content), true, err
}

// secret is what a context refers to: env://NAME is in the environment,
// data:;base64,... in the text itself. Anything else is the secret.
func secret(text string) (string, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch strings.ToLower(scheme) {
	case "env":
		name := strings.TrimPrefix(rest, "//")
		if value := os.Getenv(name); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("$%s is empty", name)
	case "data":
		_, coded, _ := strings.Cut(rest, ";base64,")
		content, err := base64.StdEncoding.DecodeString(coded)
		if err != nil || coded == "" {
			return "", errors.New("data: has no base64 behind it")
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	case "op", "nsc":
		return "", fmt.Errorf("%s:// is of other programs: write the secret to a file, or into the environment and env://NAME here", scheme)
	}
	return text, nil
}

// expandPath is a path as the nats program understands it.
func expandPath(path string) string {
	if strings.HasPrefix(path, "data:") {
		return path
	}
	path = strings.TrimPrefix(os.ExpandEnv(path), "file://")
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(path, "~") {
		return home + path[1:]
	}
	return path
}
