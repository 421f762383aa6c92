package compare

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"warren/embedded/embeddedtest"
)

// TestHoldWithoutAnOrder: who calls the hidden command learns what it is for.
func TestHoldWithoutAnOrder(t *testing.T) {
	t.Parallel()
	err := Hold(t.Context(), strings.NewReader("nonsense"), t.Output(), nil)
	if err == nil || !strings.Contains(err.Error(), "is for 'warren compare' to call") {
		t.Errorf("got %v, want what it is for", err)
	}
}

// userAndPassword are options of a login for tests.
func userAndPassword(login json.RawMessage) ([]nats.Option, error) {
	var words [2]string
	err := json.Unmarshal(login, &words)
	return []nats.Option{nats.UserInfo(words[0], words[1])}, err
}

// TestHold_Login: the program connects as the comparison does.
func TestHold_Login(t *testing.T) {
	t.Parallel()
	n := NATS{
		URL:   embeddedtest.Configured(t, `authorization { users = [ { user: alice, password: "s3cret" } ] }`, nil),
		Login: json.RawMessage(`["alice", "s3cret"]`), Options: userAndPassword,
	}
	for _, open := range []func(context.Context, Server, int) (Target, error){NewWarren, NewJetStream} {
		target, err := open(t.Context(), At(n), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := target.Close(); err != nil {
				t.Error(err)
			}
		})
		holdOne(t, target)
	}
	n.Login = json.RawMessage(`["alice", "guess"]`)
	if _, err := NewWarren(t.Context(), At(n), 1); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with another password: got %v, want %v", err, nats.ErrAuthorization)
	}
}

func holdOne(t *testing.T, target Target) {
	t.Helper()
	trial, err := newTrial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	q, err := trial.queue(t.Context())
	if err == nil {
		err = trial.send(t.Context(), q, "one")
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := startHolder(holding{Address: target.Address(), Queue: Queue{Name: q, Class: D1}, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.ready(t.Context()), h.kill(), trial.clear(t.Context())); err != nil {
		t.Errorf("%s: %v", target.Name(), err)
	}
}

// TestHoldEndsWithItsParent: the program holds what it should, and ends and hands
// it back when whoever started it is gone.
func TestHoldEndsWithItsParent(t *testing.T) {
	t.Parallel()
	target := warrenInside(t)
	trial, err := newTrial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trial.clear(t.Context()); err != nil {
			t.Error(err)
		}
	})
	q, err := trial.queue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.send(t.Context(), q, numbers(1, 2)...); err != nil {
		t.Fatal(err)
	}
	order := holding{Address: target.Address(), Queue: Queue{Name: q, Class: D1}, Count: 2}
	holder := exec.CommandContext(t.Context(), program(t).Path, HoldCommand)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	holder.Stderr = &said
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(order); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != holdingLine+"\n" {
		t.Errorf("got %q (%v), want %q", line, err, holdingLine)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := holder.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, said.String())
	}
	wantReady(t, trial, q, 2)
}
