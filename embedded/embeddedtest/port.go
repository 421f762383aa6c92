package embeddedtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

const loopback = "127.0.0.1"

// given are the ports this process has handed out, for good.
var given sync.Map

// Port is FindPort for a test, which fails if there is none.
func Port(tb testing.TB) int {
	tb.Helper()
	port, err := FindPort()
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// FindPort finds a port of the loopback address that nobody has now, and nobody is
// likely to get before the caller does: it is given out once, and it is none of
// those that systems give to whoever asks for no port in particular.
func FindPort() (int, error) {
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
		return port, l.Close()
	}
	return 0, fmt.Errorf("no port between %d and %d is free", low, high)
}
