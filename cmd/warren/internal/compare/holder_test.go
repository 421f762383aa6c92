package compare

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// TestHoldWithoutAnOrder: who calls the hidden command learns what it is for.
func TestHoldWithoutAnOrder(t *testing.T) {
	t.Parallel()
	err := Hold(t.Context(), strings.NewReader("nonsense"), t.Output())
	if err == nil || !strings.Contains(err.Error(), "is for 'warren compare' to call") {
		t.Errorf("got %v, want what it is for", err)
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
	if n, err := trial.Ready(t.Context(), q); err != nil || n != 2 {
		t.Errorf("got %d messages ready (%v), want 2", n, err)
	}
}
