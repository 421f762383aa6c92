package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

// Three servers that trust nobody without the token and the certificate.
func TestClusterBehindCredentialsAndTLS(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	var routes []string
	var servers []*embedded.Server
	ports := []int{embeddedtest.Port(t), embeddedtest.Port(t), embeddedtest.Port(t)}
	for _, port := range ports {
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", port))
	}
	for i, port := range ports {
		servers = append(servers, start(t, embedded.Config{
			Name:    fmt.Sprintf("node-%d", i),
			Port:    embedded.RandomPort,
			Dir:     t.TempDir(),
			Token:   "secret",
			Cluster: embedded.Cluster{Port: port, Routes: routes, TLS: id},
		}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, s := range servers {
		if err := s.Ready(ctx); err != nil {
			t.Fatalf("%s: %v", s.Name(), err)
		}
	}
	js := jetStream(t, connect(t, servers[1]))
	for {
		// A leader that is not sure of itself yet does not always answer.
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		_, err := js.CreateStream(attempt, jetstream.StreamConfig{Name: "EVENTS", Replicas: 3})
		unanswered := attempt.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil {
			return
		}
		var noPeers *jetstream.APIError
		if !unanswered && (!errors.As(err, &noPeers) || noPeers.ErrorCode != 10005) {
			t.Fatalf("create stream with three replicas: %v", err)
		}
	}
}

func TestReadyGivesUp(t *testing.T) {
	t.Parallel()
	port := embeddedtest.Port(t)
	s, err := embedded.Start(embedded.Config{
		Name:    "alone",
		Port:    embedded.RandomPort,
		Cluster: embedded.Cluster{Port: port, Routes: []string{fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "JetStream") {
		t.Errorf("one server of two: got %v, want %v and what is missing", err, context.DeadlineExceeded)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("a closed server: got ready, want an error")
	}
}

func TestClusterPortAsksForCredentials(t *testing.T) {
	t.Parallel()
	port := embeddedtest.Port(t)
	at := fmt.Sprintf("127.0.0.1:%d", port)
	start(t, embedded.Config{
		Name:     "alone",
		Port:     embedded.RandomPort,
		User:     "alice",
		Password: "secret",
		Cluster:  embedded.Cluster{Port: port, Routes: []string{at, "127.0.0.1:1"}},
	})
	route, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = route.Close() })
	// The server introduces itself to a route once it has heard from it.
	hello := `CONNECT {"verbose":false,"name":"mallory","cluster":"embedded"}` + "\r\n" +
		`INFO {"server_id":"mallory","server_name":"mallory","cluster":"embedded","proto":1,"host":"127.0.0.1","port":1}` + "\r\n"
	if _, err := route.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(route); lines.Scan(); {
		said = append(said, lines.Text())
	}
	if want := "Authorization Violation"; !strings.Contains(strings.Join(said, "\n"), want) {
		t.Errorf("without credentials: got %q, want %q", said, want)
	}
}
