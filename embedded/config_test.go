package embedded

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

var alices = map[string]string{"alice": "secret"}

func TestRefusedConfigs(t *testing.T) {
	t.Parallel()
	certified := &tls.Config{Certificates: make([]tls.Certificate, 1)}
	routes := []string{"127.0.0.1:6222"}
	for name, tt := range map[string]struct {
		cfg  Config
		want string // what to do about it
	}{
		"name with a space":      {Config{Name: "my server"}, "take it out"},
		"port below all":         {Config{Port: -2}, "choose 1 to 65535, or RandomPort"},
		"port above all":         {Config{Port: 65536}, "choose 1 to 65535, or RandomPort"},
		"host without port":      {Config{Host: "0.0.0.0"}, "set Port"},
		"TLS without port":       {Config{TLS: certified}, "set Port"},
		"TLS without cert":       {Config{Port: RandomPort, TLS: &tls.Config{}}, "set Certificates"},
		"user without password":  {Config{User: "alice"}, "set Password"},
		"password without user":  {Config{Password: "secret"}, "set User"},
		"user and token":         {Config{User: "alice", Password: "secret", Token: "secret"}, "set one of them"},
		"users and token":        {Config{Users: alices, Token: "secret"}, "set one of them"},
		"a user twice":           {Config{User: "alice", Password: "secret", Users: alices}, "leave one of them out"},
		"users without password": {Config{Users: map[string]string{"alice": ""}}, "set both"},
		"users without routes'": {Config{
			Name: "a", Port: 4222, Users: alices,
			Cluster: Cluster{Port: 6222, Routes: []string{"127.0.0.1:6222"}},
		}, "set User and Password"},
		"hashed password":        {Config{User: "alice", Password: "$2a$11$abcdefghijklmnopqrstuv"}, "give the plain text"},
		"hashed token":           {Config{Token: "$2a$11$abcdefghijklmnopqrstuv"}, "give the plain text"},
		"negative sync interval": {Config{SyncInterval: -time.Second}, "or set SyncAlways"},
		"negative memory":        {Config{MaxMemory: -1}, "leave it out"},
		"endless memory":         {Config{MaxMemory: 1<<63 - 1}, "choose less"},
		"no subject":             {Config{Limited: []string{"a..b"}}, "write it like"},
		"negative store":         {Config{MaxStore: -1}, "leave it out"},
		"negative payload":       {Config{MaxPayload: -1}, "between 1 and 32505856 bytes"},
		"payload too large":      {Config{MaxPayload: 32 << 20}, "between 1 and 32505856 bytes"},
		"cluster without port":   {Config{Cluster: Cluster{Name: "c"}}, "set Cluster.Port"},
		"cluster in process":     {Config{Name: "a", Cluster: Cluster{Port: 6222, Routes: routes}}, "set Port"},
		"cluster without name":   {Config{Port: 4222, Cluster: Cluster{Port: 6222, Routes: routes}}, "set Name"},
		"cluster without routes": {Config{Name: "a", Port: 4222, Cluster: Cluster{Port: 6222}}, "Cluster.Routes"},
		"cluster on random port": {Config{Name: "a", Port: 4222, Cluster: Cluster{Port: RandomPort, Routes: routes}}, "choose 1 to 65535"},
		"cluster with a space":   {Config{Name: "a", Port: 4222, Cluster: Cluster{Name: "my cluster", Port: 6222, Routes: routes}}, "take it out"},
		"cluster TLS, no cert":   {Config{Name: "a", Port: 4222, Cluster: Cluster{Port: 6222, Routes: routes, TLS: &tls.Config{}}}, "set Certificates"},
		"two ways to sync":       {Config{SyncAlways: true, SyncInterval: time.Minute}, "set one of them"},
		"route to no port":       {Config{Name: "a", Port: 4222, Cluster: Cluster{Port: 6222, Routes: []string{"10.0.0.2:70000"}}}, "write it like 10.0.0.2:6222"},
		"route without port":     {Config{Name: "a", Port: 4222, Cluster: Cluster{Port: 6222, Routes: []string{"10.0.0.2"}}}, "write it like 10.0.0.2:6222"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Start(tt.cfg)
			if err == nil {
				_ = s.Close()
				t.Fatalf("got a server, want an error with %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// The server's own defaults are no limits at all, and two minutes.
func TestZeroConfigIsLimitedAndSynced(t *testing.T) {
	t.Parallel()
	o, err := Config{}.withDefaults().options(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := o.JetStreamMaxMemory, int64(1<<30+reserve); got != want {
		t.Errorf("memory limit: got %d, want %d", got, want)
	}
	if got, most := o.JetStreamMaxStore, int64(64<<30+reserve); got <= 0 || got > most {
		t.Errorf("store limit: got %d, want more than 0 and at most %d", got, most)
	}
	if got, want := o.SyncInterval, time.Second; got != want {
		t.Errorf("sync interval: got %v, want %v", got, want)
	}
	if !o.DontListen {
		t.Error("got a listener, want none")
	}
	if got, want := int(o.MaxPayload), 16<<20+64<<10; got != want {
		t.Errorf("max payload: got %d, want %d", got, want)
	}
	if o.MaxPending <= int64(o.MaxPayload) {
		t.Errorf("max pending: got %d, want more than the payload's %d", o.MaxPending, o.MaxPayload)
	}
}

func TestExposed(t *testing.T) {
	t.Parallel()
	mutual := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}
	for name, tt := range map[string]struct {
		cfg  Config
		want bool
	}{
		"in process":         {Config{}, false},
		"loopback":           {Config{Port: 4222}, false},
		"localhost":          {Config{Port: 4222, Host: "localhost"}, false},
		"IPv6 loopback":      {Config{Port: 4222, Host: "::1"}, false},
		"everywhere":         {Config{Port: 4222, Host: "0.0.0.0"}, true},
		"a name":             {Config{Port: 4222, Host: "broker.example"}, true},
		"with users":         {Config{Port: 4222, Host: "0.0.0.0", Users: alices}, false},
		"with a user":        {Config{Port: 4222, Host: "0.0.0.0", User: "alice", Password: "secret"}, false},
		"with a token":       {Config{Port: 4222, Host: "0.0.0.0", Token: "secret"}, false},
		"with TLS":           {Config{Port: 4222, Host: "0.0.0.0", TLS: &tls.Config{}}, true},
		"with mutual TLS":    {Config{Port: 4222, Host: "0.0.0.0", TLS: mutual}, false},
		"cluster everywhere": {Config{Port: 4222, Cluster: Cluster{Port: 6222, Host: "0.0.0.0"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.cfg.withDefaults().exposed(); got != tt.want {
				t.Errorf("got exposed %v, want %v", got, tt.want)
			}
		})
	}
}
