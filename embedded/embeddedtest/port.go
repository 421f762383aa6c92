package embeddedtest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

const loopback = "127.0.0.1"

// given are the ports this process has handed out, for good.
var given sync.Map

// Port is a port of the loopback address that nobody has now, and nobody is
// likely to get before the test does: it is given out once, and it is none of
// those that systems give to whoever asks for no port in particular.
func Port(tb testing.TB) int {
	tb.Helper()
	const low, high = 10_000, 32_000 // Linux gives out those from 32768, others from 49152
	for range 1000 {
		port := low + rand.IntN(high-low)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		return port
	}
	tb.Fatalf("no port between %d and %d is free", low, high)
	return 0
}
