package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

func TestZeroConfigServesThisProcessOnly(t *testing.T) {
	t.Parallel()
	s := start(t, embedded.Config{})
	if got := s.URL(); got != "" {
		t.Errorf("got URL %q, want none", got)
	}
	if got, want := s.Durability(), "fsync every 1s, temporary directory"; got != want {
		t.Errorf("got durability %q, want %q", got, want)
	}
	if got, want := s.Name(), "embedded"; got != want {
		t.Errorf("got name %q, want %q", got, want)
	}
	if err := s.Health(); err != nil {
		t.Errorf("got health %v, want nil", err)
	}
	js := jetStream(t, connect(t, s))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS"}); err != nil {
		t.Errorf("create stream: %v", err)
	}
}

func TestDurability(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]embedded.Config{
		"fsync every 1s":    {Dir: t.TempDir()},
		"fsync every 250ms": {Dir: t.TempDir(), SyncInterval: 250 * time.Millisecond},
		"fsync always":      {Dir: t.TempDir(), SyncAlways: true},
	} {
		if got := start(t, cfg).Durability(); got != want {
			t.Errorf("got durability %q, want %q", got, want)
		}
	}
}

func TestCloseMayBeCalledTwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{Port: embedded.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
		t.Error("done before Close")
	default:
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			select {
			case <-s.Done():
			default:
				t.Error("not done after Close")
			}
		})
	}
	wg.Wait()
}

func TestConnectAfterCloseIsRefused(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if nc, err := s.Connect(); err == nil {
		nc.Close()
		t.Error("got a connection to a closed server, want an error")
	}
}

func TestConnectionEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc, err := s.Connect(nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-closed
}

func TestListensOnTheGivenPort(t *testing.T) {
	t.Parallel()
	port := embeddedtest.Port(t)
	s := start(t, embedded.Config{Port: port})
	if got, want := s.URL(), fmt.Sprintf("nats://127.0.0.1:%d", port); got != want {
		t.Errorf("got URL %q, want %q", got, want)
	}
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatalf("connect to %q: %v", s.URL(), err)
	}
	nc.Close()
}

func TestListensEverywhereAndSaysWhereToDial(t *testing.T) {
	t.Parallel()
	var log lines
	s := start(t, embedded.Config{Host: "0.0.0.0", Port: embedded.RandomPort, Logger: log.logger()})
	if !strings.HasPrefix(s.URL(), "nats://127.0.0.1:") {
		t.Errorf("got URL %q, want one to dial", s.URL())
	}
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatalf("connect to %q: %v", s.URL(), err)
	}
	nc.Close()
	if want := "set a user or a token"; !log.has("WARN", want) {
		t.Errorf("got log %q, want a warning with %q", log.String(), want)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	cluster := embedded.Cluster{Port: port, Routes: []string{taken.Addr().String()}}
	free := embeddedtest.Port(t)
	same := embedded.Cluster{Port: free, Routes: []string{fmt.Sprintf("127.0.0.1:%d", free)}}
	for name, cfg := range map[string]embedded.Config{
		"clients": {Port: port},
		"cluster": {Name: "a", Port: embedded.RandomPort, Cluster: cluster},
		"both":    {Name: "a", Port: free, Cluster: same},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Dir = t.TempDir()
			s, err := embedded.Start(cfg)
			if err == nil {
				_ = s.Close()
				t.Fatalf("got a server, want %v", embedded.ErrPortInUse)
			}
			if !errors.Is(err, embedded.ErrPortInUse) {
				t.Errorf("got error %v, want %v", err, embedded.ErrPortInUse)
			}
			if want := "choose another port"; !strings.Contains(err.Error(), want) {
				t.Errorf("got error %q, want %q in it", err, want)
			}
		})
	}
}

func TestHostOfAnotherMachine(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(embedded.Config{Host: "192.0.2.1", Port: embedded.RandomPort}) // reserved for documents
	if err == nil {
		_ = s.Close()
		t.Fatal("got a server, want an error")
	}
	if want := "choose a host of this machine"; !strings.Contains(err.Error(), want) {
		t.Errorf("got error %q, want %q in it", err, want)
	}
}

// hashOfSecret is the bcrypt hash of "secret", of the least cost.
const hashOfSecret = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

func TestCredentialsAreAskedFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg         embedded.Config
		right, evil nats.Option
	}{
		"user": {
			embedded.Config{User: "alice", Password: "secret", Port: embedded.RandomPort},
			nats.UserInfo("alice", "secret"), nats.UserInfo("alice", "guess"),
		},
		"one of several": {
			embedded.Config{Users: map[string]string{"alice": "secret", "bob": "guess"}, Port: embedded.RandomPort},
			nats.UserInfo("alice", "secret"), nats.UserInfo("alice", "guess"),
		},
		"one beside others": {
			embedded.Config{User: "alice", Password: "secret", Users: map[string]string{"bob": "guess"}, Port: embedded.RandomPort},
			nats.UserInfo("alice", "secret"), nats.UserInfo("alice", "guess"),
		},
		"hash": {
			embedded.Config{Users: map[string]string{"alice": hashOfSecret}, Port: embedded.RandomPort},
			nats.UserInfo("alice", "secret"), nats.UserInfo("alice", hashOfSecret),
		},
		"token": {
			embedded.Config{Token: "secret", Port: embedded.RandomPort},
			nats.Token("secret"), nats.Token("guess"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, tt.cfg)
			connect(t, s)
			if strings.Contains(s.URL(), "secret") {
				t.Errorf("got the secret in URL %q", s.URL())
			}
			nc, err := nats.Connect(s.URL(), tt.right)
			if err != nil {
				t.Fatalf("with the right credentials: %v", err)
			}
			nc.Close()
			for _, opt := range []nats.Option{tt.evil, func(*nats.Options) error { return nil }} {
				if nc, err := nats.Connect(s.URL(), opt); !errors.Is(err, nats.ErrAuthorization) {
					nc.Close()
					t.Errorf("got %v, want %v", err, nats.ErrAuthorization)
				}
			}
		})
	}
}

func TestRestartBringsBackStreams(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{Dir: t.TempDir()}
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	nc := connect(t, s)
	js := jetStream(t, nc)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS"}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := js.Publish(t.Context(), "EVENTS", fmt.Appendf(nil, "message %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	stream, err := jetStream(t, connect(t, start(t, cfg))).Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stream.CachedInfo().State.Msgs, uint64(100); got != want {
		t.Errorf("got %d messages, want %d", got, want)
	}
	last, err := stream.GetMsg(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(last.Data), "message 99"; got != want {
		t.Errorf("got last message %q, want %q", got, want)
	}
}

func TestLargestPayload(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]embedded.Config{
		"in process": {},
		"by port":    {Port: embedded.RandomPort},
		"31 MiB":     {MaxPayload: 31 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for a machine that is busy
			defer cancel()
			js := jetStream(t, embeddedtest.Start(t, cfg).Connect(t))
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "EVENTS"}); err != nil {
				t.Fatal(err)
			}
			consumer, err := js.CreateConsumer(ctx, "EVENTS", jetstream.ConsumerConfig{Durable: "reader"})
			if err != nil {
				t.Fatal(err)
			}
			m := nats.NewMsg("EVENTS")
			m.Header.Set("Note", strings.Repeat("n", 60<<10))
			m.Data = bytes.Repeat([]byte("x"), max(cfg.MaxPayload, 16<<20))
			if _, err := js.PublishMsg(ctx, m); err != nil {
				t.Fatalf("publish %d bytes: %v", len(m.Data), err)
			}
			got, err := consumer.Next(jetstream.FetchContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Data(), m.Data) {
				t.Errorf("got %d bytes back, want the %d sent", len(got.Data()), len(m.Data))
			}
			m.Data = append(m.Data, make([]byte, 64<<10)...)
			if _, err := js.PublishMsg(ctx, m); !errors.Is(err, nats.ErrMaxPayload) {
				t.Errorf("publish %d bytes: got %v, want %v", len(m.Data), err, nats.ErrMaxPayload)
			}
		})
	}
}

// Publishers to the subjects that are limited are refused at the limit, and all
// others when they have used up what is beyond it.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]jetstream.StorageType{
		"store":  jetstream.FileStorage,
		"memory": jetstream.MemoryStorage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := jetStream(t, connect(t, start(t, embedded.Config{MaxStore: 1 << 20, MaxMemory: 1 << 20})))
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
				Name: name, Subjects: []string{name + ".>"}, Storage: storage,
			}); err != nil {
				t.Fatal(err)
			}
			const reserve = 64 << 20
			limited := fill(t, js, name+".q.a")
			if limited < 1<<20 || limited > reserve {
				t.Errorf("%d bytes were stored, want %d and a little more", limited, 1<<20)
			}
			all := limited + fill(t, js, name+".other")
			if all < reserve || all > reserve+3<<20 {
				t.Errorf("%d bytes were stored, want %d", all, 1<<20+reserve)
			}
		})
	}
}

// fill publishes until the server refuses it, and gives the bytes it took.
func fill(t *testing.T, js jetstream.JetStream, subject string) (stored int) {
	t.Helper()
	body := make([]byte, 64<<10)
	for {
		_, err := js.Publish(t.Context(), subject, body)
		if err == nil {
			stored += len(body)
			continue
		}
		var full *jetstream.APIError
		if !errors.As(err, &full) || full.Code != 503 {
			t.Fatalf("after %d bytes: got %v, want a 503", stored, err)
		}
		return stored
	}
}

func start(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func connect(t *testing.T, s *embedded.Server) *nats.Conn {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func jetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return js
}
