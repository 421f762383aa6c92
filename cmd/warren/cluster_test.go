package main

import (
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
)

// TestCluster: several addresses and replicas, and the commands are the same.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := "--server=" + embeddedtest.Cluster(t, 3).URL()
	for _, line := range []struct{ args, want string }{
		{"send --durable --persistent --replicas 3", "Sent 'Hello World!'\n"},
		{"receive --durable --ack --count 1", "Waiting for messages. To exit press CTRL+C\nReceived 'Hello World!'\n"},
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), programName, append(strings.Fields(line.args), server), &out, &errs); code != exitOK {
			t.Fatalf("%s: got exit code %d, want %d; %s", line.args, code, exitOK, errs.String())
		}
		if out.String() != line.want {
			t.Errorf("%s: got %q, want %q", line.args, out.String(), line.want)
		}
	}
}
