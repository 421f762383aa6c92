package embedded_test

import (
	"sync"
	"testing"
	"time"

	"warren/embedded"
)

// TestFirstRequestsAreAnswered: a fresh server answers the requests that come
// first, however many come at once.
func TestFirstRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	for range 20 {
		s, err := embedded.Start(embedded.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() { ask(t, s) })
		}
		clients.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, s *embedded.Server) {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	if _, err := nc.Request("$JS.API.STREAM.INFO.none", nil, 5*time.Second); err != nil {
		t.Errorf("stream info: %v", err)
	}
}
