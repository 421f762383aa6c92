package embeddedtest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

// Connect starts a server for this test alone and connects to it in process.
// When the test ends, the connection and then the server are closed and the
// data is removed.
func Connect(tb testing.TB) *nats.Conn {
	tb.Helper()
	return Start(tb, embedded.Config{}).Connect(tb)
}

// connect connects as one of cfg's clients, for as long as the test runs. Tests
// stop servers and start them again: it never gives up, and returns soon.
func connect(tb testing.TB, url string, cfg embedded.Config, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	own := []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ReconnectJitter(0, 0),
		nats.Timeout(10 * time.Second), // tests run beside many others
	}
	switch {
	case cfg.User != "":
		own = append(own, nats.UserInfo(cfg.User, cfg.Password))
	case cfg.Token != "":
		own = append(own, nats.Token(cfg.Token))
	}
	nc, err := nats.Connect(url, append(own, opts...)...)
	if err != nil {
		tb.Fatalf("connect to %q: %v", url, err)
	}
	tb.Cleanup(nc.Close)
	return nc
}
