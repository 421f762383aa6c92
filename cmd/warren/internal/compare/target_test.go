package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nuid"
)

// patience is how long a test waits for anything.
const patience = time.Minute

// rabbitURL is where a RabbitMQ is; empty says that there is none.
func rabbitURL() string { return os.Getenv("WARREN_AMQP_URL") }

// eachTarget runs a test on every target there is.
func eachTarget(t *testing.T, test func(*testing.T, Target)) {
	t.Helper()
	open := map[string]func(t *testing.T) (Target, error){}
	for _, fsync := range []bool{false, true} {
		label := fsyncLabel("", fsync)
		open["warren embedded"+label] = func(t *testing.T) (Target, error) {
			t.Helper()
			return NewWarren(t.Context(), startInside(t, fsync), 1)
		}
		open["jetstream embedded"+label] = func(t *testing.T) (Target, error) {
			t.Helper()
			return NewJetStream(t.Context(), startInside(t, fsync), 1)
		}
		open["warren tcp"+label] = func(t *testing.T) (Target, error) {
			t.Helper()
			return NewWarren(t.Context(), startProgram(t, fsync), 1)
		}
		open["jetstream tcp"+label] = func(t *testing.T) (Target, error) {
			t.Helper()
			return NewJetStream(t.Context(), startProgram(t, fsync), 1)
		}
	}
	open["warren nats"] = func(t *testing.T) (Target, error) {
		t.Helper()
		return NewWarren(t.Context(), At(NATS{URL: startServer(t)}), 1)
	}
	open["jetstream nats"] = func(t *testing.T) (Target, error) {
		t.Helper()
		return NewJetStream(t.Context(), At(NATS{URL: startServer(t)}), 1)
	}
	open["warren amqp"] = func(t *testing.T) (Target, error) {
		t.Helper()
		return NewWarrenAMQP(t.Context(), program(t), false)
	}
	if rabbitURL() != "" {
		open["rabbitmq classic"] = func(*testing.T) (Target, error) { return NewRabbitMQ(rabbitURL(), Classic, "") }
		open["rabbitmq quorum"] = func(*testing.T) (Target, error) { return NewRabbitMQ(rabbitURL(), Quorum, "") }
	}
	for name, open := range open {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			closeLater(t, target)
			if target.Name() != name {
				t.Errorf("it is called %q, want %q", target.Name(), name)
			}
			test(t, target)
		})
	}
}

// warrenInside is Warren in the test's process, without a sync.
func warrenInside(t *testing.T) Target {
	t.Helper()
	target, err := NewWarren(t.Context(), startInside(t, false), 1)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, target)
	return target
}

func closeLater(t *testing.T, target Target) {
	t.Helper()
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Errorf("close the target: %v", err)
		}
	})
}

func startInside(t *testing.T, fsync bool) Server {
	t.Helper()
	s, err := StartInside(fsync)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func startProgram(t *testing.T, fsync bool) Server {
	t.Helper()
	s, err := StartChild(t.Context(), program(t), fsync)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// startServer starts a server that is not the target's, and gives its URL.
func startServer(t *testing.T) string {
	t.Helper()
	s := startProgram(t, false)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*child).url
}

// A fixture is a connection whose methods fail the test.
type fixture struct {
	Conn
	t      *testing.T
	target Target
}

func connect(t *testing.T, target Target) *fixture {
	t.Helper()
	c, err := target.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{c, t, target}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the connection: %v", err)
		}
	})
	return f
}

// class is one that the target has.
func (f *fixture) class() Class {
	for _, c := range []Class{D1, D2, D0} {
		if _, ok := f.target.Features().Classes[c]; ok {
			return c
		}
	}
	f.t.Fatal("it has no class")
	return ""
}

func (f *fixture) queue() string {
	f.t.Helper()
	name, err := f.DeclareQueue(f.t.Context(), Queue{Name: "q-" + nuid.Next(), Class: f.class()})
	if err != nil {
		f.t.Fatal(err)
	}
	return name
}

func (f *fixture) exchange(k Kind) string {
	f.t.Helper()
	x := Exchange{Name: "x-" + nuid.Next(), Kind: k, Durable: true}
	if err := f.DeclareExchange(f.t.Context(), x); err != nil {
		f.t.Fatal(err)
	}
	return x.Name
}

// publish publishes bodies and waits for their confirms.
func (f *fixture) publish(exchange, key string, bodies ...string) {
	f.t.Helper()
	p, err := f.Publisher(f.t.Context(), 10)
	if err != nil {
		f.t.Fatal(err)
	}
	var mu sync.Mutex
	var outcomes []error
	for _, body := range bodies {
		m := Message{ID: body, Class: f.class(), Body: []byte(body)}
		err := p.Publish(f.t.Context(), exchange, key, m, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			outcomes = append(outcomes, err)
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if err := p.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	if err := errors.Join(outcomes...); err != nil || len(outcomes) != len(bodies) {
		f.t.Fatalf("%d of %d messages were answered: %v", len(outcomes), len(bodies), err)
	}
}

// consume gives deliveries to a channel.
func (f *fixture) consume(queue string, prefetch int) (arrived <-chan Delivery, stop func()) {
	f.t.Helper()
	all := make(chan Delivery, 1000)
	end, err := f.Consume(f.t.Context(), queue, prefetch, func(d Delivery) { all <- d })
	if err != nil {
		f.t.Fatal(err)
	}
	stop = func() {
		f.t.Helper()
		if err := end(); err != nil {
			f.t.Errorf("stop the consumer: %v", err)
		}
	}
	f.t.Cleanup(stop)
	return all, stop
}

func next(t *testing.T, arrived <-chan Delivery) Delivery {
	t.Helper()
	select {
	case d := <-arrived:
		return d
	case <-time.After(patience):
		t.Fatal("no message came")
		return nil
	}
}

func wantBody(t *testing.T, d Delivery, body string) {
	t.Helper()
	if m := d.Message(); string(m.Body) != body || m.ID != body {
		t.Errorf("got %q with id %q, want %q", m.Body, m.ID, body)
	}
}

func ack(t *testing.T, d Delivery) {
	t.Helper()
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
}

// wantReady waits until so many messages are ready: JetStream counts a moment late what
// it has confirmed.
func wantReady(t *testing.T, c Conn, queue string, want int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; pause(time.Millisecond) {
		n, err := c.Ready(t.Context(), queue)
		if err == nil && n == want {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d are ready, %v; want %d", n, err, want)
		}
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		q := c.queue()
		var bodies []string
		for i := range 30 {
			bodies = append(bodies, fmt.Sprint(i))
		}
		c.publish("", q, bodies...)
		wantReady(t, c, q, 30)
		arrived, _ := c.consume(q, 5)
		for i := range 30 {
			d := next(t, arrived)
			wantBody(t, d, fmt.Sprint(i))
			if d.Redelivered() {
				t.Errorf("%d is redelivered", i)
			}
			ack(t, d)
		}
		if err := c.DeleteQueue(t.Context(), q); err != nil {
			t.Error(err)
		}
	})
}

// TestPrefetch: nobody holds more than that, and competing consumers each have
// their own.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		one, two := connect(t, target), connect(t, target)
		q := one.queue()
		first, _ := one.consume(q, 1)
		second, _ := two.consume(q, 1)
		one.publish("", q, "a", "b", "c")
		a, b := next(t, first), next(t, second)
		select {
		case d := <-first:
			t.Errorf("the first holds %q, too", d.Message().Body)
		case d := <-second:
			t.Errorf("the second holds %q, too", d.Message().Body)
		case <-time.After(200 * time.Millisecond):
		}
		ack(t, b)
		wantBody(t, next(t, second), "c")
		ack(t, a)
	})
}

func TestRequeue(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		q := c.queue()
		c.publish("", q, "a")
		arrived, _ := c.consume(q, 1)
		if err := next(t, arrived).Requeue(); err != nil {
			t.Fatal(err)
		}
		d := next(t, arrived)
		wantBody(t, d, "a")
		if !d.Redelivered() {
			t.Error("it is not marked as redelivered")
		}
		ack(t, d)
	})
}

func TestExchanges(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		fanout, topic, direct := c.exchange(Fanout), c.exchange(Topic), c.exchange(Direct)
		for _, x := range []struct{ exchange, key, hit, miss string }{
			{fanout, "", "any", ""},
			{topic, "a.*.c", "a.b.c", "a.b.b"},
			{topic, "a.#", "a", "b.a"},
			{direct, "a", "a", "b"},
		} {
			first, second := c.queue(), c.queue()
			for _, q := range []string{first, second} {
				if err := c.Bind(t.Context(), q, x.exchange, x.key); err != nil {
					t.Fatal(err)
				}
			}
			if x.miss != "" {
				c.publish(x.exchange, x.miss, "missed")
			}
			c.publish(x.exchange, x.hit, "hit")
			for _, q := range []string{first, second} {
				arrived, stop := c.consume(q, 1)
				d := next(t, arrived)
				wantBody(t, d, "hit")
				ack(t, d)
				stop()
				if err := c.Unbind(t.Context(), q, x.exchange, x.key); err != nil {
					t.Error(err)
				}
				if err := c.DeleteQueue(t.Context(), q); err != nil {
					t.Error(err)
				}
			}
		}
		for _, x := range []string{fanout, topic, direct} {
			if err := c.DeleteExchange(t.Context(), x); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestUnroutable(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		p, err := c.Publisher(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		q := c.queue()
		answers := make(chan error, 3)
		for _, key := range []string{q, "nobody", q} {
			m := Message{Class: c.class(), Mandatory: true}
			if err := p.Publish(t.Context(), "", key, m, func(err error) { answers <- err }); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, want := range []error{nil, ErrUnroutable, nil} {
			if err := <-answers; !errors.Is(err, want) {
				t.Errorf("message %d: %v, want %v", i, err, want)
			}
		}
	})
}

// TestClasses: what a target says to have it takes, and nothing else.
func TestClasses(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		for _, class := range []Class{D0, D1, D2} {
			_, err := c.DeclareQueue(t.Context(), Queue{Name: "q-" + nuid.Next(), Class: class})
			if how, ok := target.Features().Classes[class]; ok && (err != nil || how == "") {
				t.Errorf("class %s (%s): %v", class, how, err)
			} else if !ok && !errors.Is(err, ErrNotOffered) {
				t.Errorf("class %s: %v, want %v", class, err, ErrNotOffered)
			}
		}
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		if strings.HasPrefix(target.Name(), "rabbitmq") || strings.HasSuffix(target.Name(), "nats") {
			if err := target.Restart(t.Context(), false); !errors.Is(err, ErrNotOffered) {
				t.Errorf("got %v, want %v", err, ErrNotOffered)
			}
			return
		}
		for _, kill := range []bool{false, true} {
			before := connect(t, target)
			q := before.queue()
			before.publish("", q, "kept")
			err := target.Restart(t.Context(), kill)
			if kill && target.Features().Transport == "in process" {
				if !errors.Is(err, ErrNotOffered) {
					t.Errorf("got %v, want %v", err, ErrNotOffered)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			arrived, _ := connect(t, target).consume(q, 1)
			d := next(t, arrived)
			wantBody(t, d, "kept")
			ack(t, d)
		}
	})
}

// TestUsage: what a broker has used is seen, sooner or later, as the system counts
// hundredths of a second.
func TestUsage(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		c := connect(t, target)
		q := c.queue()
		u, ok := target.Usage(t.Context())
		for try := 0; ok && u.CPU <= 0 && try < 10_000; try++ {
			c.publish("", q, "work")
			u, ok = target.Usage(t.Context())
		}
		if ok && (u.CPU <= 0 || u.Memory <= 0) {
			t.Errorf("it used %+v", u)
		}
		if want := target.Features().Transport == "in process"; u.Shared != want {
			t.Errorf("shared is %v, want %v", u.Shared, want)
		}
	})
}

// TestCloseLeavesNothing: what was declared at a broker of others is gone.
func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	for _, open := range []func(context.Context, Server, int) (Target, error){NewWarren, NewJetStream} {
		target, err := open(t.Context(), At(NATS{URL: url}), 1)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, target)
		c.queue()
		c.exchange(Topic)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}
	if left := streamNames(t, url); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
