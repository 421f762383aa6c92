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

// freePort finds a port that nobody has now and that nobody is likely to get
// while a server of ours is stopped: systems give connections that ask for no
// port one above 32768.
func freePort(tb testing.TB) int {
	tb.Helper()
	const low, high = 10_000, 32_000
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
