package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
	"warren/embedded/embeddedtest"
	"warren/streams"
)

// A cutter connects to a broker, and is lost right before one of its changes of streams,
// consumers and records, as a process is that is killed.
type cutter struct {
	*embeddedtest.Server
	left atomic.Int64 // how many changes may still be made; negative after the last
}

// cutAfter opens a session that may make so many changes, and is lost then.
func cutAfter(t *testing.T, broker *embeddedtest.Server, changes int) *streams.Session {
	t.Helper()
	c := &cutter{Server: broker}
	c.left.Store(1 << 30)
	nc, err := nats.Connect("", nats.InProcessServer(c), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	must(t, err)
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Config{})
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Log("close the session that was cut off:", err)
		}
	})
	c.left.Store(int64(changes))
	return s
}

func (c *cutter) InProcessConn() (net.Conn, error) {
	conn, err := c.Server.InProcessConn()
	return &cutConn{conn, c}, err
}

type cutConn struct {
	net.Conn
	c *cutter
}

// aChange begins what asks for a change.
var aChange = regexp.MustCompile(`(?m)^H?PUB (warren\.topology\.|\$JS\.API\.(STREAM\.(CREATE|UPDATE|DELETE|PURGE)|CONSUMER\.(CREATE|DELETE|DURABLE))\.)`)

func (c *cutConn) Write(b []byte) (int, error) {
	if changes := len(aChange.FindAll(b, -1)); changes > 0 && c.c.left.Add(-int64(changes)) < 0 {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}
	return c.Conn.Write(b)
}

// TestChange_CutOffAnywhere: a session is lost before each of the changes that an
// operation makes. Whatever it was doing, once its names are declared again there is
// what the records say, and nothing is left half done.
func TestChange_CutOffAnywhere(t *testing.T) {
	t.Parallel()
	binding := func(exchange, key string) streams.Binding {
		return streams.Binding{Exchange: exchange, Queue: exchange, Key: key}
	}
	for name, operation := range map[string]func(ctx context.Context, s *streams.Session, name string) error{
		"declare an exchange": func(ctx context.Context, s *streams.Session, name string) error {
			return s.DeclareExchange(ctx, cutExchange(name+"too"))
		},
		"declare a queue": func(ctx context.Context, s *streams.Session, name string) error {
			_, err := s.DeclareQueue(ctx, streams.Queue{Name: name + "too"})
			return err
		},
		"bind": func(ctx context.Context, s *streams.Session, name string) error {
			return s.Bind(ctx, binding(name, "c"))
		},
		"bind to an exchange in memory": func(ctx context.Context, s *streams.Session, name string) error {
			return s.Bind(ctx, streams.Binding{Exchange: name + "memory", Queue: name})
		},
		"unbind one of two": func(ctx context.Context, s *streams.Session, name string) error {
			return s.Unbind(ctx, binding(name, "a"))
		},
		"unbind": func(ctx context.Context, s *streams.Session, name string) error {
			return errors.Join(s.Unbind(ctx, binding(name, "a")), s.Unbind(ctx, binding(name, "b")))
		},
		"delete an exchange": func(ctx context.Context, s *streams.Session, name string) error {
			return s.DeleteExchange(ctx, name)
		},
		"delete a queue": func(ctx context.Context, s *streams.Session, name string) error {
			_, err := s.DeleteQueue(ctx, name)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := embeddedtest.Start(t, embedded.Config{})
			for changes := 0; ; changes++ {
				name := fmt.Sprint("cut", changes)
				r := newRig(t, broker.Connect(t), streams.Config{})
				r.declareCut(name, cutExchange(name), streams.Exchange{Name: name + "memory", Kind: streams.Topic})
				for _, key := range []string{"a", "b"} {
					must(t, r.Bind(r.ctx, binding(name, key)))
				}
				err := operation(r.ctx, cutAfter(t, broker, changes), name)
				r.declareCut(name, cutExchange(name), cutExchange(name+"too"), streams.Exchange{Name: name + "memory", Kind: streams.Topic})
				r.queue(streams.Queue{Name: name + "too"})
				if faults := r.halfDone(t, broker.Connect(t)); len(faults) > 0 {
					t.Errorf("cut off before change %d: %s", changes+1, strings.Join(faults, "; "))
				}
				if err == nil {
					t.Log(changes, "changes")
					return
				}
			}
		})
	}
}

func cutExchange(name string) streams.Exchange {
	return streams.Exchange{Name: name, Kind: streams.Topic, Durable: true}
}

// declareCut declares exchanges, and a durable queue.
func (r rig) declareCut(queue string, exchanges ...streams.Exchange) {
	r.Helper()
	for _, x := range exchanges {
		if err := r.DeclareExchange(r.ctx, x); err != nil {
			r.Fatal(err)
		}
	}
	r.queue(streams.Queue{Name: queue, Durable: true})
}

// halfDone is what does not agree between the listings and the server, and the records
// that are marked.
func (r rig) halfDone(t *testing.T, nc *nats.Conn) (faults []string) {
	t.Helper()
	bindings, err := r.Bindings(r.ctx)
	must(t, err)
	exchanges, err := r.Exchanges(r.ctx)
	must(t, err)
	for _, x := range exchanges {
		if x.Name == "" || strings.HasPrefix(x.Name, "amq.") {
			continue
		}
		var want []string
		for _, b := range bindings {
			if b.Exchange == x.Name && !slices.Contains(want, b.Queue) {
				want = append(want, b.Queue)
			}
		}
		if got := viewsOf(t, nc, x.Name); !slices.Equal(got, want) {
			faults = append(faults, fmt.Sprintf("exchange %q has the views %q, want %q", x.Name, got, want))
		}
	}
	return append(faults, marked(t, nc)...)
}

// viewsOf are the queues that have a consumer on the streams of an exchange.
func viewsOf(t *testing.T, nc *nats.Conn, exchange string) (queues []string) {
	t.Helper()
	there := false
	for _, kind := range []string{"x", "m"} {
		s, err := stream(t, nc, "warren~"+kind+"~"+exchange)
		if err != nil {
			continue
		}
		there = true
		list := s.ListConsumers(t.Context())
		for info := range list.Info() {
			queues = append(queues, info.Config.Metadata["warren.queue"])
		}
		must(t, list.Err())
	}
	if !there {
		return []string{"no stream"}
	}
	return queues
}

// marked are the records that say of a change that it is not finished.
func marked(t *testing.T, nc *nats.Conn) (faults []string) {
	t.Helper()
	topology, err := stream(t, nc, "warren~topology")
	must(t, err)
	info, err := topology.Info(t.Context(), jetstream.WithSubjectFilter("warren.topology.>"))
	must(t, err)
	for subject := range info.State.Subjects {
		msg, err := topology.GetLastMsgForSubject(t.Context(), subject)
		must(t, err)
		var rec struct {
			Busy             string
			Deleting, Moving bool
			Bindings         []struct{ Ended bool }
		}
		must(t, json.Unmarshal(msg.Data, &rec))
		ended := slices.ContainsFunc(rec.Bindings, func(b struct{ Ended bool }) bool { return b.Ended })
		if rec.Busy != "" || rec.Deleting || rec.Moving || ended {
			faults = append(faults, fmt.Sprintf("record %s: %s", subject, msg.Data))
		}
	}
	return faults
}
