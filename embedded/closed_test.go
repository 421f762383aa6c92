package embedded

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestConnection_ClosedIsForgotten: the server notes connections that are closed, ten
// thousand of them by default, for a monitoring port that there is not.
func TestConnection_ClosedIsForgotten(t *testing.T) {
	t.Parallel()
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // not what is tested
	for range 20 {
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	closed, err := s.server().Connz(&server.ConnzOptions{State: server.ConnClosed})
	if err != nil {
		t.Fatal(err)
	}
	if closed.Total > 1 {
		t.Errorf("%d closed connections are remembered, want 1 at most", closed.Total)
	}
}
