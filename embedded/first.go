package embedded

import (
	"fmt"
	"time"
)

// firstRequest asks the server about itself, alone, before anybody else can.
// The server subscribes to the answers of its JetStream when the first question
// comes, and of questions that come at the same moment it loses the answers. A
// cluster may have nobody to answer yet.
func (s *Server) firstRequest() error {
	if s.cfg.Cluster.enabled() {
		return nil
	}
	nc, err := s.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Request("$JS.API.INFO", nil, 5*time.Second); err != nil {
		return fmt.Errorf("ask JetStream for a sign of life: %w", err)
	}
	return nil
}
