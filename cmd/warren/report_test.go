package main

import (
	"strings"
	"testing"
)

// TestAReportSaysHowItWasMade: as one would type it, and without a password.
func TestAReportSaysHowItWasMade(t *testing.T) {
	t.Parallel()
	cmd := newCompare(new(broker))
	typed := []string{"--json", "--full=false", "--html", "", "--rabbitmq", "amqp://me:secret@host/", "--rabbitmq", "amqp://me:secret@other/"}
	if err := cmd.ParseFlags(typed); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(flagsOf(cmd), " "), "compare --full=false --html=\"\" --json --rabbitmq=amqp://xxxxx@host/ --rabbitmq=amqp://xxxxx@other/"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cmd = newBench(new(broker))
	if err := cmd.ParseFlags([]string{"--class", "D0,D1", "--workload", "fan-out"}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(flagsOf(cmd), " "), "bench --class=D0,D1 --workload=fan-out"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
