package main

import (
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
)

// TestBench_Connection: the NATS that is measured is reached as by every other command.
func TestBench_Connection(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	url := embeddedtest.Configured(t, o.config, nil)
	creds := newFile(t, "user.creds", o.creds)
	bench := func(flags ...string) (code int, out string) {
		var said strings.Builder
		args := append([]string{"bench", "--target", "warren nats,jetstream nats", "--workload", "rpc", "--class", "D0", "--for", "500ms", "--repeats", "1"}, flags...)
		code = run(t.Context(), programName, args, &said, &said)
		return code, said.String()
	}
	for _, flags := range [][]string{
		{"--nats", url, "--creds", creds},
		{"--context", newContext(t, map[string]any{"url": url, "creds": creds})},
		{"--nats", url, "--context", newContext(t, map[string]any{"url": "nats://127.0.0.1:1", "creds": creds})},
	} {
		code, out := bench(flags...)
		for _, want := range []string{"\nD0: ", " warren nats ", " jetstream nats "} {
			if code != exitOK || !strings.Contains(out, want) {
				t.Errorf("%v: got exit code %d and no %q in\n%s", flags, code, want, out)
			}
		}
	}
	// Nobody measures what it may not use, and says so.
	code, out := bench("--nats", url, "--creds", newFile(t, "other.creds", newOperator(t).creds))
	if !strings.Contains(out, "warren nats: nats: Authorization Violation") {
		t.Errorf("with foreign credentials: got exit code %d and\n%s", code, out)
	}
}
